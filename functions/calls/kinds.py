"""The kind of task that a campaign is: its parameters, how its progress is counted, and what is purged with it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from calls import store
from calls.freshness import forget_pages
from calls.leads import MAX_LEADS_AT_ONCE, NewLead, duplicates
from calls.model import KIND, Outcome, final_of, summary_of
from longhaul.database import Session
from longhaul.tasks.kinds import Kind
from longhaul.tasks.model import Progress

WEEK = 7 * 86_400

type TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class WorkingTime(BaseModel):
    """A part of the day in which calls may be made, in the instance's time zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: TimeOfDay = Field(examples=["09:00"])
    end: TimeOfDay = Field(examples=["18:00"])


class Strategy(BaseModel):
    """When and how often the provider calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    working_time: list[WorkingTime] = Field(default=[], max_length=10)
    max_attempts_per_day: StrictInt | None = Field(None, ge=1, le=10)
    min_attempt_interval: StrictInt | None = Field(None, ge=1, le=1440, description="Minutes between two attempts.")
    routing: Literal["None", "LocalFirst", "LocalProvinceFirst"] | None = None

    def to_provider(self) -> dict[str, Any]:
        """The strategy as CreateJobGroup takes it."""
        strategy: dict[str, Any] = {
            "repeatBy": "Once",
            "maxAttemptsPerDay": self.max_attempts_per_day,
            "minAttemptInterval": self.min_attempt_interval,
            "routingStrategy": self.routing,
        }
        if self.working_time:
            strategy["workingTime"] = [{"beginTime": part.begin, "endTime": part.end} for part in self.working_time]
        return {name: value for name, value in strategy.items() if value is not None}


class CampaignParams(BaseModel):
    """Who is called, with which script. With `open`, more leads will come: the last page of them says so."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1, max_length=100, examples=["秋季回访"])
    script_id: str = Field(
        min_length=1, max_length=64, validation_alias=AliasChoices("script_id", "scenario"), examples=["script-1"]
    )
    leads: list[NewLead] = Field(default=[], max_length=MAX_LEADS_AT_ONCE)
    open: StrictBool = False
    strategy: Strategy | None = None
    max_attempts: StrictInt | None = Field(None, ge=1, le=10, description="Calls to a number before it is given up.")

    @model_validator(mode="after")
    def leads_are_there(self) -> Self:
        if not self.leads and not self.open:
            raise ValueError("a campaign needs leads, unless it is open for more")
        return self

    @model_validator(mode="after")
    def leads_are_different(self) -> Self:
        if found := duplicates(self.leads):
            raise ValueError("; ".join(f"lead {index} repeats a {field}" for index, field in found[:10]))
        return self


def count_progress(session: Session, task_id: str) -> Progress:
    """The campaign's progress by its counters: the leads whose call is over. A failed call is over, but not done."""
    leads, counts = store.fetch_counts(session, task_id)
    final = final_of(counts)
    called = final - counts.get(Outcome.FAILED, 0)
    return Progress(
        percent=min(99, 100 * called // leads) if leads else 0,
        share=final / leads if leads else 0.0,
        steps_done=final,
        complete=final == leads > 0,
        statistics=summary_of(leads, counts),
    )


def purge(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """Delete the leads of these campaigns as `Kind.purge` says, and forget their pages.

    No foreign key deletes them. A lead's follow-up stays, as other campaigns may call the lead too. Recordings are
    deleted by the bucket's lifecycle rule.
    """
    forget_pages(*task_ids)
    return store.delete_leads(session, task_ids, limit)


KINDS = (
    Kind(
        name=KIND,
        params=CampaignParams,
        workflow="SteerQueue",
        title=lambda params: f"外呼：{params.name}",
        slug=lambda _: "call_campaign",
        max_concurrent=20,
        seconds_allowed=WEEK,
        count=count_progress,
        purge=purge,
    ),
)
