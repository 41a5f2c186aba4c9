"""A browser with the console in it, for the tests of a running stack."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from local.running import RunningStack
from tests.browsing import Console, browsing


@pytest.fixture(scope="module")
def context() -> Iterator[Page]:
    """One browser for all tests of a file: to start one takes longer than most of them."""
    with browsing() as page:
        yield page


@pytest.fixture
def page(context: Page) -> Iterator[Page]:
    page = context.context.new_page()
    context.context.clear_cookies()
    yield page
    page.close()


@pytest.fixture
def console(page: Page, stack: RunningStack) -> Iterator[Console]:
    console = Console(page, stack)
    yield console
    assert console.wrong == []
