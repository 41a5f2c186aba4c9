"""How a list of tasks is asked for: the query parameters that its routes share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import StringConstraints

from longhaul.http import Moment
from longhaul.http.pages import MAX_PAGE_SIZE
from longhaul.tasks.finding.model import Filters, Order, Question, Sort
from longhaul.tasks.model import Priority, Status
from tasks.documents import PriorityName

MOST_KINDS = 50
KindName = Annotated[str, StringConstraints(min_length=1, max_length=64)]

Statuses = Annotated[
    list[Status] | None,
    Query(
        max_length=len(Status),
        description="Only these, by commas or repeated; every status when left out.",
        examples=[["PENDING", "RUNNING"]],
    ),
]
Kinds = Annotated[
    list[KindName] | None,
    Query(
        max_length=MOST_KINDS,
        description="Only these kinds, by commas or repeated; every kind when left out.",
        examples=[["hospital_full_refresh"]],
    ),
]
Priorities = Annotated[
    list[PriorityName] | None,
    Query(
        max_length=len(Priority),
        description="Only these, by commas or repeated; every priority when left out.",
        examples=[["high", "urgent"]],
    ),
]
CreatedAfter = Annotated[
    Moment | None, Query(description="Created at this time or after it (RFC 3339).", examples=["2026-11-01T00:00:00Z"])
]
CreatedBefore = Annotated[
    Moment | None, Query(description="Created before this time (RFC 3339).", examples=["2036-12-01T00:00:00Z"])
]
TitleText = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Text within the title.", examples=["广东"])
]
SortBy = Annotated[
    Sort, Query(description="What to sort by; equal ones by the order in which they came.", examples=["created_at"])
]
SortOrder = Annotated[Order, Query(description="Upwards or downwards.", examples=["desc"])]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=1_000,
        description="The `next_cursor` of the page before.",
        examples=["nF0rTlzYcU1kXvJq3mZ0AHsiYWZ0ZXIiOls3LDQyXSwib2YiOiI1ZDQxNDAyYWJjNGIyYTc2In0"],
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
