"""The life of a task on a real database: submitted, dispatched, stepped, counted, closed, cancelled, recovered."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from longhaul import database
from longhaul.errors import IllegalTransition
from longhaul.tasks import following, lifecycle, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Status, Task, TaskError
from tests.submitting import asking, submit

type Sql = Callable[..., list[dict[str, Any]]]


def test_a_submitted_task_waits_with_all_it_was_given(database: dict[str, Any]) -> None:
    task = submit(asking(title="七月刷新"))
    assert (task.status, task.tenant_id, task.user_id, task.title) == (Status.PENDING, "acme", "ada", "七月刷新")
    assert task.task_id.startswith("province_广东省_")
    assert task.attempt == 0


def test_a_started_task_runs_its_first_attempt(running_task: Callable[..., Task], sql: Sql) -> None:
    task = running_task()
    assert (task.status, task.attempt) == (Status.RUNNING, 1)
    assert [row["event"] for row in sql("SELECT event FROM task_events")] == ["started"]
    assert dispatch() == 0


def test_closing_twice_closes_once(running_task: Callable[..., Task], sql: Sql) -> None:
    task = running_task()
    assert lifecycle.close(task.task_id, 1, Outcome(result={"added": 3}))
    assert not lifecycle.close(task.task_id, 1, Outcome(result={"added": 4}))
    view = following.read_task(task.task_id, "acme")
    assert view.task is not None
    assert (view.task.status, view.task.progress, view.task.result) == (Status.SUCCEEDED, 100, {"added": 3})


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(result={"added": 3}),
        Outcome(error=TaskError("bad_answer", "no")),
        Outcome(error=TaskError("provider_unavailable", "away")),
    ],
    ids=["succeeded", "failed", "transient"],
)
def test_the_end_of_an_older_attempt_does_not_end_the_one_that_runs(
    running_task: Callable[..., Task], sql: Sql, outcome: Outcome
) -> None:
    # GIVEN a task that runs its second attempt
    task = running_task()
    lifecycle.close(task.task_id, 1, Outcome(error=TaskError("provider_unavailable", "away")))
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    assert dispatch() == 1

    # WHEN the first says how it ended, THEN it is not heard
    assert not lifecycle.close(task.task_id, 1, outcome)
    assert sql("SELECT status, attempt, retries, result FROM tasks") == [
        {"status": "RUNNING", "attempt": 2, "retries": 1, "result": None}
    ]
    assert lifecycle.close(task.task_id, 2, outcome)


def test_a_cancel_that_loses_its_race_says_what_the_task_has_become(
    running_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    lock = store.lock

    def close_first(*arguments: Any) -> Task | None:
        with_another_connection(lambda: lifecycle.close(task.task_id, 1, Outcome(result={})))
        return lock(*arguments)

    monkeypatch.setattr(store, "lock", close_first)
    with pytest.raises(IllegalTransition) as refused:
        lifecycle.cancel(task.task_id, "acme")
    assert (refused.value.task_status, refused.value.allowed_actions) == (Status.SUCCEEDED, [])


def with_another_connection(work: Callable[[], object]) -> None:
    """Each thread has a connection of its own."""

    def run() -> None:
        work()
        database.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.parametrize("started", [True, False])
def test_a_cancelled_task_stays_cancelled(
    database: dict[str, Any], running_task: Callable[..., Task], started: bool
) -> None:
    task = running_task() if started else submit(asking())
    assert lifecycle.cancel(task.task_id, "acme").status == Status.CANCELLED
    assert lifecycle.cancel(task.task_id, "acme").status == Status.CANCELLED
    assert not lifecycle.close(task.task_id, 1, Outcome(result={}))
    assert dispatch() == 0
