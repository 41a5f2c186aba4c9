"""The HTTP API of tasks, by the events API Gateway sends: what it answers, and how it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from longhaul import cache
from longhaul import database as longhaul_database
from longhaul.database import connections
from longhaul.errors import DatabaseUnavailable
from longhaul.http import rfc3339
from longhaul.tasks import store
from longhaul.tasks.model import Task, task_tag
from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]

SUBMIT = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}}


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api()


def test_submitting_answers_at_once_with_the_place_to_look(api: Api, sent: Callable[[str], list[Any]]) -> None:
    status, task, headers = api("POST", "/api/v1/tasks", SUBMIT | {"priority": "high"})
    assert (status, task["status"], task["priority"], task["title"]) == (202, "PENDING", "high", "广东省刷新")
    assert headers["Location"] == f"/api/v1/tasks/{quote(task['task_id'])}"
    assert headers["Retry-After"] == "2"
    assert sent("dispatch") == [{"kind": "hospital_province_refresh"}]
    status, read, _ = api("GET", headers["Location"])
    assert (status, read["task_id"]) == (200, task["task_id"])
    assert read["cache_sync_status"] == "cache_miss"
    assert read["created_at"].endswith("Z")


def test_a_task_that_is_read_alone_shows_what_it_was_submitted_with(api: Api, engine: dict[str, Any]) -> None:
    # GIVEN a task of a few params, and one of more than an answer should repeat each time
    _, small, _ = api("POST", "/api/v1/tasks", SUBMIT | {"params": {"province": "广东"}})
    leads = [
        {"leads_id": f"L-{number}", "phone": f"1380013{number:04}", "extras": {"about": "词" * 1_000}}
        for number in range(30)
    ]
    campaign = {"kind": "call_campaign", "params": {"name": "秋季回访", "script_id": "s", "leads": leads}}
    _, large, _ = api("POST", "/api/v1/tasks", campaign)

    # THEN the one shows them as its kind took them, the other none, and no list does
    assert api.get(f"/api/v1/tasks/{quote(small['task_id'])}")["params"] == {"province": "广东省"}
    assert api.get(f"/api/v1/tasks/{quote(small['task_id'])}")["params"] == {"province": "广东省"}, "from the cache"
    assert api.get(f"/api/v1/tasks/{quote(large['task_id'])}")["params"] is None
    assert [task["params"] for task in api.get("/api/v1/tasks")["items"]] == [None, None]


def test_a_path_may_arrive_decoded(api: Api) -> None:
    _, task, _ = api("POST", "/api/v1/tasks", SUBMIT)
    assert api("GET", f"/api/v1/tasks/{task['task_id']}")[0] == 200


def test_the_same_idempotency_key_gives_the_same_task(api: Api) -> None:
    _, first, _ = api("POST", "/api/v1/tasks", SUBMIT, idempotency_key='"k1"')
    status, second, _ = api("POST", "/api/v1/tasks", SUBMIT, idempotency_key="k1")
    assert (status, second["task_id"]) == (202, first["task_id"])
    status, problem, _ = api("POST", "/api/v1/tasks", SUBMIT | {"title": "x"}, idempotency_key="k1")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ("{", 400, None),
        ("", 400, None),
        ("[]", 422, ""),
        ({"params": {}}, 422, "/kind"),
        (SUBMIT | {"kind": "no_such"}, 422, "/kind"),
        (SUBMIT | {"kind": 7}, 422, "/kind"),
        (SUBMIT | {"params": {}}, 422, "/params/province"),
        (SUBMIT | {"params": []}, 422, "/params"),
        (SUBMIT | {"params": {"province": "广东省", "extra": 1}}, 422, "/params/extra"),
        (SUBMIT | {"params": {"province": 44}}, 422, "/params/province"),
        (SUBMIT | {"params": {"province": "广冬"}}, 422, "/params/province"),
        (SUBMIT | {"priority": "asap"}, 422, "/priority"),
        (SUBMIT | {"title": "x" * 201}, 422, "/title"),
        (SUBMIT | {"colour": "red"}, 422, "/colour"),
        (SUBMIT | {"run_after": "2026-11-25T14:30:00"}, 422, "/run_after"),
        (SUBMIT | {"run_after": "2026-11-25"}, 422, "/run_after"),
        (SUBMIT | {"run_after": 1_795_000_000}, 422, "/run_after"),
        (SUBMIT | {"run_after": "1795000000"}, 422, "/run_after"),
        (SUBMIT | {"run_after": "9999-12-31T23:59:59-08:00"}, 422, "/run_after"),
        (SUBMIT | {"run_after": "2099-01-01T00:00:00Z"}, 422, "/run_after"),
        (SUBMIT | {"deadline": "2020-01-01T00:00:00+08:00"}, 422, "/deadline"),
        (SUBMIT | {"deadline": "soon"}, 422, "/deadline"),
        (SUBMIT | {"title": "x" * 2_000_000}, 413, None),
    ],
)
def test_bad_input_is_a_problem_that_names_the_field(
    api: Api, sql: Sql, body: Any, status: int, pointer: str | None
) -> None:
    answered, problem, headers = api("POST", "/api/v1/tasks", body)
    assert (answered, headers["Content-Type"]) == (status, "application/problem+json")
    assert {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"} <= problem.keys()
    if pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert "Traceback" not in json.dumps(problem)
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 0}]


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page_size=0", "page_size=1000000000", "page=x", "status=DONE", "colour=red"]
)
def test_bad_query_parameters_are_named(api: Api, query: str) -> None:
    status, problem, _ = api("GET", "/api/v1/tasks", query=query)
    assert status == 400
    assert [error["pointer"].split("/")[1] for error in problem["errors"]] == [query.split("=")[0]]


def test_a_page_beyond_the_bound_names_the_cursor(api: Api) -> None:
    status, problem, _ = api("GET", "/api/v1/tasks", query="page=1002&page_size=10")
    assert (status, problem["code"]) == (400, "page_too_deep")
    assert "cursor" in problem["detail"]


def test_pages_are_newest_first_and_add_up(api: Api) -> None:
    ids = [api("POST", "/api/v1/tasks", SUBMIT)[1]["task_id"] for _ in range(5)]
    pages = [api("GET", "/api/v1/tasks", query=f"page={page}&page_size=2")[1] for page in (1, 2, 3, 4)]
    assert [task["task_id"] for page in pages for task in page["items"]] == ids[::-1]
    assert {(page["total"], page["pages"], page["page_size"]) for page in pages} == {(5, 3, 2)}


def test_filters_select_by_status_and_kind(api: Api) -> None:
    ids = [api("POST", "/api/v1/tasks", SUBMIT)[1]["task_id"] for _ in range(2)]
    api("POST", f"/api/v1/tasks/{ids[0]}/cancel")
    assert [t["task_id"] for t in api("GET", "/api/v1/tasks", query="status=CANCELLED")[1]["items"]] == [ids[0]]
    assert api("GET", "/api/v1/tasks", query="status=CANCELLED,PENDING")[1]["total"] == 2
    assert api("GET", "/api/v1/tasks", query="kind=hospital_full_refresh")[1]["total"] == 0
    assert [t["task_id"] for t in api("GET", "/api/v1/tasks/active")[1]["items"]] == [ids[1]]


def test_another_tenants_task_is_not_there(api: Api) -> None:
    _, task, _ = api("POST", "/api/v1/tasks", SUBMIT)
    other = Api(tenant_id="other")
    actions = [("POST", f"/{action}") for action in ("cancel", "pause", "resume", "retry")]
    for method, path in (("GET", ""), ("PATCH", ""), *actions):
        body = {"title": "mine"} if method == "PATCH" else None
        status, problem, _ = other(method, f"/api/v1/tasks/{task['task_id']}{path}", body)
        assert (status, problem["code"]) == (404, "not_found")
    assert other("GET", "/api/v1/tasks")[1]["total"] == 0
    assert other("GET", "/api/v1/tasks/active")[1]["items"] == []


def test_an_ended_task_cannot_be_cancelled_and_says_why(running_task: Callable[..., Task], sql: Sql) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = 'SUCCEEDED'")
    status, problem, _ = Api()("POST", f"/api/v1/tasks/{task.task_id}/cancel")
    assert (status, problem["task_status"], problem["allowed_actions"]) == (409, "SUCCEEDED", [])


def test_a_task_is_paused_and_resumed_and_says_each_time_what_may_be_asked(running_task: Callable[..., Task]) -> None:
    api, task = Api(), running_task()
    place = f"/api/v1/tasks/{quote(task.task_id)}"
    seen = []
    for action in ("", "/pause", "/pause", "/resume", "/resume", "/cancel"):
        status, document, _ = api("POST" if action else "GET", place + action)
        assert api("GET", place)[1]["allowed_actions"] == document["allowed_actions"]
        seen.append((status, document["status"], document["allowed_actions"]))
    assert seen == [
        (200, "RUNNING", ["cancel", "pause", "prioritise"]),
        (200, "PAUSED", ["cancel", "resume", "prioritise"]),
        (200, "PAUSED", ["cancel", "resume", "prioritise"]),
        (200, "PENDING", ["cancel", "prioritise"]),
        (200, "PENDING", ["cancel", "prioritise"]),
        (200, "CANCELLED", []),
    ]
    assert document["links"] == {
        "self": place,
        "cancel": f"{place}/cancel",
        "pause": f"{place}/pause",
        "resume": f"{place}/resume",
        "retry": f"{place}/retry",
    }


def test_a_waiting_task_is_not_paused_and_is_as_good_as_resumed(api: Api) -> None:
    place = api("POST", "/api/v1/tasks", SUBMIT)[2]["Location"]
    status, problem, _ = api("POST", f"{place}/pause")
    assert (status, problem["task_status"], problem["allowed_actions"]) == (409, "PENDING", ["cancel", "prioritise"])
    status, document, _ = api("POST", f"{place}/resume")
    assert (status, document["status"], document["allowed_actions"]) == (200, "PENDING", ["cancel", "prioritise"])


def test_without_the_database_a_task_still_says_what_may_be_asked(
    running_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise DatabaseUnavailable

    task = running_task()
    api, place = Api(), f"/api/v1/tasks/{quote(task.task_id)}"
    api("POST", f"{place}/pause")
    longhaul_database.close()
    monkeypatch.setattr(connections, "open_connection", away)
    status, document, _ = api("GET", place)
    assert (status, document["cache_sync_status"]) == (200, "unknown")
    assert (document["status"], document["allowed_actions"]) == ("PAUSED", ["cancel", "resume", "prioritise"])


def test_a_token_without_the_scope_or_the_tenant_is_refused(database: dict[str, Any]) -> None:
    for action in ("cancel", "pause", "resume", "retry"):
        assert Api(scope="tasks:read")("POST", f"/api/v1/tasks/any/{action}")[0] == 403
    assert Api(scope="tasks:read")("PATCH", "/api/v1/tasks/any", {"priority": "high"})[0] == 403
    assert Api(scope="tasks:read")("POST", "/api/v1/tasks", SUBMIT)[0] == 403
    nobody = Api()
    nobody.claims = {}
    assert nobody("GET", "/api/v1/tasks")[0] == 401


def test_a_full_lane_asks_to_come_back(api: Api, sql: Sql) -> None:
    sql("UPDATE lanes SET max_queued = 0")
    status, problem, headers = api("POST", "/api/v1/tasks", SUBMIT)
    assert (status, problem["code"], problem["retryable"]) == (503, "lane_full", True)
    assert headers["Retry-After"] == "30"


def test_a_failed_task_is_retried_once(running_task: Callable[..., Task], sql: Sql) -> None:
    api, task = Api(), running_task()
    sql("UPDATE tasks SET status = 'FAILED', error_code = 'bad_answer', finished_at = UTC_TIMESTAMP(6)")
    place = f"/api/v1/tasks/{quote(task.task_id)}"
    assert api("GET", place)[1]["allowed_actions"] == ["retry"]
    status, document, _ = api("POST", f"{place}/retry")
    assert (status, document["status"], document["error"], document["finished_at"]) == (200, "PENDING", None, None)
    status, problem, _ = api("POST", f"{place}/retry")
    assert (status, problem["code"], problem["task_status"]) == (409, "illegal_transition", "PENDING")
    assert problem["allowed_actions"] == ["cancel", "prioritise"]


def test_priority_and_title_change_and_the_place_in_the_queue_with_them(api: Api) -> None:
    places = [api("POST", "/api/v1/tasks", SUBMIT)[2]["Location"] for _ in range(3)]
    assert [api("GET", place)[1]["queue_position"] for place in places] == [1, 2, 3]
    status, document, _ = api("PATCH", places[2], {"priority": "urgent", "title": "急"})
    assert (status, document["priority"], document["title"]) == (200, "urgent", "急")
    assert [api("GET", place)[1]["queue_position"] for place in places] == [2, 3, 1]
    api("POST", f"{places[2]}/cancel")
    status, problem, _ = api("PATCH", places[2], {"priority": "low"})
    assert (status, problem["task_status"], problem["allowed_actions"]) == (409, "CANCELLED", [])
    assert api("PATCH", places[2], {"title": "旧"})[1]["title"] == "旧"
    assert api("GET", places[2])[1]["queue_position"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"priority": None, "title": None}, ""),
        ({"priority": "asap"}, "/priority"),
        ({"priority": 3}, "/priority"),
        ({"title": ""}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"status": "PAUSED"}, "/status"),
    ],
)
def test_what_is_no_change_of_a_task_is_refused(api: Api, sql: Sql, body: Any, pointer: str) -> None:
    place = api("POST", "/api/v1/tasks", SUBMIT)[2]["Location"]
    status, problem, _ = api("PATCH", place, body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    assert sql("SELECT title, priority FROM tasks") == [{"title": "广东省刷新", "priority": 1}]


def test_a_delayed_task_says_when_it_may_start_and_has_no_place_until_then(api: Api, sql: Sql) -> None:
    later, last = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    times = {"run_after": later.isoformat(), "deadline": last.astimezone(timezone(timedelta(hours=8))).isoformat()}
    status, document, headers = api("POST", "/api/v1/tasks", SUBMIT | times)
    assert (status, document["run_after"], document["deadline"]) == (202, rfc3339(later), rfc3339(last))
    shown = api("GET", headers["Location"])[1]
    assert shown | {"cache_sync_status": None, "params": None} == document
    sql("UPDATE tasks SET run_after = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    cache.invalidate(task_tag(document["task_id"]))
    seen = api("GET", headers["Location"])[1]
    assert (seen["run_after"], seen["queue_position"]) == (None, 1)


def test_a_change_is_made_only_of_the_version_that_its_caller_has_seen(api: Api) -> None:
    place = api("POST", "/api/v1/tasks", SUBMIT)[2]["Location"]
    seen = api("GET", place).headers["ETag"]
    for tag in (seen, f'"other", {seen}', seen.removesuffix('"') + '-gzip"', "*"):
        api("PATCH", place, {"title": "广东省刷新"})
        assert api("PATCH", place, {"title": "广东省刷新"}, if_match=tag)[0] == 200
    assert api("PATCH", place, {"title": "新"}, if_match=seen)[0] == 200
    for tag in (seen, '"other"', f"W/{api('GET', place).headers['ETag']}", "nonsense"):
        status, problem, _ = api("PATCH", place, {"title": "更新"}, if_match=tag)
        assert (status, problem["code"]) == (412, "precondition_failed")
    assert api("PATCH", place, {"title": "更新"}, if_match="")[0] == 400
    assert api("GET", place)[1]["title"] == "新"


def test_a_change_that_comes_between_the_look_and_the_lock_is_found(
    api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = api("POST", "/api/v1/tasks", SUBMIT)[2]["Location"]
    seen = api("GET", place).headers["ETag"]
    lock = store.lock

    def changed_first(*asked: Any) -> Task | None:
        sql("UPDATE tasks SET title = '别人的'")
        return lock(*asked)

    monkeypatch.setattr(store, "lock", changed_first)
    assert api("PATCH", place, {"title": "我的"}, if_match=seen)[0] == 412
    assert sql("SELECT title FROM tasks") == [{"title": "别人的"}]
