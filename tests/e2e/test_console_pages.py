"""Each page of the console in a real browser: on a telephone, without an answer, with what is too long or too large.

And what a person who has never seen it needs to mend a task that failed.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from local.demo.roles import MATERIAL, OWN_TASK, PARAMS
from tests.browsing import BROWSER, Console
from tests.observation import Observer
from tests.providing import Provider, truth

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: `make browser` installs it")

TELEPHONE = {"width": 375, "height": 740}
MACAO = "820000"
LONG = "长标题" * 33 + "W" * 100
SCRIPT = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
EMPTY = ("tasks", "alerts", "webhooks", "hospitals", "roles", "videos", "conversations")
PAGES = (*EMPTY, "submit", "queues", "charts")

type Failing = Callable[[Route], None]


def submit(observer: Observer, title: str, kind: str = "waiting", **params: Any) -> str:
    return str(observer.post("/api/v1/tasks", {"kind": kind, "title": title, "params": params})["task_id"])


def path_of(task_id: str, tab: str = "") -> str:
    return f"tasks/{quote(task_id)}{f'?tab={tab}' if tab else ''}"


class Newcomer:
    """A person who presses what they see, and counts."""

    def __init__(self) -> None:
        self.clicks = 0

    def press(self, target: Locator) -> None:
        target.click()
        self.clicks += 1


def test_a_newcomer_finds_why_a_task_failed_retries_it_and_takes_the_results_along(
    observer: Observer, console: Console, page: Page
) -> None:
    """In seven presses, of which two sign in; without an address, a command or a name that has to be known."""
    # GIVEN a task of which two steps failed, among others
    observer.ended(submit(observer, "all is well", items=2))
    observer.ended(submit(observer, "two are bad", items=5, bad=[1, 3]))
    person = Newcomer()
    page.goto(console.url)
    person.press(page.get_by_role("button", name="Sign in"))
    person.press(page.get_by_role("button", name="Continue as developer"))

    # WHEN they open what the list says has failed
    row = page.locator(".space .row", has_text="Failed")
    expect(row).to_have_count(1)
    person.press(row.get_by_role("link"))

    # THEN the reason stands on top, and one press leads to the steps
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"failed"))
    person.press(page.get_by_role("button", name="See the 2 failed steps"))
    expect(page.locator("article.card")).to_contain_text(re.compile(r"item \d is bad"))

    # WHEN they retry these
    person.press(page.get_by_role("button", name="Retry 2 failed steps"))

    # THEN they are told that it was heard, and see it end
    expect(page.locator(".toasts")).to_contain_text("two are bad")
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")

    # AND the results are there without a reload, and as a file
    person.press(page.get_by_role("tab", name="Results"))
    expect(page.locator("#panel tbody tr")).to_have_count(6)  # five items, and their sum
    with page.expect_download() as download:
        person.press(page.get_by_role("button", name="Save as a file"))
    assert download.value.suggested_filename == "two_are_bad.csv"
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert (len(lines), lines[0].split(",")[0]) == (7, "key")
    expect(page.locator(".toasts")).to_contain_text("6 rows saved")
    assert person.clicks == 7


def test_what_the_last_refresh_changed_is_told_beside_the_hospitals(
    observer: Observer, console: Console, page: Page, provider: Provider
) -> None:
    # GIVEN a province that was refreshed, and again when its hospitals had changed
    observer.refresh("澳门")
    provider.control(edition=2)
    last = observer.refresh("澳门")
    counts = observer.get(f"/api/v1/refreshes/{quote(last['task_id'])}/changes")["counts"]
    assert counts == {name: last["result"][name] for name in ("added", "changed", "gone")}
    assert sum(counts.values()) > 0
    assert {one.name for one in truth(MACAO, 1)[MACAO]} != {one.name for one in truth(MACAO, 2)[MACAO]}

    # WHEN the hospitals of the province are looked at
    console.sign_in(f"hospitals?province={MACAO}")
    card = page.locator("details.refreshed")
    expect(card.locator("summary .status")).to_contain_text("Succeeded")
    card.locator("summary").click()

    # THEN each change is there with what it is, and the task is one press away
    chips = card.get_by_role("group", name="Which changes")
    for name, count in counts.items():
        expect(chips.get_by_role("button", name=re.compile(name, re.I))).to_contain_text(str(count))
    expect(card.locator("tbody tr")).to_have_count(sum(counts.values()))
    chips.get_by_role("button", name=re.compile("gone", re.I)).click()
    expect(card.locator("tbody tr")).to_have_count(counts["gone"])
    card.get_by_role("link", name=last["title"]).click()
    expect(page).to_have_url(re.compile(re.escape(quote(last["task_id"]))))

    # AND the task leads to what it changed
    page.get_by_role("button", name="See what it changed").click()
    expect(page.locator("#panel tbody tr")).to_have_count(sum(counts.values()))

    # AND a province that was not refreshed says so
    console.open("hospitals?province=630000")
    expect(page.locator("details.refreshed")).to_contain_text("You have not refreshed this province yet.")


def filled(observer: Observer) -> list[tuple[str, str]]:
    """Tasks of each kind with texts that are long; the pages that show them, and what is there then."""
    for kind, body in MATERIAL.items():
        assert observer.request("PUT", f"/api/v1/role-tasks/{OWN_TASK}/{kind}", json=body).status == 200
    bad = submit(observer, LONG, items=5, bad=[1, 3])
    leads = [{"leads_id": f"L-{n}", "phone": f"1380013800{n}", "name": "王女士"} for n in range(2)]
    campaign = observer.call(leads)
    questions = ["种植牙哪家好？", "看牙先看什么？"]
    params = {"brand": "晨光口腔", "questions": questions, "models": ["deepseek", "kimi", "nobody"]}
    diagnosis = submit(observer, "diagnosis", "brand_diagnosis", **params)
    role = submit(observer, "role", "role_creation", **PARAMS)
    film = submit(observer, "film", "video_generation", topic="The tide", seconds=10, max_cost="30")
    talk = observer.request("POST", "/api/v1/conversations", json={"title": LONG[:100]}).json()["conversation_id"]
    said = {"content": "The tide, 10 s, 16:9, style: watercolour"}
    assert observer.request("POST", f"/api/v1/conversations/{talk}/messages", json=said).status < 300
    hook = observer.request(
        "POST", "/api/v1/webhooks", json={"url": f"{observer.stack.provider_url}/receiver/telephone"}
    )
    refresh = observer.submit("澳门")
    for one in (bad, campaign, diagnosis, role, refresh, film):
        observer.ended(one)
    error = SCRIPT + "x" * 300
    observer.sql("UPDATE tasks SET error_message = %s WHERE task_id = %s", error, bad)
    [made] = observer.get("/api/v1/roles")["items"]
    return [
        ("tasks", ".space .row"),
        (path_of(bad), "svg"),
        (path_of(bad, "errors"), "article"),
        (path_of(bad, "results"), "#panel td"),
        (path_of(bad, "history"), ".events li"),
        (path_of(bad, "data"), ".tree"),
        (path_of(campaign, "results"), "details.call"),
        (path_of(diagnosis, "results"), "table.grid"),
        (path_of(refresh, "results"), "#panel td"),
        ("submit?kind=call_campaign", "form"),
        ("submit?kind=video_generation", "form"),
        ("queues", "td"),
        ("charts?window=1h", "canvas"),
        ("alerts", "td"),
        ("webhooks", "td"),
        (f"webhooks/{quote(hook.json()['webhook_id'])}", "h2"),
        (f"hospitals?province={MACAO}", "td"),
        ("roles", "td"),
        (f"roles/{quote(made['role_id'])}", ".answer"),
        ("videos", ".films li"),
        (f"videos/{quote(film)}", "h2"),
        ("conversations", "article"),
        (f"conversations/{talk}", ".chat li"),
    ]


def test_no_page_is_scrolled_sideways_on_a_telephone(
    observer: Observer, console: Console, page: Page, provider: Provider
) -> None:
    provider.control(videos={"job_seconds": 0, "scale": 0.1})
    shown = filled(observer)
    page.set_viewport_size(TELEPHONE)  # type: ignore[arg-type]
    console.sign_in()
    wide = []
    for path, there in shown:
        console.open(path)
        for language in ("zh", "en"):  # the browser keeps the last one for the tests that follow
            page.locator(".choices select").nth(0).select_option(language)
            expect(page.locator(f"main {there}").first).to_be_visible()
            page.evaluate("document.querySelectorAll('main details').forEach((part) => (part.open = true))")
            width, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            if width > seen:
                wide.append(f"{path} {language}: {width} of {seen}")
            assert page.title() != "pwned"
    assert wide == []


def test_an_empty_list_says_so_on_each_page(observer: Observer, console: Console, page: Page) -> None:
    console.sign_in(tenant="nobody-yet")
    for path in EMPTY:
        console.open("hospitals?q=nothing-begins-so" if path == "hospitals" else path)
        expect(page.locator("main .quiet, main .empty").first).to_be_visible()
        expect(page.locator("main")).to_contain_text(re.compile(r"\b(no|none|nothing)\b", re.I))
        expect(page.locator("main [aria-busy=true]")).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)


def _answering(status: int, code: str, **headers: str) -> Failing:
    problem = {"type": "about:blank", "title": code, "status": status, "detail": f"told {code}", "code": code}

    def answer(route: Route) -> None:
        route.fulfill(status=status, content_type="application/problem+json", headers=headers, body=json.dumps(problem))

    return answer


FAILING: dict[str, tuple[Failing, str]] = {
    "broken": (_answering(500, "internal_error"), "told internal_error"),
    "busy": (_answering(429, "quota_exceeded", **{"retry-after": "30"}), "told quota_exceeded"),
    "offline": (lambda route: route.abort("internetdisconnected"), "No connection to the API"),
    "no JSON": (lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>"), "502"),
}


@pytest.mark.parametrize("how", FAILING)
def test_each_page_tells_when_the_api_does_not_answer(
    observer: Observer, console: Console, page: Page, how: str
) -> None:
    """None takes a failure for an empty list."""
    failing, said = FAILING[how]
    task_id = submit(observer, "one", items=1)
    observer.ended(task_id)
    console.sign_in()
    for path in (*PAGES, path_of(task_id), "roles/none", "conversations/none", "videos/none", "webhooks/none"):
        page.route("**/api/v1/**", failing)
        console.open(path)
        alerts = page.locator("main").get_by_role("alert")
        expect(alerts.filter(has_text=re.compile(said, re.I)).first).to_be_visible()
        expect(page.locator("main [aria-busy=true]")).to_have_count(0)
        expect(page.locator("main")).not_to_contain_text(re.compile(r"There (is|are) no", re.I))
        page.unroute("**/api/v1/**")


def test_large_numbers_stay_exact_in_results(observer: Observer, console: Console, page: Page) -> None:
    exact = 2**53 + 1
    task_id = submit(observer, "large", items=1)
    observer.ended(task_id)
    observer.sql(
        "UPDATE task_steps SET output = %s WHERE task_id = %s AND ordinal IS NOT NULL",
        json.dumps({"large": exact}),
        task_id,
    )
    console.sign_in(path_of(task_id, "results"))
    expect(page.locator("#panel tbody tr").first.locator("td").nth(2)).to_have_text(str(exact))
