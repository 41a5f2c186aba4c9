"""Pausing and resuming: what stops, what is kept, what may be repeated, and who wins a race."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.aws import workflows
from longhaul.aws.workflows import Attempt
from longhaul.errors import IllegalTransition, NotFound, TaskStopped, WorkflowUnavailable
from longhaul.tasks import lifecycle, live, recovery, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Status, Task, TaskError
from longhaul.tasks.steps import PlannedStep, fail_step, step
from longhaul.tasks.submission import Submission
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]

KIND = "hospital_province_refresh"
HINT = {"kind": KIND}
DONE = PlannedStep("district/440103", "district", "荔湾区")
FAILED = PlannedStep("district/440104", "district", "越秀区")
IN_FLIGHT = PlannedStep("district/440105", "district", "海珠区")


def open_step(task: Task, planned: PlannedStep, attempt: int) -> Any:
    return step(task.task_id, attempt, key=planned.key, level=planned.level, label=planned.label)


def steps_of(sql: Sql) -> dict[str, str]:
    return {row["step_key"]: row["status"] for row in sql("SELECT step_key, status FROM task_steps")}


def events_of(sql: Sql, task: Task) -> list[tuple[str, int, str]]:
    rows = sql("SELECT event, attempt, status FROM task_events WHERE task_id = %s ORDER BY id", task.task_id)
    return [(row["event"], row["attempt"], row["status"]) for row in rows]


def test_a_paused_task_keeps_its_steps_and_its_next_attempt_goes_on_from_them(
    running_task: Running, sql: Sql, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a task with a step that is done, one that failed and one whose worker asks its provider
    stopped: list[Any] = []
    monkeypatch.setattr(workflows, "stop", lambda *told: stopped.append(told))
    task = running_task()
    with open_step(task, DONE, 1) as run:
        run.complete({"hospitals": 18}, units=18)
    fail_step(task.task_id, 1, FAILED, TaskError("bad_answer", "not JSON"))
    late = open_step(task, IN_FLIGHT, 1)
    late_run = late.__enter__()
    sent("dispatch")

    # WHEN it is paused
    paused = lifecycle.pause(task.task_id, "acme")

    # THEN its attempt is stopped, readers see it, and its lane's next one may start
    assert (paused.status, paused.attempt, paused.finished_at) == (Status.PAUSED, 1, None)
    assert stopped == [(task.execution_arn, Attempt(task_id=task.task_id, attempt=1), "PAUSED")]
    item = live.read(task.task_id)
    assert item is not None
    assert item.status == "PAUSED"
    assert sent("dispatch") == [HINT]

    # AND nothing of it goes on, by a late worker, the dispatcher or recovery
    with pytest.raises(TaskStopped):
        late_run.complete({"hospitals": 20}, units=20)
    with pytest.raises(TaskStopped), open_step(task, FAILED, 1):
        pass
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6))")
    assert (dispatch(), recovery.recover()) == (0, {"overdue": 0, "recovered": 0})
    assert steps_of(sql) == {DONE.key: "SUCCEEDED", FAILED.key: "FAILED", IN_FLIGHT.key: "PENDING"}

    # WHEN it is resumed
    resumed = lifecycle.resume(task.task_id, "acme")

    # THEN it waits to be started at once, as another attempt, and what failed is to be tried anew
    assert (resumed.status, resumed.attempt, resumed.retries) == (Status.PENDING, 1, 0)
    assert resumed.run_after <= datetime.now(UTC)
    assert sent("dispatch") == [HINT]
    assert len(stopped) == 1
    assert dispatch() == 1
    (row,) = sql("SELECT status, attempt, execution_arn FROM tasks")
    assert (row["status"], row["attempt"]) == ("RUNNING", 2)
    assert f":{task.id}-2-" in row["execution_arn"]
    assert steps_of(sql) == {DONE.key: "SUCCEEDED", FAILED.key: "PENDING", IN_FLIGHT.key: "PENDING"}

    # AND the step that was done is not done again, the others are
    with open_step(task, DONE, 2) as again:
        assert (again.done, again.output) == (True, {"hospitals": 18})
    for planned in (FAILED, IN_FLIGHT):
        with open_step(task, planned, 2) as anew:
            assert not anew.done
            anew.complete({})
    assert lifecycle.close(task.task_id, 2, Outcome(result={}))
    assert events_of(sql, task) == [
        ("started", 1, "RUNNING"),
        ("paused", 1, "PAUSED"),
        ("resumed", 1, "PENDING"),
        ("started", 2, "RUNNING"),
        ("succeeded", 2, "SUCCEEDED"),
    ]


def test_pausing_frees_a_place_and_resuming_waits_for_one(running_task: Running, sql: Sql) -> None:
    # GIVEN a lane for one, with a task that runs and one that waits
    sql("UPDATE lanes SET max_concurrent = 1")
    first = running_task()
    second = submit(Submission("acme", "ada", KIND, {"province": "海南省"}))

    # WHEN the first is paused, the second takes its place, and the first is resumed
    lifecycle.pause(first.task_id, "acme")
    assert dispatch() == 1
    assert lifecycle.resume(first.task_id, "acme").status == Status.PENDING

    # THEN it waits until the second has ended
    assert dispatch() == 0
    lifecycle.close(second.task_id, 1, Outcome(result={}))
    assert dispatch() == 1
    assert sql("SELECT task_id FROM tasks WHERE status = 'RUNNING'") == [{"task_id": first.task_id}]


def test_asking_for_what_is_so_already_changes_nothing(running_task: Running, sql: Sql, sent: Sent) -> None:
    task = running_task()
    running = lifecycle.resume(task.task_id, "acme")
    assert (running.status, running.attempt) == (Status.RUNNING, 1)
    paused = lifecycle.pause(task.task_id, "acme")
    sent("dispatch")
    assert lifecycle.pause(task.task_id, "acme") == paused
    assert sent("dispatch") == []
    pending = lifecycle.resume(task.task_id, "acme")
    assert lifecycle.resume(task.task_id, "acme") == pending
    assert sent("dispatch") == [HINT]
    assert [event for event, *_ in events_of(sql, task)] == ["started", "paused", "resumed"]


@pytest.mark.parametrize(
    ("status", "action", "allowed"),
    [
        ("PENDING", "pause", ["cancel", "prioritise"]),
        ("SUCCEEDED", "pause", []),
        ("FAILED", "pause", ["retry"]),
        ("CANCELLED", "pause", []),
        ("SUCCEEDED", "resume", []),
        ("FAILED", "resume", ["retry"]),
        ("CANCELLED", "resume", []),
    ],
)
def test_what_the_status_does_not_allow_is_refused_and_says_what_it_does(
    running_task: Running, sql: Sql, status: str, action: str, allowed: list[str]
) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = %s", status)
    with pytest.raises(IllegalTransition, match=f"a {status} task cannot be {action}d") as refused:
        getattr(lifecycle, action)(task.task_id, "acme")
    assert (refused.value.task_status, refused.value.allowed_actions) == (status, allowed)
    assert [event for event, *_ in events_of(sql, task)] == ["started"]


@pytest.mark.parametrize("action", [lifecycle.pause, lifecycle.resume])
def test_another_tenants_task_is_neither_paused_nor_resumed(
    running_task: Running, sql: Sql, action: Callable[[str, str], Task]
) -> None:
    task = running_task()
    with pytest.raises(NotFound):
        action(task.task_id, "another")
    assert sql("SELECT status FROM tasks") == [{"status": "RUNNING"}]


def test_a_paused_task_can_be_cancelled(running_task: Running, sql: Sql) -> None:
    task = running_task()
    lifecycle.pause(task.task_id, "acme")
    cancelled = lifecycle.cancel(task.task_id, "acme")
    assert cancelled.status == Status.CANCELLED
    assert cancelled.finished_at is not None
    assert [event for event, *_ in events_of(sql, task)] == ["started", "paused", "cancelled"]


def test_an_execution_that_cannot_be_stopped_does_not_keep_its_task_from_being_paused(
    running_task: Running, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    def away(*_: Any) -> None:
        raise WorkflowUnavailable

    task = running_task()
    monkeypatch.setattr(workflows, "stop", away)
    assert lifecycle.pause(task.task_id, "acme").status == Status.PAUSED
    assert warnings == ["execution not stopped"]


def test_a_count_that_comes_late_does_not_show_a_paused_task_as_running(running_task: Running) -> None:
    # GIVEN a count of a running task that is on its way to the live item
    task = running_task()
    late = replace(live.item_of(task), steps_done=3, progress=12)

    # WHEN the task is paused before it arrives, THEN it changes nothing
    lifecycle.pause(task.task_id, "acme")
    live.write(late)
    item = live.read(task.task_id)
    assert item is not None
    assert (item.status, item.progress) == ("PAUSED", 0)

    # AND when it runs again, the counts of its next attempt are stored
    lifecycle.resume(task.task_id, "acme")
    live.write(replace(late, attempt=2, progress=15))
    item = live.read(task.task_id)
    assert item is not None
    assert (item.status, item.progress) == ("RUNNING", 15)


def test_a_dead_attempts_end_does_not_wake_a_paused_task(running_task: Running, sql: Sql) -> None:
    task = running_task()
    lifecycle.pause(task.task_id, "acme")
    aborted = TaskError("Execution.ABORTED", "paused")
    assert not lifecycle.close(task.task_id, 1, Outcome(error=aborted), execution_arn=task.execution_arn or "")
    assert sql("SELECT status, retries FROM tasks") == [{"status": "PAUSED", "retries": 0}]


def test_pausing_a_task_that_meanwhile_came_to_its_next_attempt_stops_that_one(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a task whose attempt fails while it is being paused, and whose next one has begun
    task = running_task()
    stopped: list[Any] = []
    monkeypatch.setattr(workflows, "stop", lambda *told: stopped.append(told))
    lock = store.lock

    def restart_first(*arguments: Any) -> Task | None:
        sql("UPDATE tasks SET attempt = 2, execution_arn = 'the-second'")
        return lock(*arguments)

    monkeypatch.setattr(store, "lock", restart_first)

    # WHEN, THEN
    assert lifecycle.pause(task.task_id, "acme").attempt == 2
    assert stopped == [("the-second", Attempt(task_id=task.task_id, attempt=2), "PAUSED")]


@pytest.mark.parametrize("first", ["close", "pause"])
def test_pausing_and_completing_have_one_winner_whoever_is_first(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    task = running_task()
    if first == "close":
        overtake(monkeypatch, "lock", lambda: lifecycle.close(task.task_id, 1, Outcome(result={})))
        with pytest.raises(IllegalTransition) as refused:
            lifecycle.pause(task.task_id, "acme")
        assert (refused.value.task_status, refused.value.allowed_actions) == ("SUCCEEDED", [])
        assert [event for event, *_ in events_of(sql, task)] == ["started", "succeeded"]
    else:
        overtake(monkeypatch, "finish", lambda: lifecycle.pause(task.task_id, "acme"))
        assert not lifecycle.close(task.task_id, 1, Outcome(result={}))
        assert [event for event, *_ in events_of(sql, task)] == ["started", "paused"]
    item = live.read(task.task_id)
    assert item is not None
    assert sql("SELECT status FROM tasks") == [{"status": item.status}]


def overtake(monkeypatch: pytest.MonkeyPatch, write: str, rival: Callable[[], object]) -> None:
    """Just before this write of the store, the rival does its work in a thread with a connection of its own."""
    original = getattr(store, write)

    def wait(*arguments: Any, **named: Any) -> Any:
        thread = threading.Thread(target=lambda: (rival(), longhaul_database.close()))
        thread.start()
        thread.join()
        return original(*arguments, **named)

    monkeypatch.setattr(store, write, wait)


def test_pausing_and_completing_at_once_have_one_winner(running_task: Running, sql: Sql) -> None:
    for _ in range(8):
        task = running_task()
        barrier = threading.Barrier(2)
        said: dict[str, Any] = {}

        def close(task: Task = task, barrier: threading.Barrier = barrier, said: dict[str, Any] = said) -> None:
            barrier.wait()
            said["closed"] = lifecycle.close(task.task_id, 1, Outcome(result={"added": 3}))
            longhaul_database.close()

        def pause(task: Task = task, barrier: threading.Barrier = barrier, said: dict[str, Any] = said) -> None:
            barrier.wait()
            try:
                said["paused"] = lifecycle.pause(task.task_id, "acme").status
            except IllegalTransition as error:
                said["refused"] = error.task_status
            longhaul_database.close()

        threads = [threading.Thread(target=close), threading.Thread(target=pause)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        (row,) = sql("SELECT status FROM tasks WHERE task_id = %s", task.task_id)
        events = [event for event, *_ in events_of(sql, task)]
        assert (row["status"], said, events) in [
            ("SUCCEEDED", {"closed": True, "refused": "SUCCEEDED"}, ["started", "succeeded"]),
            ("PAUSED", {"closed": False, "paused": "PAUSED"}, ["started", "paused"]),
        ]
