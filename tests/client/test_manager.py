"""TaskManager: what it sends, the dictionaries it gives, the exceptions it raises, the connections it keeps."""

import asyncio
import gc
import time
from datetime import UTC, datetime, timedelta
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
)
from tests.client.scripted import Reply, Scripted, problem, task

GONE = problem(404, "not_found", "there is no task t-1")


@pytest.fixture
def china(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.usefixtures("china")
def test_a_task_is_a_flat_dictionary_with_local_times(manager: TaskManager, server: Scripted) -> None:
    error = {"code": "too_many_failures", "message": "3 of 4 steps failed"}
    server.will(Reply(200, task("FAILED", error=error, result={"added": 3}, eta_seconds=7.5)))

    known = asyncio.run(manager.get_task_status("province_海南省_1"))

    assert known == {
        "task_id": "province_海南省_1",
        "hospital_name": "海南省刷新",
        "query": None,
        "status": "FAILED",
        "progress": 40,
        "current_step": "正在获取区县数据：定安县",
        "created_at": "2026-11-25T09:02:03",
        "updated_at": "2026-11-25T09:03:05",
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
        "run_after": None,
        "deadline": None,
        "queue_position": None,
        "eta_seconds": 7.5,
        "allowed_actions": ["cancel", "pause"],
    }
    assert server.asked[0].headers["authorization"] == "Bearer token-1"
    assert server.asked[0].path == "/api/v1/tasks/province_海南省_1"


def test_submissions(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(202, task("PENDING")))

    async def submit() -> set[str]:
        refreshes = [manager.create_full_refresh_task(), manager.create_province_refresh_task("海南省")]
        return {*await asyncio.gather(*refreshes), await manager.create_task("x", {"a": 1}, priority="high", title="t")}

    assert asyncio.run(submit()) == {"province_海南省_1"}
    assert sorted((asked.body for asked in server.asked), key=str) == [
        {"kind": "hospital_full_refresh", "params": {}},
        {"kind": "hospital_province_refresh", "params": {"province": "海南省"}},
        {"kind": "x", "params": {"a": 1}, "priority": "high", "title": "t"},
    ]


def test_a_task_timeout_is_a_deadline(server: Scripted) -> None:
    server.will(Reply(202, task("PENDING")))
    asyncio.run(TaskManager(None, None, 5, 600).create_full_refresh_task())
    deadline = datetime.fromisoformat(server.asked[0].body["deadline"])
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
    assert len(server.asked) == 1


def test_waiting_asks_only_for_what_is_new(server: Scripted) -> None:
    # GIVEN a task that moves, stays, moves and ends, and two listeners, the first of which is broken
    told: list[tuple[str, int, str]] = []

    async def broken(task_id: str, progress: int, step: str) -> None:
        raise RuntimeError("out of order")

    async def listen(task_id: str, progress: int, step: str) -> None:
        told.append((task_id, progress, step))

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

    # THEN each change was told once, and what was known already was not sent again
    assert ended["status"] == "SUCCEEDED"
    step = "正在获取区县数据：定安县"
    assert told == [("province_海南省_1", 10, step), ("province_海南省_1", 100, step)]
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [None, '"a"', '"a"', '"b"']
    assert [asked.headers.get("prefer") for asked in server.asked] == [None, *["wait=20"] * 3]


def test_who_wants_only_the_end_is_answered_at_the_end(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, task(), {"ETag": '"a"'}), Reply(200, task("FAILED"), {"ETag": '"b"'}))
    ended = asyncio.run(manager.wait_for_completion("t-1", poll_interval=0))
    assert ended["status"] == "FAILED"
    assert [asked.headers["prefer"] for asked in server.asked] == ["wait=20"] * 2
    assert not any("if-none-match" in asked.headers for asked in server.asked)


def test_waiting_has_an_end(manager: TaskManager, server: Scripted) -> None:
    server.will(Reply(200, task(), delay=0.02))
    with pytest.raises(TaskTimeoutError, match=r"t-1 had not ended after 1 s; it goes on"):
        asyncio.run(manager.wait_for_completion("t-1", timeout=1, poll_interval=0.01))
    assert len(server.asked) > 1


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
    assert [(asked.method, asked.path) for asked in server.asked] == [
        *(("POST", f"/api/v1/tasks/t?1/{action}") for action in ("pause", "resume", "retry")),
        ("PATCH", "/api/v1/tasks/t?1"),
    ]
    assert server.asked[-1].body == {"priority": "urgent"}


def test_lists(manager: TaskManager, server: Scripted) -> None:
    server.will(
        Reply(200, {"items": [task()], "page": 2, "page_size": 5, "total": 6, "pages": 2}), Reply(200, {"items": []})
    )

    async def find() -> Any:
        filters = {"kind": ["a", "b"], "title": "海", "created_after": None}
        return await manager.list_tasks("RUNNING", 2, 5, "progress", "asc", **filters), await manager.get_active_tasks()

    page, active = asyncio.run(find())
    assert (page["total"], page["items"][0]["hospital_name"], active) == (6, "海南省刷新", [])
    assert server.asked[0].query == {
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
    assert [asked.query for asked in server.asked] == [{"older_than_days": "30", "status": "SUCCEEDED,FAILED"}] * 2


def test_many_are_submitted_a_hundred_at_a_time(manager: TaskManager, server: Scripted) -> None:
    # GIVEN a server that refuses one item of the first batch, and the second batch whole
    wrong = {"pointer": "/items/99/kind", "detail": "no such"}
    refused = {"index": 99, "status": 422, "problem": {"code": "unknown_kind", "errors": [wrong]}}
    accepted = [{"index": at, "status": 202, "task_id": f"t-{at}"} for at in range(99)]
    server.will(
        Reply(200, {"items": [*accepted, refused]}), problem(403, "insufficient_scope", "It needs tasks:write.")
    )

    # WHEN 101 are submitted
    told = asyncio.run(manager.create_tasks([{"kind": "x", "params": {"n": at}} for at in range(101)]))

    # THEN each has its answer, in order, and none of the tasks that were made is lost
    assert [item["index"] for item in told] == list(range(101))
    assert [item["status"] for item in told] == [202] * 99 + [422, 403]
    assert told[98]["task_id"] == "t-98"
    assert told[99]["problem"]["errors"] == [{"pointer": "/kind", "detail": "no such"}]
    bodies = [asked.body["items"] for asked in server.asked]
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
    first, second = server.asked[0].connection, server.asked[6].connection
    assert [asked.connection for asked in server.asked] == [first] * 6 + [second] * 6
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
    *open_once, again = [asked.connection for asked in server.asked]
    assert len(set(open_once)) == 1
    assert again not in open_once
