"""The console with many tasks and steps, in a real browser: an API that answers at once stands in for the stack."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from bench.console import sign_in
from bench.console_stand import AT_ONCE, MOMENT, TASK, Stand, standing
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
    drawn = rows.count()
    rows.nth(20).evaluate("(row) => (window.kept = row)")
    focused = rows.nth(10).get_by_role("checkbox")
    focused.focus()

    # WHEN it is scrolled by a few rows
    box = page.locator(".scroll")
    box.evaluate("(box) => (box.scrollTop = 12 * 40)")
    expect(rows.first).to_contain_text("刷新 7")

    # THEN each row that is drawn still has its element, in the order of the list, and the focus is on its task
    assert page.evaluate("kept.isConnected && kept.textContent.includes('刷新 20')")
    assert rows.evaluate_all("(rows) => rows.map((row) => Number(row.ariaRowIndex))") == list(range(9, 9 + drawn))
    assert page.evaluate("document.activeElement.closest('.row').textContent.includes('刷新 10')")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"

    # AND where its row is not drawn any more, the focus is on the list, and no element was made
    box.evaluate("(box) => (box.scrollTop = 30 * 40)")
    expect(rows.first).to_contain_text("刷新 25")
    assert page.evaluate("document.activeElement.className") == "scroll"
    box.evaluate("(box) => (box.scrollTop = 70 * 40)")
    expect(rows.first).to_contain_text("刷新 65")
    assert page.evaluate("kept.isConnected")
    assert rows.count() == drawn


def test_new_tasks_are_counted_to_a_bound(page: Page, stand: Stand) -> None:
    sign_in(page, stand)
    expect(page.locator(".live")).to_contain_text("Live")
    stand.a_second = 10_000
    try:
        expect(page.get_by_role("button", name="1,000 new or more")).to_be_visible()
    finally:
        stand.a_second = 0


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


def test_steps_of_one_moment_are_shown_each_a_page_at_a_time(page: Page, stand: Stand) -> None:
    # GIVEN more steps at a time than are drawn at once
    sign_in(page, stand, f"tasks/{MOMENT}")
    bars = page.locator("g.bar")
    expect(page.locator(".timeline")).to_contain_text("summed up")

    # WHEN each is asked for
    single = page.get_by_label("Each step by itself")
    single.check()

    # THEN a page of them is drawn, and the last page has the last of them
    expect(bars).to_have_count(150)
    for _ in range(AT_ONCE // 150):
        page.get_by_role("button", name="Next page").click()
    expect(bars).to_have_count(AT_ONCE % 150)
    expect(bars.last).to_contain_text(f"第{AT_ONCE - 1}区")
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()

    # AND zooming in as far as it goes shows them without being asked
    single.uncheck()
    expect(bars).to_have_count(0)
    for _ in range(20):
        page.get_by_role("button", name="Zoom in").click()
    expect(bars).to_have_count(150)
