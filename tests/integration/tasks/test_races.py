"""Two who want something of one task at the same moment: one winner, and the other is told how it stands."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import IllegalTransition
from longhaul.tasks import lifecycle, store
from longhaul.tasks.changes import Wish
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Priority, Task, TaskError
from longhaul.tasks.submission import Submission
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]

KIND = "hospital_province_refresh"
ROUNDS = 6


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each of these gave, done at the same moment: a status, or what the refusal said the status was."""
    barrier = threading.Barrier(len(acts))
    said: list[Any] = [None] * len(acts)

    def do(place: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            given = act()
            said[place] = str(given.status) if isinstance(given, Task) else given
        except IllegalTransition as refusal:
            said[place] = ("refused", str(refusal.task_status))
        finally:
            longhaul_database.close()

    threads = [threading.Thread(target=do, args=(place, act)) for place, act in enumerate(acts)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return said


def story(sql: Sql, task: Task) -> tuple[str, list[str]]:
    (row,) = sql("SELECT status FROM tasks WHERE task_id = %s", task.task_id)
    events = sql("SELECT event FROM task_events WHERE task_id = %s ORDER BY id", task.task_id)
    return row["status"], [event["event"] for event in events]


def test_retry_twice_at_once_has_one_winner(running_task: Running, sql: Sql, sent: Any) -> None:
    for _ in range(ROUNDS):
        task = running_task()
        lifecycle.close(task.task_id, 1, Outcome(error=TaskError("bad_answer", "…")))
        sent("dispatch")
        said = at_once(*[lambda task=task: lifecycle.retry(task.task_id, "acme")] * 3)
        assert sorted(said, key=str) == [("refused", "PENDING"), ("refused", "PENDING"), "PENDING"]
        assert story(sql, task) == ("PENDING", ["started", "failed", "retried"])
        assert len(sent("dispatch")) == 1
        lifecycle.cancel(task.task_id, "acme")


def test_resume_and_cancel_at_once(running_task: Running, sql: Sql) -> None:
    for _ in range(ROUNDS):
        task = running_task()
        lifecycle.pause(task.task_id, "acme")
        resumed, cancelled = at_once(
            lambda task=task: lifecycle.resume(task.task_id, "acme"),
            lambda task=task: lifecycle.cancel(task.task_id, "acme"),
        )
        # To cancel is possible before and after; to resume only before.
        assert cancelled == "CANCELLED"
        assert (resumed, story(sql, task)) in [
            ("PENDING", ("CANCELLED", ["started", "paused", "resumed", "cancelled"])),
            (("refused", "CANCELLED"), ("CANCELLED", ["started", "paused", "cancelled"])),
        ]


@pytest.mark.parametrize("end", ["succeeds", "fails", "is cancelled"])
def test_pause_and_the_end_at_once(running_task: Running, sql: Sql, end: str) -> None:
    ends: dict[str, Callable[[Task], Any]] = {
        "succeeds": lambda task: lifecycle.close(task.task_id, 1, Outcome(result={})),
        "fails": lambda task: lifecycle.close(task.task_id, 1, Outcome(error=TaskError("bad_answer", "…"))),
        "is cancelled": lambda task: lifecycle.cancel(task.task_id, "acme"),
    }
    for _ in range(ROUNDS):
        task = running_task()
        paused, ended = at_once(
            lambda task=task: lifecycle.pause(task.task_id, "acme"), lambda task=task: ends[end](task)
        )
        status, events = story(sql, task)
        if end == "is cancelled":
            assert (ended, status) == ("CANCELLED", "CANCELLED")
            assert (paused, events) in [
                ("PAUSED", ["started", "paused", "cancelled"]),
                (("refused", "CANCELLED"), ["started", "cancelled"]),
            ]
        else:
            target = {"succeeds": "SUCCEEDED", "fails": "FAILED"}[end]
            assert (paused, ended, status, events) in [
                ("PAUSED", False, "PAUSED", ["started", "paused"]),
                (("refused", target), True, target, ["started", target.lower()]),
            ]
            if status == "PAUSED":
                lifecycle.cancel(task.task_id, "acme")


def test_a_change_of_priority_and_the_start_at_once(database: dict[str, Any], sql: Sql) -> None:
    for _ in range(ROUNDS):
        task = submit(Submission("acme", "ada", KIND, {"province": "海南省"}))
        changed, started = at_once(
            lambda task=task: lifecycle.change(task.task_id, "acme", Wish(priority=Priority.urgent)),
            lambda: dispatch([KIND]),
        )
        # Either may come first, and neither is lost or done twice.
        status, events = story(sql, task)
        with longhaul_database.connection() as session:
            now = store.fetch(session, task.task_id)
        assert now is not None
        assert (status, now.priority, now.attempt, started) == ("RUNNING", Priority.urgent, 1, 1)
        assert changed in ("PENDING", "RUNNING")
        assert sorted(events) == ["changed", "started"]
        lifecycle.cancel(task.task_id, "acme")


def test_a_change_of_priority_and_the_end_at_once(running_task: Running, sql: Sql) -> None:
    for _ in range(ROUNDS):
        task = running_task()
        changed, closed = at_once(
            lambda task=task: lifecycle.change(task.task_id, "acme", Wish(priority=Priority.urgent)),
            lambda task=task: lifecycle.close(task.task_id, 1, Outcome(result={})),
        )
        assert closed
        assert (changed, story(sql, task)) in [
            ("RUNNING", ("SUCCEEDED", ["started", "changed", "succeeded"])),
            (("refused", "SUCCEEDED"), ("SUCCEEDED", ["started", "succeeded"])),
        ]


def test_lanes_hold_whatever_is_done_at_once(database: dict[str, Any], sql: Sql) -> None:
    sql("UPDATE lanes SET max_concurrent = 3 WHERE kind = %s", KIND)
    tasks = [submit(Submission(f"tenant-{n % 3}", "ada", KIND, {"province": "海南省"})) for n in range(12)]
    dispatch([KIND])
    running = [row["task_id"] for row in sql("SELECT task_id FROM tasks WHERE status = 'RUNNING'")]
    owner = {task.task_id: task.tenant_id for task in tasks}
    for _ in range(3):
        at_once(
            *[lambda: dispatch([KIND])] * 3,
            lambda: lifecycle.pause(running[0], owner[running[0]]),
            lambda: lifecycle.cancel(running[1], owner[running[1]]),
            lambda: lifecycle.resume(running[0], owner[running[0]]),
        )
        (row,) = sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'RUNNING'")
        assert row["n"] <= 3
    dispatch([KIND])
    assert sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'RUNNING'") == [{"n": 3}]
