"""TaskManager: what it sends, the dictionaries it gives, the exceptions it raises, the connections it keeps."""

import asyncio
import gc
import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from longhaul_client import (
    ProgressCallback,
    TaskCancellationError,
    TaskCreationError,
    TaskError,
    TaskManager,
    TaskNotFoundError,
    TaskTimeoutError,
    ValidationError,
    connections,
)
from tests.client.scripted import Reply, Request, Scripted, problem, task

NOON = "2026-11-25T04:00:00.000Z"
LISTED = {"items": [task()], "page": 1, "page_size": 20, "total": 1, "pages": 1}
GONE = problem(404, "not_found", "there is no task t-1")


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("zone", ["Asia/Shanghai"], indirect=True)
def test_a_task_is_a_flat_dictionary_with_local_times(manager: TaskManager, server: Scripted) -> None:
    error = {"code": "too_many_failures", "message": "3 of 4 steps failed"}
    server.will(Reply(200, task("FAILED", error=error, result={"added": 3}, eta_seconds=7.5, deadline=NOON)))

    known = asyncio.run(manager.get_task_status("province_海南省_1"))

    assert known == {
        "task_id": "province_海南省_1",
        "hospital_name": "海南省刷新",
        "query": None,
        "status": "FAILED",
        "progress": 40,
        "current_step": "正在获取区县数据：定安县",
        "created_at": "2026-11-25T09:02:03",
        "created_at_utc": "2026-11-25T01:02:03.456Z",
        "updated_at": "2026-11-25T09:03:05",
        "updated_at_utc": "2026-11-25T01:03:05.000Z",
        "started_at": "2026-11-25T09:02:04",
        "started_at_utc": "2026-11-25T01:02:04.000Z",
        "finished_at": None,
        "finished_at_utc": None,
        "run_after": None,
        "run_after_utc": None,
        "deadline": "2026-11-25T12:00:00",
        "deadline_utc": "2026-11-25T04:00:00.000Z",
        "result": {"added": 3},
        "error_message": "3 of 4 steps failed",
        "statistics": {
            "provinces_processed": 0,
            "cities_processed": 19,
            "districts_processed": 0,
            "hospitals_found": 0,
        },
        "kind": "hospital_province_refresh",
        "priority": "normal",
        "attempt": 1,
        "queue_position": None,
        "eta_seconds": 7.5,
        "allowed_actions": ["cancel", "pause"],
    }
    assert server.requests[0].headers["authorization"] == "Bearer token-1"
    assert server.requests[0].path == "/api/v1/tasks/province_海南省_1"


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
def test_an_hour_that_comes_twice_in_a_night_is_unambiguous(manager: TaskManager, server: Scripted) -> None:
    times = {"run_after": "2026-10-25T00:30:00.000Z", "deadline": "2026-10-25T01:30:00.000Z"}
    server.will(Reply(200, task("PENDING", **times)))
    known = asyncio.run(manager.get_task_status("t-1"))
    assert known["run_after"] == known["deadline"] == "2026-10-25T02:30:00"
    first, second = (datetime.fromisoformat(known[f"{name}_utc"]) for name in times)
    assert second - first == timedelta(hours=1)


def test_submissions(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(202, task("PENDING")))

    async def submit() -> set[str]:
        refreshes = [manager.create_full_refresh_task(), manager.create_province_refresh_task("海南省")]
        return {*await asyncio.gather(*refreshes), await manager.create_task("x", {"a": 1}, priority="high", title="t")}

    assert asyncio.run(submit()) == {"province_海南省_1"}
    assert sorted((request.body for request in server.requests), key=str) == [
        {"kind": "hospital_full_refresh", "params": {}},
        {"kind": "hospital_province_refresh", "params": {"province": "海南省"}},
        {"kind": "x", "params": {"a": 1}, "priority": "high", "title": "t"},
    ]


def test_a_task_timeout_is_a_deadline(server: Scripted) -> None:
    server.will(Reply(202, task("PENDING")))
    asyncio.run(TaskManager(None, None, 5, 600).create_full_refresh_task())
    deadline = datetime.fromisoformat(server.requests[0].body["deadline"])
    assert timedelta(seconds=595) < deadline - datetime.now(UTC) <= timedelta(seconds=600)


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (
            problem(
                422, "invalid_request", "It does not fit.", errors=[{"pointer": "/params/province", "detail": "no"}]
            ),
            ValidationError,
            r"It does not fit \(/params/province: no\)$",
        ),
        (problem(403, "insufficient_scope", "It needs tasks:write."), TaskCreationError, "^It needs tasks:write"),
        (problem(401, "unauthorized", "The token has expired."), TaskCreationError, "LONGHAUL_TOKEN"),
        (Reply(401, {"message": "Unauthorized"}), TaskCreationError, "^Unauthorized .*LONGHAUL_TOKEN"),
    ],
)
def test_a_submission_that_is_refused(
    manager: TaskManager, server: Scripted, reply: Reply, kind: type[TaskError], text: str
) -> None:
    server.will(reply)
    with pytest.raises(kind, match=text) as refused:
        asyncio.run(manager.create_province_refresh_task("广州省"))
    assert refused.value.status == reply.status
    assert len(server.requests) == 1


def test_waiting_asks_only_for_what_is_new(server: Scripted) -> None:
    # GIVEN a task that moves, stays, moves and ends, and two listeners, the first of which is broken
    reported: list[tuple[str, int, str]] = []

    async def broken(task_id: str, progress: int, step: str) -> None:
        raise RuntimeError("out of order")

    async def listen(task_id: str, progress: int, step: str) -> None:
        reported.append((task_id, progress, step))

    callback = ProgressCallback()
    callback.add_listener(broken)
    callback.add_listener(listen)
    server.will(
        Reply(200, task(progress=10), {"ETag": '"a"'}),
        Reply(304, "", {"ETag": '"a"'}),
        Reply(200, task(progress=10, statistics={"cities_processed": 20}), {"ETag": '"b"'}),
        Reply(200, task("SUCCEEDED", progress=100), {"ETag": '"c"'}),
    )

    # WHEN it is waited for
    manager = TaskManager(progress_callback=callback)
    ended = asyncio.run(manager.wait_for_completion("t-1", poll_interval=0.01))

    # THEN each change was reported once, and what was known already was not sent again
    assert ended["status"] == "SUCCEEDED"
    step = "正在获取区县数据：定安县"
    assert reported == [("province_海南省_1", 10, step), ("province_海南省_1", 100, step)]
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, '"a"', '"a"', '"b"']
    assert [request.headers.get("prefer") for request in server.requests] == [None, *["wait=20"] * 3]


def test_who_wants_only_the_end_is_answered_at_the_end(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, task(), {"ETag": '"a"'}), Reply(200, task("FAILED"), {"ETag": '"b"'}))
    ended = asyncio.run(manager.wait_for_completion("t-1", poll_interval=0))
    assert ended["status"] == "FAILED"
    assert [request.headers["prefer"] for request in server.requests] == ["wait=20"] * 2
    assert not any("if-none-match" in request.headers for request in server.requests)


def test_twelve_who_wait_at_once_keep_one_worker_of_the_server(server: Scripted) -> None:
    # GIVEN twelve tasks that end at their fourth look, and a server that holds an answer back when Prefer says so
    looks: Counter[str] = Counter()

    def does(request: Request) -> Reply:
        looks[request.path] += 1
        status = "SUCCEEDED" if looks[request.path] > 3 else "RUNNING"
        held = {"Preference-Applied": "wait=20"} if "prefer" in request.headers else {}
        return Reply(200, task(status), {"ETag": f'"{looks[request.path]}"', **held}, delay=0.1 if held else 0.0)

    server.will(does=does)

    # WHEN twelve wait at once, half of them in a manager that tells of progress
    async def wait() -> list[Any]:
        managers = (TaskManager(), TaskManager(progress_callback=ProgressCallback()))
        return await asyncio.gather(
            *(managers[at % 2].wait_for_completion(f"t-{at}", timeout=30, poll_interval=0) for at in range(12))
        )

    # THEN all have ended, and the server never held more than one answer back
    assert {ended["status"] for ended in asyncio.run(wait())} == {"SUCCEEDED"}
    assert server.max_held == 1


def test_a_server_that_does_not_wait_is_not_asked_without_a_pause(
    manager: TaskManager, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a server that ignores Prefer: wait, which the missing Preference-Applied shows
    monkeypatch.setattr(connections, "POLL_SECONDS", 0.2)
    asked_at: list[float] = []

    def does(request: Request) -> Reply:
        assert request.headers["prefer"] == "wait=20"
        asked_at.append(time.monotonic())
        return Reply(200, task("SUCCEEDED" if len(asked_at) > 3 else "RUNNING"), {"ETag": '"a"'})

    server.will(does=does)

    # WHEN a task is waited for as closely as can be
    asyncio.run(manager.wait_for_completion("t-1", poll_interval=0))

    # THEN the looks are apart
    assert all(later - earlier > 0.05 for earlier, later in pairwise(asked_at))


def test_many_who_follow_tasks_look_less_often() -> None:
    async def interval() -> tuple[float, float]:
        own = await connections.Pool.of(TaskManager())
        alone = own.poll_interval(2)
        with ExitStack() as followers:
            for _ in range(100):
                followers.enter_context(own.follower())
            return alone, own.poll_interval(2)

    assert asyncio.run(interval()) == (2, 5)


@pytest.mark.parametrize("seconds", [{"timeout": math.nan}, {"poll_interval": math.nan}], ids=str)
def test_what_is_no_time_to_wait(manager: TaskManager, server: Scripted, seconds: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="not NaN"):
        asyncio.run(manager.wait_for_completion("t-1", **seconds))


def test_waiting_has_an_end(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, task(), delay=0.02))
    with pytest.raises(TaskTimeoutError, match=r"t-1 had not ended after 1 s; it continues"):
        asyncio.run(manager.wait_for_completion("t-1", timeout=1, poll_interval=0.01))
    assert len(server.requests) > 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, task("CANCELLED")), True),
        (problem(409, "illegal_transition", "a SUCCEEDED task cannot be cancelled"), False),
        (GONE, TaskNotFoundError),
        (problem(403, "insufficient_scope", "It needs tasks:write."), TaskCancellationError),
    ],
)
def test_cancelling(manager: TaskManager, server: Scripted, reply: Reply, expected: Any) -> None:
    server.will(reply)
    if isinstance(expected, bool):
        assert asyncio.run(manager.cancel_task("t-1")) is expected
    else:
        with pytest.raises(expected):
            asyncio.run(manager.cancel_task("t-1"))


def test_steering(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, task("PAUSED")))

    async def steer() -> list[dict[str, Any]]:
        acts = (manager.pause_task, manager.resume_task, manager.retry_task)
        return [*[await act("t?1") for act in acts], await manager.set_priority("t?1", "urgent")]

    assert {known["status"] for known in asyncio.run(steer())} == {"PAUSED"}
    assert [(request.method, request.path) for request in server.requests] == [
        *(("POST", f"/api/v1/tasks/t?1/{action}") for action in ("pause", "resume", "retry")),
        ("PATCH", "/api/v1/tasks/t?1"),
    ]
    assert server.requests[-1].body == {"priority": "urgent"}


@pytest.mark.parametrize(
    ("task_id", "kind"),
    [
        *((wrong, ValidationError) for wrong in ("", " ", ".", "..", "a\nb", "\x1b[31m", "\udcff", "x" * 256, None, 7)),
        *((route, TaskNotFoundError) for route in ("active", "summary", "cursor", "batch", "actions")),
    ],
)
def test_an_id_that_no_task_has(manager: TaskManager, server: Scripted, task_id: Any, kind: type[TaskError]) -> None:
    server.will(Reply(200, {"items": []}))
    acts = (
        manager.get_task_status,
        manager.wait_for_completion,
        manager.cancel_task,
        manager.pause_task,
        manager.resume_task,
        manager.retry_task,
        lambda task_id: manager.set_priority(task_id, "high"),
    )
    for act in acts:
        with pytest.raises(kind):
            asyncio.run(act(task_id))
    assert server.requests == []


@pytest.mark.parametrize(
    "params",
    [{"n": math.nan}, {"n": 1e400}, {"at": datetime.now(UTC)}, {"text": "\udcff"}, {1: {2, 3}}],
    ids=["nan", "inf", "date", "surrogate", "set"],
)
def test_params_that_are_no_json(manager: TaskManager, server: Scripted, params: Any) -> None:
    with pytest.raises(ValidationError, match="cannot be written"):
        asyncio.run(manager.create_task("x", params))
    assert server.requests == []


@pytest.mark.parametrize("key", ["", " ", "k\n", "键", "k" * 256])
def test_a_key_that_is_none_is_not_replaced(manager: TaskManager, server: Scripted, key: str) -> None:
    with pytest.raises(ValidationError, match="Idempotency-Key"):
        asyncio.run(manager.create_task("x", {}, key=key))
    assert server.requests == []


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e300])
def test_a_task_timeout_that_is_no_time(server: Scripted, seconds: Any) -> None:
    with pytest.raises(ValidationError, match="task_timeout"):
        asyncio.run(TaskManager(task_timeout=seconds).create_full_refresh_task())


def test_an_answer_that_is_another_services(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, {"message": "hello"}))
    acts: list[Callable[[], Any]] = [
        lambda: manager.get_task_status("t-1"),
        lambda: manager.wait_for_completion("t-1"),
        lambda: manager.cancel_task("t-1"),
        lambda: manager.set_priority("t-1", "high"),
        lambda: manager.create_task("x"),
        lambda: manager.create_tasks([{"kind": "x", "params": {}}]),
        lambda: manager.list_tasks(),
        lambda: manager.get_active_tasks(),
        lambda: manager.cleanup_old_tasks(),
        lambda: manager.get_queue_status(),
        lambda: manager.llm_client.get_provinces(),
    ]
    for act in acts:
        try:
            answer = asyncio.run(act())
        except TaskError as error:
            answer = [{"problem": {"detail": str(error)}}]
        assert "is it Longhaul's?" in answer[0]["problem"]["detail"]


@pytest.mark.parametrize(
    "empty", [[], (), set(), "", [""], iter(())], ids=["list", "tuple", "set", "text", "empty text", "iterator"]
)
def test_a_list_that_is_given_and_empty_does_not_mean_everything(
    manager: TaskManager, server: Scripted, empty: Any
) -> None:
    server.will(Reply(200, {**LISTED, "deleted": 1, "more": False}))
    acts: list[Callable[[], Any]] = [
        lambda: manager.cleanup_old_tasks(0, status_filter=empty),
        lambda: manager.list_tasks(status=empty),
        lambda: manager.list_tasks(kind=empty),
        lambda: manager.list_tasks(priority=empty),
        lambda: manager.list_tasks(title=empty),
        lambda: manager.llm_client.get_hospitals({"province": empty}),
    ]
    for act in acts:
        with pytest.raises(ValidationError, match="given and empty"):
            asyncio.run(act())
    assert server.requests == []


def test_active_tasks_are_all_of_them(manager: TaskManager, server: Scripted) -> None:
    server.will(
        Reply(200, {"items": [task()], "more": True}),
        Reply(200, {"items": [task(task_id="t-1")], "next_cursor": "c"}),
        Reply(200, {"items": [task(task_id="t-2")], "next_cursor": None}),
    )
    assert [task["task_id"] for task in asyncio.run(manager.get_active_tasks())] == ["t-1", "t-2"]
    assert server.requests[1].query == {"status": "PENDING,RUNNING,PAUSED", "limit": "1000"}


def test_lists(manager: TaskManager, server: Scripted) -> None:
    server.will(
        Reply(200, {"items": [task()], "page": 2, "page_size": 5, "total": 6, "pages": 2}), Reply(200, {"items": []})
    )

    async def find() -> Any:
        filters = {"kind": ["a", "b"], "title": "海", "created_after": None}
        return await manager.list_tasks("RUNNING", 2, 5, "progress", "asc", **filters), await manager.get_active_tasks()

    page, active = asyncio.run(find())
    assert (page["total"], page["items"][0]["hospital_name"], active) == (6, "海南省刷新", [])
    assert server.requests[0].query == {
        "status": "RUNNING",
        "page": "2",
        "page_size": "5",
        "sort_by": "progress",
        "sort_order": "asc",
        "kind": "a,b",
        "title": "海",
    }


def test_cleaning_up_goes_on_until_nothing_is_left(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, {"deleted": 500, "more": True}), Reply(200, {"deleted": 12, "more": False}))
    assert asyncio.run(manager.cleanup_old_tasks(30, ["SUCCEEDED", "FAILED"])) == 512
    assert [request.query for request in server.requests] == [
        {"older_than_days": "30", "status": "SUCCEEDED,FAILED"}
    ] * 2


def test_many_are_submitted_a_hundred_at_a_time(manager: TaskManager, server: Scripted) -> None:
    # GIVEN a server that refuses one item of the first batch, and the second batch whole
    wrong = {"pointer": "/items/99/kind", "detail": "no such"}
    refused = {"index": 99, "status": 422, "problem": {"code": "unknown_kind", "errors": [wrong]}}
    accepted = [{"index": at, "status": 202, "task_id": f"t-{at}"} for at in range(99)]
    server.will(
        Reply(200, {"items": [*accepted, refused]}), problem(403, "insufficient_scope", "It needs tasks:write.")
    )

    # WHEN 101 are submitted
    reported = asyncio.run(manager.create_tasks([{"kind": "x", "params": {"n": at}} for at in range(101)]))

    # THEN each has its answer, in order, and none of the tasks that were made is lost
    assert [item["index"] for item in reported] == list(range(101))
    assert [item["status"] for item in reported] == [202] * 99 + [422, 403]
    assert reported[98]["task_id"] == "t-98"
    assert reported[99]["problem"]["errors"] == [{"pointer": "/kind", "detail": "no such"}]
    bodies = [request.body["items"] for request in server.requests]
    assert [len(items) for items in bodies] == [100, 1]
    assert len({item["idempotency_key"] for items in bodies for item in items}) == 101


def test_the_queue_is_the_sum_of_its_lanes(manager: TaskManager, server: Scripted) -> None:
    lanes = [
        {"kind": "a", "waiting": 3, "running": 2, "max_concurrent": 5, "max_queued": 100},
        {"kind": "b", "waiting": 4, "running": 1, "max_concurrent": 7, "max_queued": 1000},
    ]
    server.will(Reply(200, {"items": lanes}))
    assert asyncio.run(manager.get_queue_status()) == {
        "queue_size": 7,
        "max_size": 1100,
        "active_tasks": 3,
        "max_concurrent": 12,
        "lanes": lanes,
    }


@pytest.mark.parametrize("variable", ["LONGHAUL_URL", "LONGHAUL_TOKEN"])
def test_settings_that_are_none(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "localhost:3000\n密码")
    with pytest.raises(ValidationError):
        TaskManager()


def test_connections_are_kept_and_closed(manager: TaskManager, server: Scripted) -> None:
    """An unclosed socket is a warning, and a warning fails the test."""
    server.will(Reply(200, {"items": []}))

    async def ask() -> None:
        for _ in range(3):
            await manager.get_active_tasks()
            await TaskManager().get_active_tasks()

    # WHEN a manager is used in one loop after another, beside others, and nobody closes anything
    asyncio.run(ask())
    asyncio.run(ask())
    gc.collect()

    # THEN each loop had one connection
    first, second = server.requests[0].connection, server.requests[6].connection
    assert [request.connection for request in server.requests] == [first] * 6 + [second] * 6
    assert first != second


def test_the_last_to_leave_closes_the_connections(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, {"items": []}))

    async def ask() -> None:
        async with manager:
            async with TaskManager() as other:
                await manager.get_active_tasks()
                await other.get_active_tasks()
            await manager.get_active_tasks()
        await manager.get_active_tasks()
        await manager.aclose()

    asyncio.run(ask())
    *open_once, again = [request.connection for request in server.requests]
    assert len(set(open_once)) == 1
    assert again not in open_once


def test_results_are_read_a_page_at_a_time(manager: TaskManager, server: Scripted) -> None:
    items = [{"key": f"texts/{number}", "status": "SUCCEEDED", "output": {"words": number}} for number in range(3)]
    server.will(
        Reply(200, {"items": items[:2], "next_cursor": "c-2"}), Reply(200, {"items": items[2:], "next_cursor": None})
    )

    async def read(**filters: str) -> list[dict[str, Any]]:
        return [result async for result in manager.results("t-1", **filters)]

    assert asyncio.run(read(stage="texts", status="SUCCEEDED")) == items
    assert {request.path for request in server.requests} == {"/api/v1/tasks/t-1/results"}
    assert server.requests[1].query == {"stage": "texts", "status": "SUCCEEDED", "limit": "100", "cursor": "c-2"}

    server.will(GONE)
    with pytest.raises(TaskNotFoundError, match="no task t-1"):
        asyncio.run(read())
