"""How a list of tasks is asked for: the query parameters that its routes share."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from longhaul.http.pages import MAX_PAGE_SIZE
from longhaul.tasks.finding.model import Filters, Order, Question, Sort
from longhaul.tasks.model import Priority, Status
from tasks.documents import PriorityName

MOST_KINDS = 50
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _rfc3339(text: Any) -> Any:
    if not _RFC3339.fullmatch(str(text)):
        raise ValueError("a time is written 2026-11-25T14:30:52Z, or with an offset, whose + is %2B in an address")
    return text


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return moment and moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time between the years 1 and 9999, UTC") from error


Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
KindName = Annotated[str, StringConstraints(min_length=1, max_length=64)]

Statuses = Annotated[
    list[Status] | None,
    Query(description="Only these, by commas or repeated; every status when left out.", examples=[["PENDING"]]),
]
Kinds = Annotated[
    list[KindName] | None,
    Query(
        max_length=MOST_KINDS,
        description=f"Only these kinds, {MOST_KINDS} at most; every kind when left out.",
        examples=[["hospital_full_refresh"]],
    ),
]
Priorities = Annotated[
    list[PriorityName] | None, Query(description="Only these; every priority when left out.", examples=[["high"]])
]
CreatedAfter = Annotated[
    Time | None,
    Query(description="Created at this time or after it (RFC 3339).", examples=["2026-11-01T00:00:00Z"]),
]
CreatedBefore = Annotated[
    Time | None, Query(description="Created before this time (RFC 3339).", examples=["2036-12-01T00:00:00Z"])
]
TitleText = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Text within the title.", examples=["广东"])
]
SortBy = Annotated[
    Sort,
    Query(description="What to sort by; equal ones by the order in which they came.", examples=["created_at"]),
]
SortOrder = Annotated[Order, Query(description="Upwards or downwards.", examples=["desc"])]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1_000,
        description="The `next_cursor` of the page before.",
        examples=["mHJ6kq0c1vQk2nF1bW9sZSI6MX0"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items a page, 1 to 1,000.", examples=[20])]


def question(
    tenant_id: str,
    status: Sequence[Status] | None,
    kind: Sequence[str] | None,
    priority: Sequence[PriorityName] | None,
    created_after: datetime | None,
    created_before: datetime | None,
    title: str | None,
    sort_by: Sort,
    sort_order: Order,
) -> Question:
    """The same question however its values are ordered or repeated: it is what a cursor and a cached page belong to."""
    filters = Filters(
        statuses=tuple(sorted(set(status or ()))),
        kinds=tuple(sorted(set(kind or ()))),
        priorities=tuple(sorted({Priority[name] for name in priority or ()})),
        created_after=created_after,
        created_before=created_before,
        title=title,
    )
    return Question(tenant_id, filters, sort_by, sort_order)
