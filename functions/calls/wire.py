"""Calls over HTTP: the requests, the responses, and the functions that make one of the other."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from calls.freshness import Freshness
from calls.leads import MAX_LEADS_AT_ONCE, Added, NewLead, Unique
from calls.model import Outcome
from calls.pages import Page, Span
from longhaul.errors import FieldError
from longhaul.http import Timestamp, dumps, etag_of
from longhaul.http.cursors import InvalidCursor, seal, unseal
from longhaul.tasks.model import Status

MAX_PAGE_SIZE = 100
MAX_PAGES = 10_000_000
CURSOR_POINTER = "/cursor"


class PageQuery(BaseModel):
    """A page of a campaign's jobs, by its number or by a cursor."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"task_id": "call_campaign_20261124_143052_1a2b3c4d"}]}
    )

    task_id: str = Field(min_length=1, max_length=96)
    page: int = Field(1, ge=1, le=MAX_PAGES, strict=True, description="The page, from 1.")
    page_size: int = Field(20, ge=1, le=MAX_PAGE_SIZE, strict=True, description="Items a page, 1 to 100.")
    skip_recording: bool = Field(True, strict=True, description="False: missing recordings are fetched.")
    cursor: str | None = Field(
        None, min_length=1, max_length=512, description="The `next_cursor` of the page before, instead of `page`."
    )
    wait_for_sync: bool = Field(
        False, strict=True, description="If the page is stale, sync it with the provider first, for 3 seconds at most."
    )

    @model_validator(mode="after")
    def one_place(self) -> Self:
        if self.cursor is not None and "page" in self.model_fields_set:
            raise ValueError("page and cursor exclude each other")
        return self


class FollowData(BaseModel):
    """A lead's row of `dcc_leads_follow`: its latest follow-up, and the time of its first."""

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
    """One line of the conversation. `at` is in milliseconds since 1970."""

    speaker: str = Field(examples=["Robot"])
    script: str
    at: int


class CallItem(BaseModel):
    """A row of `leads_task_list` with its follow-up."""

    job_seq: int = Field(description="The job's place in the campaign, from 1.")
    leads_id: str
    name: str | None
    phone: str | None
    call_job_id: str
    call_status: str = Field(examples=["Succeeded"])
    call_result: str | None = Field(description="The provider's status of the latest call.", examples=["NoAnswer"])
    outcome: Outcome | None = Field(
        description="How the call went, as the task's result counts it. Null while the job waits."
    )
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
    leads: int = Field(description="Leads of the campaign, with or without a job.")
    counts: dict[str, int] = Field(description="Jobs by call status.", examples=[{"Succeeded": 120, "Failed": 80}])
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")
    freshness: Freshness
    synced_at: Timestamp | None = Field(description="When the page's oldest jobs were synced with the provider.")
    waited: Literal["synced", "cut_short"] | None = Field(
        description="The result of `wait_for_sync`, null without it. `cut_short`: time or places to wait ran out."
    )
    cache: Literal["hit", "miss", "bypass"]


class LeadsRequest(BaseModel):
    """More leads for a campaign. `last`: no more will come."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"leads": [{"leads_id": "L-1001", "phone": "13800138000", "name": "王芳"}]}]},
    )

    leads: Annotated[list[NewLead], Field(max_length=MAX_LEADS_AT_ONCE)] = []
    last: StrictBool = False

    @model_validator(mode="after")
    def is_not_empty(self) -> Self:
        if not self.leads and not self.last:
            raise ValueError("there are no leads: give one at least, or last: true to say that no more will come")
        return self


class Duplicate(BaseModel):
    """A lead that was left out, because the campaign has it already."""

    index: int = Field(description="The lead's place in the request, from 0.")
    leads_id: str
    field: Unique = Field(description="The field that another lead of the campaign shares.")


class LeadsAnswer(BaseModel):
    """How many leads were added, and which were left out."""

    added: int
    leads: int = Field(description="Leads of the campaign now.")
    duplicates: list[Duplicate]


def span_of(query: PageQuery) -> Span:
    """The jobs that the query asks for.

    Raises InvalidCursor when its cursor was made for another task, or for another page size than the query names.
    """
    if query.cursor is None:
        return Span(query.task_id, (query.page - 1) * query.page_size + 1, query.page_size)
    sealed = unseal(query.cursor, pointer=CURSOR_POINTER)
    if sealed.get("task") != query.task_id:
        raise InvalidCursor(errors=[FieldError(pointer=CURSOR_POINTER, detail="a cursor of another task")])
    size = sealed["size"]
    if "page_size" in query.model_fields_set and query.page_size != size:
        raise InvalidCursor(errors=[FieldError(pointer=CURSOR_POINTER, detail=f"its pages have {size} items")])
    return Span(query.task_id, sealed["first"], size)


def write_page(page: Page, *, skip_recording: bool) -> tuple[str, str]:
    """A `PageAnswer` as JSON, and its ETag, which covers what the page says but not how it was read."""
    items = page.content.items
    if skip_recording:  # no value holds this text: within one, its quotes would be escaped
        items = items.replace('"recording_status":"pending"', '"recording_status":"skipped"')
    document = f'{dumps(_head_document(page))[:-1]},"items":{items}'
    reading = dumps({"waited": page.waited, "cache": page.source})
    return f"{document},{reading[1:]}", etag_of(document)


def leads_answer(leads: list[NewLead], added: Added) -> LeadsAnswer:
    duplicates = [
        Duplicate(index=index, leads_id=leads[index].leads_id, field=field) for index, field in added.duplicates
    ]
    return LeadsAnswer(added=added.added, leads=added.leads, duplicates=duplicates)


def _head_document(page: Page) -> dict[str, Any]:
    """The page without its items."""
    span, content, age = page.span, page.content, page.age
    return {
        "task_id": span.task_id,
        "status": content.status,
        "page": span.page,
        "page_size": span.size,
        "total": content.total,
        "pages": -(-content.total // span.size),
        "leads": content.leads,
        "counts": content.counts,
        "next_cursor": _next_cursor(span, content.total),
        "freshness": age.freshness,
        "synced_at": datetime.fromtimestamp(age.synced_at, UTC) if age.synced_at else None,
    }


def _next_cursor(span: Span, total: int) -> str | None:
    if span.last >= total:
        return None
    return seal({"task": span.task_id, "size": span.size, "first": span.last + 1})
