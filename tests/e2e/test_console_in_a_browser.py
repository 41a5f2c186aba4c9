"""The console in a real browser, against a running stack: what a person who works with it sees and does."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from local.demo.roles import MATERIAL, OWN_TASK, PARAMS
from local.options import ROOT
from local.running import RunningStack, eventually
from tests.browsing import BROWSER, Console
from tests.observation import Observer
from tests.providing import Provider

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
SCRIPT = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: `make browser` installs it")

type Row = dict[str, Any]


def submit(observer: Observer, title: str, kind: str = "waiting", **params: Any) -> str:
    body = {"kind": kind, "title": title, "params": {"items": 3, **params}}
    return str(observer.post("/api/v1/tasks", body)["task_id"])


def path_of(task_id: str, tab: str = "") -> str:
    return f"tasks/{quote(task_id)}{f'?tab={tab}' if tab else ''}"


def test_a_list_is_live_and_its_rows_stay_where_they_are(observer: Observer, console: Console, page: Page) -> None:
    # GIVEN a list with two tasks, one of which is selected
    for title in ("first", "second"):
        observer.ended(submit(observer, title))
    console.sign_in()
    console.is_live()
    rows = page.locator(".space .row")
    expect(rows).to_have_count(2)
    expect(page.locator("p.state")).to_contain_text("2 tasks, all of them")
    rows.nth(0).get_by_role("checkbox").check()
    before = rows.nth(0).bounding_box()

    # WHEN another comes
    third = submit(observer, "third")

    # THEN it is counted, and nothing has moved under the cursor
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    expect(rows.nth(0)).to_contain_text("second")
    assert rows.nth(0).bounding_box() == before
    expect(rows.nth(0).get_by_role("checkbox")).to_be_checked()

    # AND it is on top when it is asked for, and goes on to its end where it stands
    page.get_by_role("button", name="1 new").click()
    expect(rows.nth(0)).to_contain_text("third")
    expect(rows.nth(0).locator(".status")).to_contain_text("Succeeded")

    # AND the keyboard leads to it
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="third")).to_be_visible()
    assert page.url.endswith(path_of(third))


def test_a_filter_is_the_address_and_the_address_is_the_filter(
    observer: Observer, console: Console, page: Page
) -> None:
    # GIVEN a task that failed, and one that did not
    observer.ended(submit(observer, "good"))
    observer.ended(submit(observer, "broken", bad=[0, 1, 2]))
    console.sign_in()
    rows = page.locator(".space .row")

    # WHEN only the failed ones are asked for, sorted otherwise
    page.get_by_role("group", name="Status").get_by_role("button", name="Failed").click()
    expect(rows).to_have_count(1)
    assert "status=FAILED" in page.url

    # THEN the page that is loaded anew is the same page
    page.reload()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("broken")

    # AND the next press turns it round
    page.get_by_role("group", name="Status").get_by_role("button", name="Failed").click()
    expect(rows).to_contain_text("good")

    # AND the same list is there as a command
    page.get_by_role("button", name="As a command").click()
    expect(page.get_by_role("dialog")).to_contain_text("longhaul list --all --status PENDING --status RUNNING")
    expect(page.get_by_role("dialog")).to_contain_text("curl -H")


def test_who_looks_finds_why_a_task_failed_and_retries_what_did(
    observer: Observer, console: Console, page: Page
) -> None:
    # GIVEN a task of which two items failed
    task_id = submit(observer, "two are bad", items=5, bad=[1, 3])
    observer.ended(task_id)
    console.sign_in("tasks?status=FAILED")

    # WHEN it is opened
    page.get_by_role("link", name="two are bad").click()

    # THEN the page says what went wrong, and groups what is the same
    page.get_by_role("button", name="See the 2 failed steps").click()
    group = page.locator("article.card")
    expect(group).to_have_count(1)
    expect(group).to_contain_text("2")
    expect(group).to_contain_text(re.compile(r"item \d is bad"))

    # WHEN the failed steps are retried
    page.get_by_role("button", name="Retry 2 failed steps").click()

    # THEN the end is seen without a reload
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#panel tbody tr")).to_have_count(2)
    page.get_by_role("tab", name="Results").click()
    expect(page.locator("#panel tbody tr").nth(4)).to_contain_text("16")
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator("g.bar", has_text="item ")).to_have_count(5)


def test_tasks_are_found_by_the_code_of_their_error(observer: Observer, console: Console, page: Page) -> None:
    # GIVEN a task that failed, and another that failed for another reason
    for title in ("two are bad", "one is odd"):
        observer.ended(submit(observer, title, items=5, bad=[1, 3]))
    code = observer.sql("SELECT error_code FROM tasks WHERE title = 'two are bad'")[0]["error_code"]
    observer.sql("UPDATE tasks SET error_code = 'odd' WHERE title = 'one is odd'")
    console.sign_in("tasks")

    # WHEN a code is chosen of those that are offered
    page.locator(".filters summary").click()
    chips = page.get_by_role("group", name="Error code")
    chips.get_by_role("button", name="odd").click()

    # THEN the list, the address, the command and the bulk filter have it
    rows = page.locator(".space .row")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("one is odd")
    assert "error_code=odd" in page.url
    page.get_by_role("button", name="As a command").click()
    expect(page.get_by_role("dialog")).to_contain_text("longhaul list --all --error-code odd")
    expect(page.get_by_role("dialog")).to_contain_text("error_code=odd")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Act on all that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("dl")).to_contain_text("error_code")
    expect(dialog).to_contain_text("1 task would be changed.")
    page.keyboard.press("Escape")

    # AND pressed again it means all other codes; another code may be typed
    chips.get_by_role("button", name="odd").click()
    expect(rows).to_contain_text("two are bad")
    page.get_by_role("textbox", name="Another code").fill("gone")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(rows).to_have_count(0)
    chips.get_by_role("button", name="gone").click()
    chips.get_by_role("button", name="not gone").click()
    chips.get_by_role("button", name="not odd").click()
    expect(rows).to_have_count(2)
    expect(chips).to_contain_text(code)


def test_a_task_is_paused_with_a_way_back_renamed_and_cancelled_by_name(
    observer: Observer, console: Console, page: Page
) -> None:
    task_id = submit(observer, "long", items=200, seconds=1)
    console.sign_in(path_of(task_id))
    status = page.locator(".summary .status")
    expect(status).to_contain_text("Running")

    page.get_by_role("button", name="Pause").click()
    expect(status).to_contain_text("Paused")
    expect(page.locator(".why")).to_contain_text("paused")
    page.get_by_role("button", name="Undo").click()
    expect(status).to_contain_text(re.compile("Waiting|Running"))

    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Title").fill("longer")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="longer")).to_be_visible()
    assert observer.read(task_id)["title"] == "longer"

    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel 1 task, “longer”")
    dialog.get_by_role("button", name="Cancel").click()
    expect(status).to_contain_text("Cancelled")


def test_a_task_that_waits_for_a_person_says_so_and_is_approved(
    observer: Observer, console: Console, page: Page
) -> None:
    task_id = submit(observer, "a draft", kind="approving", approve=True)
    console.sign_in(path_of(task_id))
    expect(page.locator(".why")).to_contain_text("approval")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")


def test_a_form_made_of_the_schema_submits_and_shows_a_refusal_at_its_field(
    observer: Observer, console: Console, page: Page
) -> None:
    console.sign_in("submit?kind=hospital_province_refresh")
    province = page.get_by_role("textbox", name="province")
    page.get_by_role("button", name="Submit a task").click()
    expect(page.locator(".field.wrong")).to_contain_text("This is needed.")
    province.fill("Atlantis")
    page.get_by_role("button", name="Submit a task").click()
    expect(page.locator(".field.wrong")).to_contain_text("Atlantis")

    province.fill("澳门")
    page.get_by_role("button", name="Submit a task").click()
    expect(page.get_by_role("heading", name="澳门")).to_be_visible()
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")

    # AND a task is submitted again, changed
    page.get_by_role("link", name="Submit again with changes").click()
    expect(province).to_have_value(re.compile("澳门"))


def test_who_may_only_read_has_no_buttons_that_would_fail(observer: Observer, console: Console, page: Page) -> None:
    task_id = submit(observer, "theirs", items=100, seconds=1)
    console.sign_in(path_of(task_id), reads=True)
    expect(page.locator(".summary .status")).to_contain_text("Running")
    for name in ("Cancel", "Pause", "Rename", "Submit again with changes"):
        expect(page.get_by_text(name, exact=True)).to_have_count(0)
    expect(page.get_by_role("combobox", name="Priority")).to_have_count(0)
    expect(page.get_by_role("link", name="Submit a task")).to_have_count(0)
    observer.cancel(task_id)


def test_texts_of_others_stay_texts(observer: Observer, console: Console, page: Page) -> None:
    task_id = submit(observer, SCRIPT)
    observer.ended(task_id)
    observer.sql("UPDATE tasks SET error_code = %s, error_message = %s WHERE task_id = %s", "odd", SCRIPT, task_id)
    console.sign_in()
    expect(page.locator(".space .row")).to_contain_text("<img src=x")
    for tab in ("timeline", "results", "history", "data"):
        console.open(path_of(task_id, tab))
        expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    assert page.title() != "pwned"
    expect(page.locator("main img, main script")).to_have_count(0)


def test_no_token_is_in_an_address_or_a_storage(observer: Observer, console: Console, page: Page) -> None:
    addresses: list[str] = []
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    console.sign_in()
    console.is_live()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    token = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
    assert not token.search(kept + " ".join(addresses))
    assert "code=" not in page.url
    assert "verifier" not in kept


def test_a_page_without_a_network_says_so_and_makes_up_for_it(observer: Observer, console: Console, page: Page) -> None:
    # GIVEN a list that is live
    observer.ended(submit(observer, "before"))
    console.sign_in()
    console.is_live()

    # WHEN the network goes
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("You are offline")
    observer.ended(submit(observer, "meanwhile"))
    expect(page.locator(".space .row")).to_have_count(1)

    # THEN all is there when it comes back, without a reload
    page.context.set_offline(False)
    console.is_live()
    page.get_by_role("button", name="1 new").click()
    expect(page.locator(".space .row").nth(0)).to_contain_text("meanwhile")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_many_are_cancelled_by_a_filter_that_is_frozen_and_counted(
    observer: Observer, console: Console, page: Page
) -> None:
    # GIVEN three tasks that wait, and one of another name
    observer.request("PATCH", "/api/v1/queue/waiting", json={"paused": True})
    for title in ("old 1", "old 2", "old 3", "keep"):
        submit(observer, title)
    console.sign_in("tasks?title=old")
    expect(page.locator(".space .row")).to_have_count(3)

    # WHEN all that match are to be cancelled, and one more comes meanwhile
    page.get_by_role("button", name="Act on all that match").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Do").select_option("cancel")
    expect(dialog).to_contain_text("3 tasks would be changed.")
    expect(dialog).to_contain_text("old")
    submit(observer, "old 4")
    dialog.get_by_role("button", name="Cancel 3 tasks").click()

    # THEN those three are, it is followed as a task, and nothing else was touched
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")
    rows = observer.sql("SELECT title, status FROM tasks WHERE kind = 'waiting'")
    assert sorted((row["title"], row["status"]) for row in rows) == [
        ("keep", "PENDING"),
        ("old 1", "CANCELLED"),
        ("old 2", "CANCELLED"),
        ("old 3", "CANCELLED"),
        ("old 4", "PENDING"),
    ]

    # AND one that waits says why
    console.open("tasks?status=PENDING&title=keep")
    page.get_by_role("link", name="keep").click()
    expect(page.locator(".why")).to_contain_text("The queue of waiting is paused.")


def test_an_operator_changes_a_queue_with_a_way_back(observer: Observer, console: Console, page: Page) -> None:
    console.sign_in("queues")
    row = page.locator("tr", has_text="waiting").filter(has=page.get_by_role("link", name="waiting", exact=True))
    row.get_by_role("button", name="Limits").click()
    page.get_by_label("Running at once").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("0 of 7")
    page.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("0 of 5")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused")
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".status")).to_have_count(0)


def test_a_webhook_is_added_tested_and_its_deliveries_are_seen(
    observer: Observer, console: Console, page: Page, stack: RunningStack
) -> None:
    console.sign_in("webhooks")
    page.get_by_role("button", name="Add a webhook").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address").fill(f"{stack.provider_url}/receiver/console")
    dialog.get_by_role("button", name="Add a webhook").click()
    expect(page.get_by_role("dialog")).to_contain_text("whsec_")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="receiver/console").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("tbody tr").first).to_contain_text("Succeeded")
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("main")).to_contain_text("There is no webhook yet.")


def test_charts_have_their_figures_as_tables(observer: Observer, console: Console, page: Page) -> None:
    observer.ended(submit(observer, "charted"))
    console.sign_in("charts?window=1h")
    expect(page.locator("canvas").first).to_be_visible()
    page.locator("figure summary").first.click()
    expect(page.locator("figure").first.locator("tbody tr").last).to_contain_text("1")
    expect(page.locator("h2 + .wide tbody")).to_contain_text("waiting")


def test_an_alert_is_seen_acknowledged_silenced_and_leads_to_its_task(
    observer: Observer, console: Console, page: Page
) -> None:
    # GIVEN a task that runs for longer than its tenant's rule allows
    task_id = submit(observer, "slow one", items=400, seconds=1)
    rule = "/api/v1/alert-rules/running_long"
    body = {"warning": 0.001, "critical": None, "hold_seconds": 0}
    assert observer.request("PUT", rule, json=body).status == 200

    # WHEN the alerts are looked at
    console.sign_in("alerts")
    card = page.locator("article.alert").first
    expect(card).to_contain_text("running_long")

    # THEN it is acknowledged and silenced, and one press leads to the task
    card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("acknowledged by developer")
    card.get_by_role("button", name="Silence").click()
    page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    expect(card).to_contain_text("silenced")
    expect(page.locator("main")).to_contain_text("dead-letter queues holds a message.")
    card.get_by_role("link", name="See the task").click()
    expect(page.get_by_role("heading", name="slow one")).to_be_visible()
    observer.cancel(task_id)
    observer.request("DELETE", rule)


def test_workloads_have_views_of_their_own(observer: Observer, console: Console, page: Page) -> None:
    # GIVEN a campaign, a diagnosis and a directory
    campaign = observer.call([{"leads_id": f"L-{n}", "phone": f"1380013800{n}", "name": "王女士"} for n in range(3)])
    params = {"brand": "晨光口腔", "questions": ["种植牙哪家好？"], "models": ["deepseek", "qwen"]}
    diagnosis = str(observer.post("/api/v1/tasks", {"kind": "brand_diagnosis", "params": params})["task_id"])
    refresh = observer.submit("澳门")
    console.sign_in(path_of(diagnosis, "results"))

    # THEN the grid is seen cell by cell, and a cell with what was answered
    expect(page.locator("table.grid .cell.answered")).to_have_count(2)
    page.locator("table.grid .cell").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("deepseek: Answered")

    # AND each call, with its conversation where there was one
    observer.ended(campaign)
    console.open(path_of(campaign, "results"))
    expect(page.locator("details.call")).to_have_count(3)
    expect(page.locator("#panel .state")).to_contain_text("3 calls")

    # AND the hospitals of a province
    observer.ended(refresh)
    console.open("hospitals?province=820000")
    expect(page.locator("p.state")).to_contain_text(re.compile(r"[1-9]\d* of [1-9]\d* hospitals"))


PLAYS = """async (video) => {
    video.muted = true;
    await video.play();
    await new Promise((done) => (video.ontimeupdate = () => video.currentTime > 0.2 && done()));
    video.pause();
    return [video.textTracks[0].cues.length > 0, video.error];
}"""


def test_a_video_is_talked_over_edited_approved_played_and_deleted(
    observer: Observer, console: Console, page: Page, stack: RunningStack
) -> None:
    # GIVEN a conversation that ends in a film
    Provider(stack.provider_url).control(videos={"job_seconds": 0, "scale": 0.1})
    console.sign_in("conversations")
    page.get_by_role("button", name="Begin a conversation").click()
    page.get_by_label("What shall the film be?").fill("The tide, 10 s, 16:9, style: watercolour")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat li")).to_have_count(2)
    conversation = page.url.rsplit("/", 1)[1]
    expect(page.get_by_role("button", name="Make this film")).to_be_visible()

    # WHEN it is made with an approval of the script
    params = {
        "conversation_id": conversation,
        "topic": "The tide",
        "seconds": 10,
        "approve": "script",
        "max_cost": "50",
    }
    task_id = str(observer.post("/api/v1/tasks", {"kind": "video_generation", "params": params})["task_id"])
    console.open(f"videos/{quote(task_id)}")
    page.get_by_role("button", name="Edit the script").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("Mine")

    # AND somebody else saves another script meanwhile
    path = f"/api/v1/videos/{quote(task_id)}/script"
    assert observer.request("PUT", path, json={"title": "Theirs", "summary": "Not mine."}).status == 200
    dialog.get_by_role("button", name="Save").click()

    # THEN one's own text is kept beside theirs, and replaces it when it is meant to
    expect(dialog.get_by_role("alert")).to_contain_text("Your text is still in the fields")
    expect(dialog.get_by_label("Title")).to_have_value("Mine")
    expect(dialog.locator(".theirs")).to_contain_text("Theirs")
    dialog.get_by_role("button", name="Replace theirs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mine")
    expect(page.locator(".facts")).to_contain_text("¥ 50")

    # AND approved, it becomes a film that plays, with its subtitles
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    film = page.locator("video.film")
    expect(film).to_be_visible()
    assert film.evaluate(PLAYS) == [True, None]
    assert page.locator(".scene img").first.evaluate("async (image) => (await image.decode(), image.naturalWidth > 0)")
    expect(page.get_by_role("link", name="A conversation")).to_be_visible()

    # AND a scene is made anew, as a task
    page.get_by_role("button", name="Make the scene anew").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Make the scene anew").click()
    expect(page.locator(".summary .status")).to_contain_text("Succeeded")

    # AND who may only read has no buttons; who may write deletes it by its name
    console.open("videos")
    page.get_by_role("link", name="Mine").or_(page.locator(".films a")).first.click()
    expect(page.get_by_text("2 versions of the clip")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("“Mine”")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".films")).to_contain_text("There are no videos yet.")


def test_leads_of_a_campaign_come_from_a_file(observer: Observer, console: Console, page: Page, tmp_path: Path) -> None:
    # GIVEN a file as a spreadsheet in China saves it, with three rows that are wrong
    file = tmp_path / "leads.csv"
    rows = [
        "编号,姓名,手机号",
        "A,王女士,13800138000",
        "B,李先生,123",
        "C,张,13800138000",
        "",
        "D,赵,13800138002",
        "A,孙,13800138003",
    ]
    file.write_bytes("\r\n".join(rows).encode("gbk"))
    console.sign_in("submit?kind=call_campaign")

    # WHEN it is chosen
    page.get_by_label("File").set_input_files(file)

    # THEN its columns are known, and what is wrong is said by its line
    expect(page.locator("table tbody tr").first).to_contain_text("王女士")
    expect(page.get_by_text("2 of 5 rows can be called.")).to_be_visible()
    for line, fault in ((3, "not a telephone number"), (4, "the number is there already"), (7, "the id is there")):
        expect(page.locator(".faults")).to_contain_text(f"Line {line}: {fault}")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export the errors").click()
    assert saved.value.path().read_text(encoding="utf-8-sig").count("\n") == 4

    # AND the others are called
    page.get_by_role("textbox", name="name", exact=True).first.fill("Autumn")
    page.get_by_role("textbox", name="script_id").fill("demo")
    page.get_by_role("button", name="Submit a task").click()
    expect(page.locator(".summary .status")).to_be_visible()
    task_id = observer.sql("SELECT task_id FROM tasks WHERE kind = 'call_campaign'")[0]["task_id"]
    wanted = [("A", "+8613800138000"), ("D", "+8613800138002")]
    query = "SELECT leads_id, phone FROM leads_task_list WHERE task_id = %s ORDER BY leads_id"
    eventually(lambda: [(row["leads_id"], row["phone"]) for row in observer.sql(query, task_id)] == wanted)
    observer.cancel(task_id)


def test_a_page_is_printed_without_what_is_pressed_and_whole(observer: Observer, console: Console, page: Page) -> None:
    task_id = submit(observer, "printed", items=40, bad=[1, 3])
    observer.ended(task_id)
    console.sign_in(path_of(task_id, "results"))
    page.get_by_label("Colours").select_option("dark")
    expect(page.locator("#panel tbody tr").first).to_be_visible()
    page.emulate_media(media="print")

    # THEN nothing but the page is on the paper, black on white
    expect(page.locator("nav")).to_be_hidden()
    expect(page.get_by_role("button")).to_have_count(0)
    colours = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]

    # AND nothing is cut: no part of it would have to be scrolled
    page.set_viewport_size({"width": 700, "height": 900})  # of A4 between its margins
    cut = """[...document.querySelectorAll('main *')].filter((node) => node.scrollWidth > node.clientWidth + 1
        && getComputedStyle(node).overflowX !== 'visible').map((node) => node.outerHTML.slice(0, 120))"""
    assert page.evaluate(cut) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: `make console-check` installs it")
def test_no_page_has_a_serious_finding_of_axe(
    observer: Observer, console: Console, page: Page, stack: RunningStack
) -> None:
    """Each page is looked at in two looks, so that each has both languages and both themes."""
    task_id = submit(observer, "two are bad", items=5, bad=[1, 3])
    campaign = observer.call([{"leads_id": f"L-{n}", "phone": f"1380013800{n}", "name": "王女士"} for n in range(2)])
    params = {"brand": "晨光口腔", "questions": ["种植牙哪家好？"], "models": ["deepseek", "nobody"]}
    diagnosis = str(observer.post("/api/v1/tasks", {"kind": "brand_diagnosis", "params": params})["task_id"])
    for kind, body in MATERIAL.items():
        assert observer.request("PUT", f"/api/v1/role-tasks/{OWN_TASK}/{kind}", json=body).status == 200
    role = str(observer.post("/api/v1/tasks", {"kind": "role_creation", "params": PARAMS})["task_id"])
    refresh = observer.submit("澳门")
    hook = observer.request("POST", "/api/v1/webhooks", json={"url": f"{stack.provider_url}/receiver/axe"})
    for one in (task_id, campaign, diagnosis, role, refresh):
        observer.ended(one)
    [made] = observer.get("/api/v1/roles")["items"]
    console.sign_in()
    expect(page.locator(".space .row").first).to_be_visible()
    found = []
    for path, shown in (
        ("tasks", ".space .row"),
        (path_of(task_id), "svg"),
        (path_of(task_id, "errors"), "article"),
        (path_of(task_id, "results"), "#panel tr"),
        (path_of(task_id, "history"), ".events li"),
        (path_of(task_id, "data"), ".tree"),
        (path_of(campaign, "results"), "details.call"),
        (path_of(diagnosis, "results"), "table.grid"),
        ("submit?kind=call_campaign", "form"),
        ("queues", "td"),
        ("charts?window=1h", "canvas"),
        ("webhooks", "h1"),
        (f"webhooks/{quote(hook.json()['webhook_id'])}", "h1"),
        ("alerts", "td"),
        ("hospitals", "p"),
        ("hospitals?province=820000", "td"),
        ("roles", "td"),
        (f"roles/{quote(made['role_id'])}", ".answer"),
        ("videos", "p"),
        ("conversations", "h1"),
    ):
        console.open(path)
        for language, theme in (("en", "light"), ("zh", "dark")):
            page.locator(".choices select").nth(0).select_option(language)
            page.locator(".choices select").nth(1).select_option(theme)
            expect(page.locator(f"main {shown}").first).to_be_visible()
            found += axe(page, f"{path} {language} {theme}")
    assert found == []


def axe(page: Page, where: str) -> list[str]:
    """What axe finds serious about the page as it is."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations: list[Row] = page.evaluate("axe.run(document).then((results) => results.violations)")
    return [
        f"{where}: {one['id']} {node['target']} {node['failureSummary']}"
        for one in violations
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
