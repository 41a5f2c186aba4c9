"""Pages by number, and by cursor beyond: bounded sizes, one shape.

A size or number outside its bounds is refused (400), never coerced. Numbers reach row 10,000, cursors reach every row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field

from longhaul.errors import FieldError
from longhaul.http.cursors import cursor_after, key_of
from longhaul.http.errors import PageTooDeep

MAX_PAGE_SIZE = 1_000
MAX_OFFSET = 10_000

PageNumber = Annotated[int, Query(ge=1, description="The page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items a page, 1 to 1,000.")]
PageCursor = Annotated[
    str | None,
    Query(
        alias="cursor",
        min_length=1,
        max_length=1_000,
        description="The `next_cursor` of the page before; `page` is then ignored.",
        examples=["nF0rTlzYcU1kXvJq3mZ0AHsiYWZ0ZXIiOls3LDQyXSwib2YiOiI1ZDQxNDAyYWJjNGIyYTc2In0"],
    ),
]


# Of lists that have no numbered pages.
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


@dataclass(frozen=True)
class PageParams:
    """Which page: by its number, or after the row whose key is `after`, with `before` rows before it.

    Raises PageTooDeep when a number begins beyond row 10,000: such a query costs what it skips.
    """

    page: int = 1
    page_size: int = 20
    after: tuple[Any, ...] | None = None
    before: int = 0

    def __post_init__(self) -> None:
        if self.offset > MAX_OFFSET:
            deep = f"offset {self.offset} is beyond {MAX_OFFSET}: take the cursor of the page before"
            raise PageTooDeep(errors=[FieldError(pointer="query/page", detail=deep)])

    @classmethod
    def at(cls, of: object, page: int, page_size: int, cursor: str | None) -> Self:
        """The page of the list that `of` tells apart from all others. Raises InvalidCursor and PageTooDeep."""
        if cursor is None:
            return cls(page, page_size)
        before, *after = key_of(of, cursor)
        return cls(before // page_size + 1, page_size, tuple(after), before)

    @property
    def offset(self) -> int:
        """Rows to skip; none behind a cursor."""
        return 0 if self.after else (self.page - 1) * self.page_size

    @property
    def limit(self) -> int:
        """Rows of the page."""
        return self.page_size


class Page[T](BaseModel):
    """One page of a list, with the size of the whole."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    page: int = Field(description="This page, from 1.", examples=[1])
    page_size: int = Field(description="Items a page.", examples=[20])
    total: int = Field(description="Items on all pages; with `more`, at least so many.", examples=[36])
    more: bool = Field(default=False, description="There are more items than `total`, which counts to a bound.")
    pages: int = Field(
        description="Pages that a number reaches, 0 when there is no item. Cursors reach the rest.", examples=[2]
    )
    next_cursor: str | None = Field(
        default=None, description="Continues after this page. Null on the last page, and where pages have numbers only."
    )


def page_of[T](
    items: Sequence[T],
    total: int,
    params: PageParams,
    *,
    more: bool = False,
    of: object = None,
    last: Sequence[Any] | None = None,
) -> Page[T]:
    """The page of `items` out of `total` or `more`; a page past the end has no items and is no error.

    `last` is the key of the last item when more follow, None otherwise; `of` is what `PageParams.at` was given.
    """
    rows = (params.before if params.after else params.offset) + len(items)
    return Page(
        items=list(items),
        page=params.page,
        page_size=params.page_size,
        total=total,
        more=more,
        pages=min(-(-total // params.page_size), MAX_OFFSET // params.page_size + 1),
        next_cursor=cursor_after(of, None if last is None else [rows, *last]),
    )
