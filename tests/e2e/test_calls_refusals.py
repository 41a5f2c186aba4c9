"""Bad input to the page query and to campaigns: refused with a problem that names the field, never a 500."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from local.running import Answer, RunningStack, eventually
from tests.campaigns import Campaigns, leads, leads_path
from tests.e2e.test_refusals import refused
from tests.observation import KIND, PAGE, Observer, Row, path_of
from tests.providing import Provider

TASKS = "/api/v1/tasks"
JOBS = 25
SQL = "x'; DROP TABLE tasks; --"
GOOD = {"leads_id": "L-good", "phone": "13900000001"}
LONG = "x" * 200
BAD_PHONES = ["", "12345", "📞", "+", "138 0000", "+8613800138000000", "1" * 33, "+1 555", SQL, "nobody"]


@pytest.fixture(scope="module")
def campaigns(caller: Observer, provider: Provider) -> Iterator[Campaigns]:
    """Of a stack whose lines are all busy: what is assigned waits."""
    caller.sql("UPDATE lanes SET paused = 0")
    provider.reset()
    provider.control(outbound={"call_lines": 0})
    campaigns = Campaigns(caller, provider)
    yield campaigns
    campaigns.abandon()


@pytest.fixture(scope="module")
def task_id(campaigns: Campaigns) -> str:
    """A campaign of 25 jobs that wait, open for more."""
    task_id = campaigns.submit(JOBS, open=True)
    eventually(lambda: campaigns.assigned(task_id) == JOBS)
    return task_id


def ask(caller: Observer, task_id: Any, **asked: Any) -> Answer:
    return caller.request("POST", PAGE, json={"task_id": task_id, **asked})


# ------------------------------------------------------------------------------------------------------- the page


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"page": 0}, "/page"),
        ({"page": -1}, "/page"),
        ({"page": "1"}, "/page"),
        ({"page": 1.5}, "/page"),
        ({"page": True}, "/page"),
        ({"page": None}, "/page"),
        ({"page": 10**30}, "/page"),
        ({"page": SQL}, "/page"),
        ({"page_size": 0}, "/page_size"),
        ({"page_size": 101}, "/page_size"),
        ({"page_size": 10**9}, "/page_size"),
        ({"page_size": "20"}, "/page_size"),
        ({"page_size": SQL}, "/page_size"),
        ({"skip_recording": "no"}, "/skip_recording"),
        ({"skip_recording": SQL}, "/skip_recording"),
        ({"wait_for_sync": 1}, "/wait_for_sync"),
        ({"cursor": ""}, "/cursor"),
        ({"cursor": 7}, "/cursor"),
        ({"cursor": "x" * 513}, "/cursor"),
        ({"colour": "red"}, "/colour"),
        ({SQL: 1}, f"/{SQL}"),
        ({"task_id": ""}, "/task_id"),
        ({"task_id": 7}, "/task_id"),
        ({"task_id": None}, "/task_id"),
        ({"task_id": ["x"]}, "/task_id"),
        ({"task_id": "x" * 97}, "/task_id"),
    ],
    ids=str,
)
def test_a_page_that_is_asked_for_wrongly_names_the_field(
    caller: Observer, task_id: str, asked: Row, pointer: str
) -> None:
    problem = refused(caller.request("POST", PAGE, json={"task_id": task_id, **asked}), 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_page_of_no_task_names_the_field(caller: Observer) -> None:
    (error,) = refused(caller.request("POST", PAGE, json={"page": 1}), 422, "invalid_request")["errors"]
    assert error["pointer"] == "/task_id"


def test_a_page_beyond_the_end_is_empty_and_knows_the_total(caller: Observer, task_id: str) -> None:
    for number, size in ((3, 20), (10_000_000, 100), (26, 1)):
        page = caller.page(task_id, page=number, page_size=size)
        assert (page["items"], page["next_cursor"], page["page"]) == ([], None, number)
        assert (page["total"], page["leads"], page["pages"]) == (JOBS, JOBS, -(-JOBS // size))
        assert page["counts"] == {"Scheduling": JOBS}


def test_a_page_of_a_campaign_that_waits_is_empty(caller: Observer, campaigns: Campaigns) -> None:
    caller.sql("UPDATE lanes SET paused = 1")
    try:
        page = caller.page(campaigns.submit(3))
    finally:
        caller.sql("UPDATE lanes SET paused = 0")
    assert (page["status"], page["items"], page["total"], page["pages"]) == ("PENDING", [], 0, 0)
    assert (page["counts"], page["next_cursor"], page["freshness"]) == ({}, None, "fresh")


def test_a_cursor_is_good_for_its_own_task_and_page_size_alone(
    caller: Observer, campaigns: Campaigns, task_id: str
) -> None:
    # GIVEN the cursor of a page
    cursor = caller.page(task_id, page_size=10)["next_cursor"]
    assert caller.page(task_id, cursor=cursor)["items"][0]["job_seq"] == 11

    # THEN it is refused for another task, with another size, when a character is another, and what never was one
    other = campaigns.submit(1, open=True)
    tampered = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in (0, 20, -1)]
    wrong: list[tuple[str, Row]] = [
        (other, {"cursor": cursor}),
        (task_id, {"cursor": cursor, "page_size": 20}),
        *((task_id, {"cursor": text}) for text in [*tampered[:2], cursor[:-4], cursor * 2, "💥", SQL, "....", "=="]),
    ]
    for task, asked in wrong:
        (error,) = refused(ask(caller, task, **asked), 400, "invalid_cursor")["errors"]
        assert error["pointer"] == "/cursor"

    # AND beside a page's number it is refused by name
    problem = refused(ask(caller, task_id, cursor=cursor, page=2), 422, "invalid_request")
    assert "page and cursor" in problem["detail"]


def test_a_page_of_a_task_that_is_not_there_or_anothers_is_not_found(
    caller: Observer, stack: RunningStack, task_id: str
) -> None:
    unknown = refused(ask(caller, "no_such_task"), 404, "not_found")
    theirs = caller.request("POST", PAGE, json={"task_id": task_id}, token=stack.token(tenant="another"))
    problem = refused(theirs, 404, "not_found")
    assert problem["detail"].replace(task_id, "no_such_task") == unknown["detail"]
    assert refused(ask(caller, SQL), 404, "not_found")
    assert refused(ask(caller, f"{task_id}' OR '1'='1"), 404, "not_found")
    assert refused(ask(caller, task_id.upper()), 404, "not_found")

    # AND their reading it has not put it into the cache of ours, nor ours into theirs
    assert caller.page(task_id)["total"] == JOBS
    refused(
        caller.request("POST", PAGE, json={"task_id": task_id}, token=stack.token(tenant="another")), 404, "not_found"
    )


def test_a_task_with_a_space_behind_its_id_is_another(caller: Observer, task_id: str) -> None:
    """To MySQL it is the same; to the cache it would be one that nobody ever invalidates."""
    refused(ask(caller, f"{task_id} "), 404, "not_found")
    refused(caller.request("POST", leads_path(f"{task_id} "), json={"leads": [GOOD]}), 404, "not_found")


def test_a_refresh_of_hospitals_is_no_campaign(caller: Observer, campaigns: Campaigns) -> None:
    caller.sql("UPDATE lanes SET paused = 1")
    try:
        hospitals = caller.submit("澳门")
        problem = refused(ask(caller, hospitals), 409, "wrong_kind")
        assert KIND in problem["detail"]
        refused(caller.request("POST", leads_path(hospitals), json={"leads": [GOOD]}), 409, "wrong_kind")
    finally:
        caller.cancel(hospitals)
        caller.sql("UPDATE lanes SET paused = 0")


@pytest.mark.parametrize("path", [PAGE, leads_path("some")])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_body"),
        (b"", 400, "malformed_body"),
        (b'{"page": NaN}', 400, "malformed_body"),
        (b'{"task_id": "\\ud800"}', 400, "malformed_body"),
        (b"[]", 422, "invalid_request"),
        (b'"x"', 422, "invalid_request"),
        (b'{"x": "' + b"x" * 1_000_001 + b'"}', 413, "body_too_large"),
    ],
    ids=["cut off", "empty", "NaN", "half a character", "a list", "a text", "1 MB"],
)
def test_a_body_that_is_no_json_object(caller: Observer, path: str, body: bytes, status: int, code: str) -> None:
    refused(post_bytes(caller, path, body), status, code)


@pytest.mark.parametrize(("path", "scope"), [(PAGE, "tasks:read"), (leads_path("some"), "tasks:write")])
def test_without_a_token_or_its_scope(caller: Observer, stack: RunningStack, path: str, scope: str) -> None:
    others = [other for other in ("tasks:read", "tasks:write", "directory:read") if other != scope]
    for token, status, code in (
        ("", 401, "unauthorized"),
        ("a.b.c", 401, "unauthorized"),
        (stack.token(hours=-1), 401, "unauthorized"),
        (stack.token(scopes=others), 403, "insufficient_scope"),
    ):
        refused(caller.request("POST", path, json={"task_id": "some"}, token=token), status, code)


# -------------------------------------------------------------------------------------------------- the campaign


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"leads": []}, "/params"),
        ({"leads": None}, "/params/leads"),
        ({"leads": GOOD}, "/params/leads"),
        ({"leads": ["L-1"]}, "/params/leads/0"),
        ({"leads": [GOOD] * 1_001}, "/params/leads"),
        ({"leads": [GOOD, {**GOOD, "phone": "13900000002"}]}, "/params"),
        ({"leads": [GOOD, {**GOOD, "leads_id": "L-2", "phone": "+86 139 0000 0001"}]}, "/params"),
        ({"leads": [{"phone": GOOD["phone"]}]}, "/params/leads/0/leads_id"),
        ({"leads": [{"leads_id": "L-1"}]}, "/params/leads/0/phone"),
        ({"leads": [GOOD, {**GOOD, "leads_id": ""}]}, "/params/leads/1/leads_id"),
        ({"leads": [{**GOOD, "leads_id": "   "}]}, "/params/leads/0/leads_id"),
        ({"leads": [{**GOOD, "leads_id": LONG}]}, "/params/leads/0/leads_id"),
        ({"leads": [{**GOOD, "leads_id": 7}]}, "/params/leads/0/leads_id"),
        ({"leads": [{**GOOD, "phone": 13900000001}]}, "/params/leads/0/phone"),
        *(({"leads": [{**GOOD, "phone": phone}]}, "/params/leads/0/phone") for phone in BAD_PHONES),
        ({"leads": [{**GOOD, "name": LONG}]}, "/params/leads/0/name"),
        ({"leads": [{**GOOD, "name": None}]}, "/params/leads/0/name"),
        ({"leads": [{**GOOD, "age": 7}]}, "/params/leads/0/age"),
        ({"leads": [{**GOOD, "extras": "x"}]}, "/params/leads/0/extras"),
        ({"leads": [{**GOOD, "extras": {"x": 1}}]}, "/params/leads/0/extras/x"),
        ({"leads": [{**GOOD, "extras": {"x": "x" * 1_001}}]}, "/params/leads/0/extras/x"),
        ({"leads": [{**GOOD, "extras": {f"{n}": "x" * 900 for n in range(5)}}]}, "/params/leads/0/extras"),
        ({"leads": [{**GOOD, "extras": {f"{n}": "x" for n in range(21)}}]}, "/params/leads/0/extras"),
        ({"name": ""}, "/params/name"),
        ({"name": LONG}, "/params/name"),
        ({"name": 7}, "/params/name"),
        ({"script_id": ""}, "/params/script_id"),
        ({"script_id": LONG}, "/params/script_id"),
        ({"open": "perhaps"}, "/params/open"),
        ({"max_attempts": 0}, "/params/max_attempts"),
        ({"max_attempts": 11}, "/params/max_attempts"),
        ({"strategy": "fast"}, "/params/strategy"),
        ({"strategy": {"speed": 9}}, "/params/strategy/speed"),
        ({"strategy": {"working_time": [{"begin": "9", "end": "18:00"}]}}, "/params/strategy/working_time/0/begin"),
        ({"strategy": {"min_attempt_interval": 0}}, "/params/strategy/min_attempt_interval"),
        ({"colour": "red"}, "/params/colour"),
        ({SQL: 1}, f"/params/{SQL}"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_campaign_that_is_wrong_names_the_field(
    caller: Observer, campaigns: Campaigns, params: Row, pointer: str
) -> None:
    before = caller.sql("SELECT COUNT(*) AS tasks FROM tasks")
    given = {"name": "秋季", "script_id": "s", "leads": [GOOD], **params}
    answer = caller.request("POST", TASKS, json={"kind": "call_campaign", "params": given})
    problem = refused(answer, 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert caller.sql("SELECT COUNT(*) AS tasks FROM tasks") == before


def test_leads_that_repeat_each_other_are_named(caller: Observer) -> None:
    twice = [GOOD, {**GOOD, "phone": "13900000002"}, {"leads_id": "L-3", "phone": "139-0000-0001"}]
    given = {"name": "秋季", "script_id": "s", "leads": twice}
    problem = refused(
        caller.request("POST", TASKS, json={"kind": "call_campaign", "params": given}), 422, "invalid_request"
    )
    assert problem["errors"][0]["detail"] == "lead 1 repeats a leads_id; lead 2 repeats a phone"


def test_what_looks_like_sql_is_a_text_like_any_other(caller: Observer, campaigns: Campaigns) -> None:
    # GIVEN leads whose every field would be a statement, or other texts that are rarely seen
    texts = [SQL, "' OR '1'='1", '"); --', "%s :task_id {x}", "\\", "a\tb\nc", "𠮷野家🙂", "\u0000", "é\u0301"]
    rows = [
        {"leads_id": f"{n}{text}", "phone": f"+86139{n:08d}", "name": f"{n}{text}", "extras": {f"k{text}": text}}
        for n, text in enumerate(texts, 1)
    ]

    # WHEN they are submitted and added
    task_id = caller.call(rows[:4], name=SQL, script_id=SQL[:60], open=True)
    added = caller.post(leads_path(task_id), {"leads": rows[4:]})

    # THEN they are on the page as they were given
    assert (added["added"], added["leads"], added["duplicates"]) == (len(rows) - 4, len(rows), [])
    eventually(lambda: campaigns.assigned(task_id) == len(rows))
    shown = caller.page(task_id)["items"]
    assert [(item["leads_id"], item["phone"], item["name"]) for item in shown] == [
        (row["leads_id"], row["phone"], row["name"]) for row in rows
    ]
    assert caller.sql("SELECT COUNT(*) AS tasks FROM tasks")[0]["tasks"] > 0


# ----------------------------------------------------------------------------------------------------- more leads


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        *(({"leads": [GOOD, {"leads_id": "L-2", "phone": phone}]}, "/leads/1/phone") for phone in BAD_PHONES),
        ({"leads": [GOOD] * 1_001}, "/leads"),
        ({"leads": GOOD}, "/leads"),
        ({"leads": [7]}, "/leads/0"),
        ({"leads": [{**GOOD, "leads_id": LONG}]}, "/leads/0/leads_id"),
        ({"leads": [{**GOOD, "name": LONG}]}, "/leads/0/name"),
        ({"leads": [{**GOOD, "extras": {"x": 1}}]}, "/leads/0/extras/x"),
        ({"leads": [{**GOOD, "extras": {f"{n}": "x" * 900 for n in range(5)}}]}, "/leads/0/extras"),
        ({"leads": [GOOD], "last": "perhaps"}, "/last"),
        ({"leads": [GOOD], "colour": "red"}, "/colour"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_leads_that_are_wrong_name_the_field(caller: Observer, task_id: str, body: Row, pointer: str) -> None:
    problem = refused(caller.request("POST", leads_path(task_id), json=body), 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_leads_for_a_task_that_is_not_there_or_anothers(caller: Observer, stack: RunningStack, task_id: str) -> None:
    refused(caller.request("POST", leads_path("no_such_task"), json={"leads": [GOOD]}), 404, "not_found")
    refused(caller.request("POST", leads_path(SQL), json={"leads": [GOOD]}), 404, "not_found")
    theirs = stack.token(tenant="another")
    refused(caller.request("POST", leads_path(task_id), json={"leads": [GOOD]}, token=theirs), 404, "not_found")
    assert caller.page(task_id)["leads"] == JOBS


def test_leads_that_the_campaign_has_are_reported_and_left_out(caller: Observer, campaigns: Campaigns) -> None:
    # GIVEN a campaign with a lead
    known, new = leads(1)[0], leads(1)[0]
    task_id = caller.call([known], open=True)

    # WHEN it comes again, by its id and by its number, with a new one that comes twice too
    given = [
        {"leads_id": known["leads_id"], "phone": "13900000011"},
        new,
        {"leads_id": "L-other", "phone": f"+86 {known['phone']}"},
        {"leads_id": "L-another", "phone": new["phone"]},
    ]
    answer = caller.post(leads_path(task_id), {"leads": given})

    # THEN the new one is added once, and each of the others is named
    assert answer == {
        "added": 1,
        "leads": 2,
        "duplicates": [
            {"index": 0, "leads_id": known["leads_id"], "field": "leads_id"},
            {"index": 2, "leads_id": "L-other", "field": "phone"},
            {"index": 3, "leads_id": "L-another", "field": "phone"},
        ],
    }


def test_a_page_of_no_leads_may_be_the_last(caller: Observer, campaigns: Campaigns) -> None:
    task_id = campaigns.submit(2, open=True)
    assert caller.request("POST", leads_path(task_id), json={"leads": [], "last": False}).status == 422
    nothing = {"added": 0, "leads": 2, "duplicates": []}
    assert caller.post(leads_path(task_id), {"leads": [], "last": True}) == nothing
    assert caller.sql("SELECT open FROM call_campaigns WHERE task_id = %s", task_id) == [{"open": 0}]


def test_a_lead_whose_id_looks_like_anothers_number_is_no_duplicate(caller: Observer, campaigns: Campaigns) -> None:
    task_id = campaigns.submit(1, open=True)
    given = [
        {"leads_id": "L-1", "phone": "+8613900000021"},
        {"leads_id": "+8613900000021", "phone": "13900000022"},
    ]
    assert caller.post(leads_path(task_id), {"leads": given}) == {"added": 2, "leads": 3, "duplicates": []}


def test_a_campaign_that_has_ended_takes_no_leads(caller: Observer, campaigns: Campaigns) -> None:
    task_id = campaigns.submit(2, open=True)
    assert caller.cancel(task_id).status == 200
    refused(caller.request("POST", leads_path(task_id), json={"leads": [GOOD]}), 409, "campaign_closed")
    assert caller.get(path_of(task_id))["status"] == "CANCELLED"


def post_bytes(caller: Observer, path: str, body: bytes) -> Answer:
    """The answer to a body that is no JSON, perhaps."""
    request = urllib.request.Request(caller.stack.url + path, body, method="POST")
    request.add_header("Authorization", f"Bearer {caller.token}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, {}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())
