"""Recovery: executions that are gone, dead or stale, and tasks past their deadline."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.tasks import closing, recovery
from longhaul.tasks.closing import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.workflows import Attempt

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


@pytest.fixture
def quiet(running_task: Running, sql: Sql) -> Task:
    """A RUNNING task that has not been heard of for an hour."""
    task = running_task()
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6))")
    return task


def told(monkeypatch: pytest.MonkeyPatch, status: str | None) -> tuple[list[str], list[str]]:
    """Step Functions says `status` of every execution; what is started and stopped is listed."""
    started: list[str] = []
    stopped: list[str] = []
    monkeypatch.setattr(workflows, "describe", lambda arn: status)
    monkeypatch.setattr(workflows, "start", lambda arn, payload: started.append(arn))
    monkeypatch.setattr(workflows, "stop", lambda arn, payload, cause: stopped.append(arn))
    return started, stopped


def test_an_execution_that_is_gone_is_started_again_as_the_same_attempt(
    quiet: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, _ = told(monkeypatch, None)
    assert recovery.recover() == {"overdue": 0, "recovered": 1}
    assert started == [quiet.execution_arn]
    assert sql("SELECT status, attempt FROM tasks") == [{"status": "RUNNING", "attempt": 1}]


def test_a_real_execution_that_does_not_exist_is_told_from_one_that_does(quiet: Task) -> None:
    assert quiet.execution_arn is not None
    assert workflows.describe(quiet.execution_arn) is not None
    assert workflows.describe(quiet.execution_arn + "9") is None
    workflows.stop(quiet.execution_arn + "9", Attempt(task_id=quiet.task_id, attempt=1), "not there")


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_an_execution_that_ended_unheard_gives_way_to_the_next_attempt(
    quiet: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    told(monkeypatch, status)
    assert recovery.recover()["recovered"] == 1
    assert sql("SELECT status, retries, error_code FROM tasks") == [
        {"status": "PENDING", "retries": 1, "error_code": f"Execution.{status}"}
    ]


def test_a_stale_execution_is_stopped_and_tried_anew(quiet: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    _, stopped = told(monkeypatch, "RUNNING")
    assert recovery.recover()["recovered"] == 1
    assert stopped == [quiet.execution_arn]
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]


def test_a_task_that_is_heard_of_is_left_alone(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_task()
    started, stopped = told(monkeypatch, None)
    assert recovery.recover() == {"overdue": 0, "recovered": 0}
    assert (started, stopped) == ([], [])


@pytest.mark.parametrize("status", ["RUNNING", "PENDING", "PAUSED"])
def test_a_task_past_its_deadline_fails_and_says_so(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = %s, deadline = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))", status)
    _, stopped = told(monkeypatch, "RUNNING")
    assert recovery.recover()["overdue"] == 1
    (row,) = sql("SELECT status, error_code FROM tasks")
    assert row == {"status": "FAILED", "error_code": "deadline_exceeded"}
    assert stopped == [task.execution_arn]


def test_late_news_of_a_dead_execution_does_not_fail_the_task_that_waits_for_its_last_attempt(
    running_task: Running, sql: Sql
) -> None:
    task = running_task()
    sql("UPDATE tasks SET retries = 2")
    error = TaskError("provider_unavailable", "away")
    assert closing.close(task.task_id, 1, Outcome(error=error))
    assert not closing.close_dead(task.execution_arn or "", task.task_id, 1, error)
    assert not closing.close_dead(task.execution_arn or "", task.task_id, 1, TaskError("bad_answer", "no"))
    assert sql("SELECT status, retries FROM tasks") == [{"status": "PENDING", "retries": 3}]


def test_step_functions_away_changes_nothing(quiet: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(arn: str) -> None:
        raise WorkflowUnavailable

    monkeypatch.setattr(workflows, "describe", away)
    assert recovery.recover()["recovered"] == 0
    assert sql("SELECT status FROM tasks") == [{"status": "RUNNING"}]


def test_the_end_of_a_part_of_an_execution_does_not_close_the_task(running_task: Running, sql: Sql) -> None:
    task = running_task()
    error = TaskError("Execution.FAILED", "a child of a distributed map")
    assert not closing.close_dead(f"{task.execution_arn}/map:child", task.task_id, 1, error)
    assert sql("SELECT status FROM tasks") == [{"status": "RUNNING"}]
    assert closing.close_dead(task.execution_arn or "", task.task_id, 1, error)
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]
