"""The kind of task that a campaign is: run by queues, counted by its own counters."""

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from calls.counting import tally
from calls.leads import NewLead, duplicates
from calls.purging import purge
from longhaul.tasks.kinds import Kind

MOST_LEADS_AT_ONCE = 1_000
WEEK = 7 * 86_400

type TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class WorkingTime(BaseModel):
    """A part of the day in which calls may be made, in the instance's time zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: TimeOfDay = Field(examples=["09:00"])
    end: TimeOfDay = Field(examples=["18:00"])


class Strategy(BaseModel):
    """When and how often the provider calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    working_time: list[WorkingTime] = Field(default=[], max_length=10)
    max_attempts_per_day: int | None = Field(None, ge=1, le=10)
    min_attempt_interval: int | None = Field(None, ge=1, le=1440, description="Minutes between two attempts.")
    routing: Literal["None", "LocalFirst", "LocalProvinceFirst"] | None = None

    def provided(self) -> dict[str, Any]:
        """In the provider's words."""
        told: dict[str, Any] = {
            "repeatBy": "Once",
            "maxAttemptsPerDay": self.max_attempts_per_day,
            "minAttemptInterval": self.min_attempt_interval,
            "routingStrategy": self.routing,
        }
        if self.working_time:
            told["workingTime"] = [{"beginTime": part.begin, "endTime": part.end} for part in self.working_time]
        return {name: value for name, value in told.items() if value is not None}


class CampaignParams(BaseModel):
    """Who is to be called, with which script. With `open`, more leads will come: the last page of them says so."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1, max_length=100, examples=["秋季回访"])
    script_id: str = Field(
        min_length=1, max_length=64, validation_alias=AliasChoices("script_id", "scenario"), examples=["script-1"]
    )
    leads: list[NewLead] = Field(default=[], max_length=MOST_LEADS_AT_ONCE)
    open: bool = False
    strategy: Strategy | None = None
    max_attempts: int | None = Field(None, ge=1, le=10, description="Calls to a number before it is given up.")

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


KINDS = (
    Kind(
        name="call_campaign",
        params=CampaignParams,
        workflow="SteerQueue",
        title=lambda params: f"外呼：{params.name}",
        slug=lambda _: "call_campaign",
        max_concurrent=20,
        seconds_allowed=WEEK,
        tally=tally,
        purge=purge,
    ),
)
