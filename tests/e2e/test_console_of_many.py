"""The console with many tasks and steps, in a real browser: an API that answers at once stands in for the stack."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from bench.console import sign_in
from bench.console_stand import TASK, Stand, standing
from tests.browsing import BROWSER, browsing

TASKS, STEPS = 1500, 12_000  # more than one reading of steps

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: `make browser` installs it")


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing(TASKS, STEPS) as stand:
        yield stand


@pytest.fixture
def page(stand: Stand) -> Iterator[Page]:
    with browsing() as page:
        yield page


def test_rows_are_drawn_into_the_same_elements_and_the_focus_goes_with_its_row(page: Page, stand: Stand) -> None:
    # GIVEN a list whose eleventh row has the focus
    sign_in(page, stand)
    rows = page.locator(".space .row")
    expect(rows.nth(2)).to_contain_text("刷新 2")
    rows.nth(20).evaluate("(row) => (window.kept = row)")
    focused = rows.nth(10).get_by_role("checkbox")
    focused.focus()

    # WHEN it is scrolled by a few rows
    box = page.locator(".scroll")
    box.evaluate("(box) => (box.scrollTop = 12 * 40)")
    expect(rows.first).to_contain_text("刷新 4")

    # THEN the element is kept, and the focus is on its task
    assert page.evaluate("kept.isConnected")
    assert page.evaluate("document.activeElement.closest('.row').textContent.includes('刷新 10')")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"

    # AND where its row is not drawn any more, it is on the list
    box.evaluate("(box) => (box.scrollTop = 30 * 40)")
    expect(rows.first).to_contain_text("刷新 22")
    assert page.evaluate("document.activeElement.className") == "scroll"


def test_a_timeline_of_many_steps_is_summed_up_and_zoomed_to_each(page: Page, stand: Stand) -> None:
    sign_in(page, stand, f"tasks/{TASK}")
    timeline = page.locator(".timeline")
    expect(timeline).to_contain_text("The first 10,000 steps")
    page.get_by_role("button", name="Load all steps").click()
    expect(timeline).to_contain_text("12,000 steps")
    expect(page.locator("rect.working").first).to_be_visible()
    expect(page.locator("g.bar")).to_have_count(0)
    while not page.locator("g.bar").count():
        page.get_by_role("button", name="Zoom in").click()
    assert page.locator("g.bar").count() <= 150
