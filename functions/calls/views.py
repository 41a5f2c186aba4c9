"""Calls on the wire: what is asked, and what a page holds, by the seed's names (seed 000)."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from calls.freshness import Freshness
from calls.kinds import MOST_LEADS_AT_ONCE
from calls.leads import NewLead, Unique
from calls.statuses import Outcome
from longhaul.http import Timestamp
from longhaul.tasks.model import Status

MOST_PAGE_SIZE = 100
MOST_PAGES = 10_000_000


class PageQuery(BaseModel):
    """Which page of a campaign's jobs. A cursor stands for `page`."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"task_id": "call_campaign_20261124_143052_1a2b3c4d"}]}
    )

    task_id: str = Field(min_length=1, max_length=96)
    page: int = Field(1, ge=1, le=MOST_PAGES, strict=True, description="The page, from 1.")
    page_size: int = Field(20, ge=1, le=MOST_PAGE_SIZE, strict=True, description="Items a page, 1 to 100.")
    skip_recording: bool = Field(True, strict=True, description="False asks for the recordings that are not here yet.")
    cursor: str | None = Field(None, min_length=1, max_length=512, description="`next_cursor` of the page before.")
    wait_for_sync: bool = Field(
        False, strict=True, description="Ask the provider first, for 3 seconds at most, when the page is stale."
    )

    @model_validator(mode="after")
    def one_place(self) -> Self:
        if self.cursor is not None and "page" in self.model_fields_set:
            raise ValueError("page and cursor exclude each other")
        return self


class FollowData(BaseModel):
    """A lead's row of `dcc_leads_follow`: the latest follow-up, and when the first was."""

    id: int
    leads_id: str
    follow_time: Timestamp | None
    leads_remark: str | None
    frist_follow_time: Timestamp | None
    new_follow_time: Timestamp | None
    next_follow_time: Timestamp | None
    is_arrive: bool | None
    frist_arrive_time: Timestamp | None


class Line(BaseModel):
    """What one of the two said; `at` in milliseconds since 1970."""

    speaker: str = Field(examples=["Robot"])
    script: str
    at: int


class CallItem(BaseModel):
    """A row of `leads_task_list` with its follow-up."""

    job_seq: int = Field(description="Its place in the campaign, from 1.")
    leads_id: str
    name: str | None
    phone: str | None
    call_job_id: str
    call_status: str = Field(examples=["Succeeded"])
    call_result: str | None = Field(description="The provider's word for how the call went.", examples=["NoAnswer"])
    outcome: Outcome | None = Field(description="The same in the words of the task's result; null while it waits.")
    planed_time: Timestamp | None
    actual_time: Timestamp | None
    duration_ms: int | None
    call_task_id: str | None
    call_conversation: list[Line] | None
    calling_number: str | None
    recording_url: str | None = Field(description="Valid for 15 minutes at least.")
    recording_status: Literal["ready", "pending", "none", "skipped"]
    is_interested: bool | None
    leads_follow_id: int | None
    follow_data: FollowData | None


class PageAnswer(BaseModel):
    """A page of a campaign's jobs, in the order in which they were assigned."""

    task_id: str
    status: Status
    items: list[CallItem]
    page: int
    page_size: int
    total: int = Field(description="Jobs on all pages.")
    pages: int
    leads: int = Field(description="Leads of the campaign, with those that have no job yet.")
    counts: dict[str, int] = Field(description="Jobs by call status.", examples=[{"Succeeded": 120, "Failed": 80}])
    next_cursor: str | None = Field(description="Null at the end.")
    freshness: Freshness
    synced_at: Timestamp | None = Field(description="When the oldest jobs of the page were asked for.")
    waited: Literal["synced", "cut_short"] | None = Field(description="What `wait_for_sync` came to; null without it.")
    cache: Literal["hit", "miss", "bypass"]


class LeadsRequest(BaseModel):
    """More leads for a campaign; `last` says that no more will come."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"leads": [{"leads_id": "L-1001", "phone": "13800138000", "name": "王芳"}]}]},
    )

    leads: Annotated[list[NewLead], Field(max_length=MOST_LEADS_AT_ONCE)] = []
    last: bool = False


class Duplicate(BaseModel):
    """A lead that the campaign has already, so it was left out."""

    index: int = Field(description="Its place in the request, from 0.")
    leads_id: str
    field: Unique = Field(description="What another lead of the campaign has as well.")


class LeadsAnswer(BaseModel):
    """What was added."""

    added: int
    leads: int = Field(description="Leads of the campaign now.")
    duplicates: list[Duplicate]
