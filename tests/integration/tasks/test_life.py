"""The life of a task on a real database: submitted, dispatched, stepped, counted, closed, cancelled, recovered."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from longhaul import database
from longhaul.database import Session
from longhaul.errors import IllegalTransition
from longhaul.tasks import closing, control, reading, transition_store
from longhaul.tasks.closing import Outcome
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Status, Task, Transition
from longhaul.tasks.submission import Submission, submit

type Sql = Callable[..., list[dict[str, Any]]]


def submission(**changes: Any) -> Submission:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "user_id": "ada",
        "kind": "hospital_province_refresh",
        "params": {"province": "广东省"},
    }
    return Submission(**values | changes)


def test_a_submitted_task_waits_with_all_it_was_given(database: dict[str, Any]) -> None:
    task = submit(submission(title="七月刷新"))
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
    assert closing.close(task.task_id, 1, Outcome(result={"added": 3}))
    assert not closing.close(task.task_id, 1, Outcome(result={"added": 4}))
    view = reading.read_task(task.task_id, "acme")
    assert view.task is not None
    assert (view.task.status, view.task.progress, view.task.result) == (Status.SUCCEEDED, 100, {"added": 3})


def test_a_cancel_that_loses_its_race_says_what_the_task_has_become(
    running_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    stop = transition_store.stop

    def close_first(tx: Session, cancelled: Task, transition: Transition, **counted: Any) -> bool:
        with_another_connection(lambda: closing.close(task.task_id, 1, Outcome(result={})))
        return stop(tx, cancelled, transition, **counted)

    monkeypatch.setattr(transition_store, "stop", close_first)
    with pytest.raises(IllegalTransition) as refused:
        control.cancel(task.task_id, "acme")
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
    task = running_task() if started else submit(submission())
    assert control.cancel(task.task_id, "acme").status == Status.CANCELLED
    assert control.cancel(task.task_id, "acme").status == Status.CANCELLED
    assert not closing.close(task.task_id, 1, Outcome(result={}))
    assert dispatch() == 0
