"""A FAILED task retried by a caller: what is done again, what is not, and what it may not do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from longhaul.errors import IllegalTransition, NotFound
from longhaul.tasks import lifecycle, live, recovery
from longhaul.tasks.changes import Wish
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Status, Task, TaskError
from longhaul.tasks.steps import PlannedStep, fail_step, step

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]

HINT = {"kind": "hospital_province_refresh"}
KEYS = [f"district/{code}" for code in range(440103, 440113)]


class Asked(list[str]):
    """A provider that notes what it was asked, and refuses some of it."""

    def work(self, task: Task, refused: set[str]) -> None:
        """An attempt: each step asks once, and is remembered whichever way it went."""
        for key in KEYS:
            with step(task.task_id, task.attempt, key=key, level="district", label=key) as run:
                if run.done:
                    continue
                self.append(key)
                if key not in refused:
                    run.complete({"hospitals": 18}, units=18)
            if key in refused:
                planned = PlannedStep(key, "district", key)
                fail_step(task.task_id, task.attempt, planned, TaskError("bad_answer", "no JSON"))


def failed(task: Task) -> None:
    assert lifecycle.close(task.task_id, task.attempt, Outcome(error=TaskError("too_many_failures", "3 of 10")))


def started_again(task: Task) -> Task:
    assert dispatch() == 1
    return lifecycle.change(task.task_id, "acme", Wish())


def test_a_failed_task_that_is_retried_does_what_failed_and_nothing_again(
    running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a task that failed, with three steps that did, after two retries of its own and past its deadline
    asked, refused = Asked(), {KEYS[1], KEYS[4], KEYS[9]}
    task = running_task()
    asked.work(task, refused)
    sql("UPDATE tasks SET retries = 2, deadline = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    failed(task)
    assert asked == KEYS
    sent("dispatch")

    # WHEN it is retried
    retried = lifecycle.retry(task.task_id, "acme")

    # THEN it waits to be started at once as a new task would, and its readers see it
    assert (retried.status, retried.attempt, retried.retries) == (Status.PENDING, 1, 0)
    assert (retried.error, retried.finished_at, retried.deadline, retried.started_at) == (
        None,
        None,
        None,
        task.started_at,
    )
    assert retried.run_after <= datetime.now(UTC)
    assert sent("dispatch") == [HINT]
    item = live.read(task.task_id)
    assert item is not None
    assert item.status == "PENDING"

    # AND its next attempt has its kind's time, and asks for what failed alone
    again = started_again(task)
    assert recovery.recover() == {"overdue": 0, "recovered": 0}
    assert again.deadline is not None
    assert again.deadline > datetime.now(UTC)
    asked.clear()
    asked.work(again, set())
    assert asked == sorted(refused)
    assert lifecycle.close(task.task_id, 2, Outcome(result={"failed": []}))
    events = sql("SELECT event, attempt, status FROM task_events ORDER BY id")
    assert [(row["event"], row["attempt"], row["status"]) for row in events] == [
        ("started", 1, "RUNNING"),
        ("failed", 1, "FAILED"),
        ("retried", 1, "PENDING"),
        ("started", 2, "RUNNING"),
        ("succeeded", 2, "SUCCEEDED"),
    ]


def test_a_task_that_is_paused_and_resumed_asks_no_finished_step_again(running_task: Running) -> None:
    asked = Asked()
    task = running_task()
    asked.work(task, {KEYS[7]})
    lifecycle.pause(task.task_id, "acme")
    lifecycle.resume(task.task_id, "acme")
    asked.work(started_again(task), set())
    assert asked == [*KEYS, KEYS[7]]


def test_a_retried_task_has_all_its_retries_again(running_task: Running, sql: Sql) -> None:
    task = running_task()
    sql("UPDATE tasks SET retries = max_retries")
    assert lifecycle.close(task.task_id, 1, Outcome(error=TaskError("provider_unavailable", "away")))
    assert sql("SELECT status FROM tasks") == [{"status": "FAILED"}]
    lifecycle.retry(task.task_id, "acme")
    again = started_again(task)
    assert lifecycle.close(task.task_id, again.attempt, Outcome(error=TaskError("provider_unavailable", "away")))
    assert sql("SELECT status, retries FROM tasks") == [{"status": "PENDING", "retries": 1}]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ("provider_unavailable", 15),
        ("Execution.TIMED_OUT", 1),
        ("Lambda.Unknown", 15),
        ("bad_answer", None),
        ("too_many_failures", None),
        ("SomethingElse", None),
    ],
)
def test_only_what_is_transient_is_tried_again_by_itself(
    running_task: Running, sql: Sql, sent: Sent, error: str, seconds: int | None
) -> None:
    task = running_task()
    sent("dispatch")
    lifecycle.close(task.task_id, 1, Outcome(error=TaskError(error, "…")))
    (row,) = sql("SELECT status, retries, TIMESTAMPDIFF(MICROSECOND, updated_at, run_after) AS delay FROM tasks")
    if seconds:
        assert (row["status"], row["retries"], row["delay"]) == ("PENDING", 1, seconds * 1_000_000)
    else:
        assert (row["status"], row["retries"]) == ("FAILED", 0)


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "PAUSED", "SUCCEEDED", "CANCELLED"])
def test_only_what_has_failed_is_retried(running_task: Running, sql: Sql, status: str) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = %s", status)
    with pytest.raises(IllegalTransition, match=f"a {status} task cannot be retried") as refused:
        lifecycle.retry(task.task_id, "acme")
    assert refused.value.task_status == status
    assert "retry" not in refused.value.allowed_actions
    assert sql("SELECT status FROM tasks") == [{"status": status}]


def test_another_tenants_task_is_not_retried(running_task: Running, sql: Sql) -> None:
    task = running_task()
    failed(task)
    with pytest.raises(NotFound):
        lifecycle.retry(task.task_id, "another")
    assert sql("SELECT status FROM tasks") == [{"status": "FAILED"}]


def test_a_task_whose_deadline_passes_while_it_waits_or_is_paused_fails(running_task: Running, sql: Sql) -> None:
    paused, waiting = running_task(), running_task()
    lifecycle.pause(paused.task_id, "acme")
    lifecycle.pause(waiting.task_id, "acme")
    lifecycle.resume(waiting.task_id, "acme")
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    assert dispatch() == 0, "it is too late to start it"
    assert recovery.recover() == {"overdue": 2, "recovered": 0}
    rows = sql("SELECT status, error_code FROM tasks")
    assert rows == [{"status": "FAILED", "error_code": "deadline_exceeded"}] * 2
    assert {row["event"] for row in sql("SELECT event FROM task_events")} >= {"expired"}
