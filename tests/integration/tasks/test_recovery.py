"""Recovery: executions that are gone, dead or stale, and tasks past their deadline."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from longhaul.aws import workflows
from longhaul.aws.workflows import Attempt
from longhaul.errors import WorkflowUnavailable
from longhaul.tasks import lifecycle, live, recovery
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


@pytest.fixture
def quiet(running_task: Running, sql: Sql) -> Task:
    """A RUNNING task that has not been heard of for an hour."""
    task = running_task()
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6))")
    return task


def history(sql: Sql) -> list[tuple[str, dict[str, Any]]]:
    """What happened, in order, with what is said of it."""
    rows = sql("SELECT event, detail FROM task_events ORDER BY id")
    return [(row["event"], json.loads(row["detail"] or "{}")) for row in rows]


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

    # AND its history says why, and the next sweep finds it neither quiet nor stale
    assert history(sql) == [("started", {}), ("recovered", {"reason": recovery.GONE})]
    assert recovery.recover() == {"overdue": 0, "recovered": 0}


def test_after_a_restart_a_task_that_was_heard_of_just_now_goes_on_at_once(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    live.write(live.item_of(task))
    started, _ = told(monkeypatch, None)
    assert recovery.recover(restarted=True) == {"overdue": 0, "recovered": 1}
    assert started == [task.execution_arn]
    assert history(sql) == [("started", {}), ("recovered", {"reason": recovery.GONE})]


def test_a_restart_leaves_an_execution_that_still_runs_alone(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_task()
    started, stopped = told(monkeypatch, "RUNNING")
    assert recovery.recover(restarted=True) == {"overdue": 0, "recovered": 0}
    assert (started, stopped, history(sql)) == ([], [], [("started", {})])


@pytest.mark.parametrize("change", ["attempt = 2", "status = 'PAUSED'", "status = 'SUCCEEDED'"])
@pytest.mark.parametrize("found", [None, "FAILED", "RUNNING"])
def test_the_attempt_that_recovery_looked_at_is_the_only_one_it_touches(
    quiet: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch, change: str, found: str | None
) -> None:
    # GIVEN a task that moves on while its execution is looked at
    started, stopped = told(monkeypatch, None)

    def describe(arn: str) -> str | None:
        sql(f"UPDATE tasks SET {change}")
        return found

    monkeypatch.setattr(workflows, "describe", describe)

    # WHEN recovery would start it again, close it or give it to its next attempt
    assert recovery.recover() == {"overdue": 0, "recovered": 0}

    # THEN it does nothing
    assert (started, stopped, history(sql)) == ([], [], [("started", {})])
    (row,) = sql("SELECT status, attempt FROM tasks")
    assert f"attempt = {row['attempt']}" == change or f"status = '{row['status']}'" == change


@pytest.mark.parametrize(("attempt", "recovered"), [(1, 0), (0, 1)])
def test_a_stale_task_is_kept_by_a_sign_of_life_of_its_own_attempt_alone(
    quiet: Task, monkeypatch: pytest.MonkeyPatch, attempt: int, recovered: int
) -> None:
    told(monkeypatch, "RUNNING")
    live.overwrite([replace(live.item_of(quiet), attempt=attempt)])
    assert recovery.recover()["recovered"] == recovered


def test_an_attempt_that_goes_back_to_its_lane_says_why(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a task whose attempts come to nothing one after the other, each for another reason
    task = running_task()

    def away(arn: str, attempt: Attempt) -> None:
        raise WorkflowUnavailable("no route to Step Functions")

    def again() -> None:
        sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6)), retries = 0")
        dispatch()
        sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6))")

    lifecycle.close(task.task_id, 1, Outcome(error=TaskError.from_cause("States.Timeout", "")))
    again()
    told(monkeypatch, "RUNNING")
    recovery.recover()
    again()
    told(monkeypatch, "ABORTED")
    recovery.recover()
    monkeypatch.setattr(workflows, "start", away)
    again()

    # THEN each says which, in its history and to who reads the task
    requeued = [detail for event, detail in history(sql) if event == "requeued"]
    assert [(detail["code"], detail["error"]) for detail in requeued] == [
        ("States.Timeout", "States.Timeout"),
        ("stale", "nothing has been heard of it for 1200 s"),
        ("Execution.ABORTED", "the execution ended as ABORTED and left the task running"),
        ("workflow_unavailable", "no route to Step Functions"),
    ]
    assert all(detail["delay_seconds"] > 0 for detail in requeued)
    assert sql("SELECT error_code, error_message FROM tasks") == [
        {"error_code": "workflow_unavailable", "error_message": "no route to Step Functions"}
    ]


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
    assert lifecycle.close(task.task_id, 1, Outcome(error=error))
    assert not lifecycle.close(task.task_id, 1, Outcome(error=error), execution_arn=task.execution_arn or "")
    assert not lifecycle.close(
        task.task_id, 1, Outcome(error=TaskError("bad_answer", "no")), execution_arn=task.execution_arn or ""
    )
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
    assert not lifecycle.close(task.task_id, 1, Outcome(error=error), execution_arn=f"{task.execution_arn}/map:child")
    assert sql("SELECT status FROM tasks") == [{"status": "RUNNING"}]
    assert lifecycle.close(task.task_id, 1, Outcome(error=error), execution_arn=task.execution_arn or "")
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]
