"""`examples/live.html` in a real browser, against a running stack: what a person who opens it sees."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import boto3
import pytest
from playwright.sync_api import Page, expect

from local.options import ROOT
from local.running import RunningStack
from local.template.model import REGION
from tests.browsing import BROWSER, SECONDS, browsing
from tests.observation import Observer

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: `make browser` installs it")


@pytest.fixture
def page() -> Iterator[Page]:
    with browsing() as page:
        yield page


def test_a_page_shows_tasks_as_they_go_on(observer: Observer, stack: RunningStack, page: Page, tmp_path: Path) -> None:
    # GIVEN the page of someone who has a task already
    before = observer.submit("澳门")
    observer.ended(before)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    opened(page, stack)
    expect(page.locator("#tasks tr")).to_have_count(1)

    # WHEN another one runs
    observer.submit("海南")

    # THEN its progress is seen, and its end
    row = page.locator("#tasks tr", has_text="海南")
    expect(row).to_contain_text("RUNNING", timeout=SECONDS * 1000)
    expect(row).to_contain_text("SUCCEEDED100 %", timeout=SECONDS * 1000)
    assert row.locator("progress").evaluate("bar => bar.value") == 100
    page.screenshot(path=tmp_path / "live.png")
    assert wrong == []


def test_a_page_that_is_cut_off_connects_again_and_shows_what_it_missed(
    observer: Observer, stack: RunningStack, page: Page
) -> None:
    # GIVEN a page that listens, and is cut off
    opened(page, stack)
    page.context.set_offline(True)  # which leaves an open WebSocket as it is
    end_connections(observer)
    expect(page.locator("#state")).to_have_text("connecting again", timeout=SECONDS * 1000)

    # WHEN a task runs meanwhile
    observer.refresh("澳门")
    assert "澳门" not in page.content()

    # THEN it is there when the page has come back
    page.context.set_offline(False)
    expect(page.locator("#tasks tr", has_text="澳门")).to_contain_text("SUCCEEDED", timeout=SECONDS * 1000)


def opened(page: Page, stack: RunningStack) -> None:
    query = urlencode({"api": stack.url, "token": stack.token()})
    page.goto(f"{(ROOT / 'examples' / 'live.html').as_uri()}#{query}")
    expect(page.locator("#state")).to_have_text("listening", timeout=SECONDS * 1000)


def end_connections(observer: Observer) -> None:
    """End every connection, as an operator may."""
    items = observer.aws("dynamodb").scan(TableName=observer.physical("SocketsTable"))["Items"]
    session = boto3.Session(aws_access_key_id="me", aws_secret_access_key="me", region_name=REGION)
    manager = session.client("apigatewaymanagementapi", endpoint_url=f"{observer.stack.url}/live")
    for item in items:
        if item["pk"]["S"].startswith("connection:"):
            with suppress(manager.exceptions.GoneException):  # of a test before
                manager.delete_connection(ConnectionId=item["pk"]["S"].removeprefix("connection:"))
