"""Pages by number: bounded sizes, a bounded depth, one shape.

A size or number outside its bounds is refused (400), never coerced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field

from longhaul.errors import FieldError
from longhaul.http.errors import PageTooDeep

MAX_PAGE_SIZE = 1_000
MAX_OFFSET = 10_000

PageNumber = Annotated[int, Query(ge=1, description="The page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items a page, 1 to 1,000.")]


@dataclass(frozen=True, slots=True)
class PageParams:
    """Which page. A route takes `page: PageNumber = 1, page_size: PageSize = 20` and makes this of them.

    Raises PageTooDeep when the page begins beyond row 10,000: such a query costs what it skips.
    """

    page: int = 1
    page_size: int = 20

    def __post_init__(self) -> None:
        if self.offset > MAX_OFFSET:
            deep = f"offset {self.offset} is beyond {MAX_OFFSET}"
            raise PageTooDeep(errors=[FieldError(pointer="query/page", detail=deep)])

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.page_size

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
    total: int = Field(description="Items on all pages.", examples=[36])
    pages: int = Field(description="Pages in all; 0 when there is no item.", examples=[2])


def page_of[T](items: Sequence[T], total: int, params: PageParams) -> Page[T]:
    """The page of `items` out of `total`; a page past the end has no items and is no error."""
    return Page(
        items=list(items),
        page=params.page,
        page_size=params.page_size,
        total=total,
        pages=-(-total // params.page_size),
    )
