"""The task core's other functions, by the sample events in `events/` made to fit a real task.

(dispatch_tasks, update_progress, close_task, fail_step, recover_tasks, migrate)
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from database import schema
from longhaul.aws import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.calling import call, records, sample
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


def test_dispatch_tasks_starts_what_a_hint_or_the_clock_says(database: dict[str, Any], sql: Sql) -> None:
    for _ in range(2):
        submit(Submission("acme", "ada", "hospital_province_refresh", {"province": "广东省"}))
    assert call("tasks", "dispatch_tasks", sample("tasks", "dispatch_tasks")) == {"batchItemFailures": []}
    assert sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'RUNNING'") == [{"n": 2}]
    assert call("tasks", "dispatch_tasks", sample("tasks", "recover_tasks")) == {"started": 0}


def test_dispatch_tasks_reports_a_hint_it_cannot_read_and_ignores_an_unknown_kind(database: dict[str, Any]) -> None:
    answer = call("tasks", "dispatch_tasks", records("not json", {"kind": "gone_kind"}))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_update_progress_takes_the_same_message_three_times(running_task: Running, sql: Sql) -> None:
    task = running_task()
    failing = sample("tasks", "fail_step") | {"task_id": task.task_id, "attempt": 1}
    assert call("tasks", "fail_step", failing) == {"failed": True}
    told = {"task_id": task.task_id, "attempt": 1, "level": "district", "label": "越秀区"}
    assert call("tasks", "update_progress", records(told, told, told, "{}")) == {
        "batchItemFailures": [{"itemIdentifier": "m3"}]
    }
    assert sql("SELECT steps_done FROM tasks") == [{"steps_done": 1}]


def test_fail_step_names_the_step_and_its_error(running_task: Running, sql: Sql) -> None:
    task = running_task()
    event = sample("tasks", "fail_step") | {"task_id": task.task_id, "attempt": 1}
    call("tasks", "fail_step", event)
    call("tasks", "fail_step", event)
    (row,) = sql("SELECT step_key, status, error_code, error_message FROM task_steps")
    assert row == {
        "step_key": "district/440104",
        "status": "FAILED",
        "error_code": "bad_answer",
        "error_message": "the answer is not JSON",
    }


def test_close_task_ends_a_task_once(running_task: Running, sql: Sql) -> None:
    task = running_task()
    event = sample("tasks", "close_task") | {"task_id": task.task_id, "attempt": 1}
    assert call("tasks", "close_task", event) == {"closed": True}
    assert call("tasks", "close_task", event) == {"closed": False}
    assert sql("SELECT status, progress FROM tasks") == [{"status": "SUCCEEDED", "progress": 100}]


def test_close_task_names_the_steps_that_failed(running_task: Running, sql: Sql) -> None:
    task = running_task()
    call("tasks", "fail_step", sample("tasks", "fail_step") | {"task_id": task.task_id, "attempt": 1})
    error = {"Error": "TooManyFailures", "Cause": json.dumps({"errorMessage": "1 of 1 failed"})}
    event = {"task_id": task.task_id, "attempt": 1, "outcome": "FAILED", "error": error}
    assert call("tasks", "close_task", event) == {"closed": True}
    (row,) = sql("SELECT status, error_code, error_message, statistics FROM tasks")
    assert (row["status"], row["error_code"], row["error_message"]) == ("FAILED", "too_many_failures", "1 of 1 failed")
    assert json.loads(row["statistics"])["failed"][0]["key"] == "district/440104"


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_close_task_hears_of_a_dead_execution(running_task: Running, sql: Sql, status: str) -> None:
    task = running_task()
    detail = {
        "executionArn": task.execution_arn,
        "status": status,
        "input": json.dumps({"task_id": task.task_id, "attempt": 1}),
    }
    event = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}
    assert call("tasks", "close_task", event) == {"closed": True}
    assert sql("SELECT status, error_code FROM tasks") == [{"status": "PENDING", "error_code": f"Execution.{status}"}]


def test_recover_tasks_has_nothing_to_do(database: dict[str, Any]) -> None:
    assert call("tasks", "recover_tasks", sample("tasks", "recover_tasks")) == {"overdue": 0, "recovered": 0}


def test_recover_tasks_looks_at_a_task_just_started_only_when_all_else_was_started_anew(
    running_task: Running, sql: Sql
) -> None:
    task = running_task()
    sql("UPDATE tasks SET execution_arn = CONCAT(execution_arn, '-forgotten')")
    assert call("tasks", "recover_tasks", sample("tasks", "recover_tasks")) == {"overdue": 0, "recovered": 0}
    assert call("tasks", "recover_tasks", {"restarted": True}) == {"overdue": 0, "recovered": 1}
    assert workflows.describe(f"{task.execution_arn}-forgotten") is not None


def test_migrate_twice_applies_nothing_and_keeps_the_lanes(database: dict[str, Any], sql: Sql) -> None:
    sql("UPDATE lanes SET max_concurrent = 9")
    assert call("database", "migrate", {}) == {"applied": []}
    assert {row["max_concurrent"] for row in sql("SELECT max_concurrent FROM lanes")} == {9}


def test_migrate_goes_on_after_a_migration_that_was_killed(database: dict[str, Any], sql: Sql) -> None:
    # The first was killed before any migration was noted, and left the lock that yoyo keeps as a row.
    sql("DELETE FROM _yoyo_migration WHERE migration_id <> '0007_baseline'")
    sql("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, UTC_TIMESTAMP(), 1)")
    assert call("database", "migrate", {}) == {"applied": sorted(path.stem for path in schema.MIGRATIONS.glob("*.sql"))}
    assert sql("SELECT COUNT(*) AS n FROM provinces") == [{"n": 34}]


def test_a_function_reads_no_settings_that_it_does_not_require(database: dict[str, Any]) -> None:
    from longhaul import settings
    from tasks import fail_step
    from tests.deployed import deployed

    with deployed(fail_step):
        assert settings.of(settings.ProgressQueue).progress_queue_url
        with pytest.raises(settings.SettingsError, match=r"tasks.fail_step reads \['live_table'\]: add settings.Live"):
            settings.of(settings.Live)


def test_a_task_whose_workflow_is_away_waits_for_its_next_attempt(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dispatcher does then, it may do: it requires the settings for it."""
    running_task()
    sql("UPDATE tasks SET status = 'PENDING'")

    def away(*_: Any) -> None:
        raise WorkflowUnavailable("Step Functions is away")

    monkeypatch.setattr(workflows, "start", away)
    assert call("tasks", "dispatch_tasks", sample("tasks", "recover_tasks")) == {"started": 1}
    assert sql("SELECT status, attempt, error_code FROM tasks") == [
        {"status": "PENDING", "attempt": 2, "error_code": "workflow_unavailable"}
    ]
