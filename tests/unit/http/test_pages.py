"""Pages by number: the bounds hold, and the pages together are the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhaul.http import PageParams, page_of
from longhaul.http.errors import PageTooDeep


@given(total=st.integers(0, 300), page_size=st.integers(1, 50))
def test_the_pages_together_are_the_list(total: int, page_size: int) -> None:
    rows = list(range(total))
    seen: list[int] = []
    first = page_of(rows[:page_size], total, PageParams(1, page_size))
    for number in range(1, first.pages + 1):
        params = PageParams(number, page_size)
        page = page_of(rows[params.offset : params.offset + params.limit], total, params)
        assert page.items, "no page that is counted is empty"
        seen += page.items
    assert seen == rows


@given(page=st.integers(1, 10**9), page_size=st.integers(1, 1000))
def test_no_query_skips_more_than_the_bound(page: int, page_size: int) -> None:
    try:
        assert PageParams(page, page_size).offset <= 10_000
    except PageTooDeep:
        assert (page - 1) * page_size > 10_000


def test_the_bound_itself_is_reached() -> None:
    assert PageParams(11, 1000).offset == 10_000
    with pytest.raises(PageTooDeep, match="cursor"):
        PageParams(12, 1000)


@given(total=st.integers(0, 10**6), page_size=st.integers(1, 1000))
def test_pages_promises_no_page_that_is_refused(total: int, page_size: int) -> None:
    pages = page_of([], total, PageParams(1, page_size)).pages
    if pages:
        PageParams(pages, page_size)
    assert pages == -(-total // page_size) or (pages * page_size > 10_000)
