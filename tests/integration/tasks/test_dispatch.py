"""Lanes hold, whoever dispatches; a start that fails or is repeated starts one execution."""

import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from longhaul import database as longhaul_database
from longhaul import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.tasks import closing, executions, retrying, store
from longhaul.tasks.closing import Outcome
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Priority, Status, Task, TaskError
from longhaul.tasks.submission import Submission, submit

type Sql = Callable[..., list[dict[str, Any]]]

KIND = "hospital_province_refresh"


def submit_one(priority: Priority = Priority.normal, tenant_id: str = "acme") -> Task:
    return submit(Submission(tenant_id, "ada", KIND, {"province": "广东省"}, priority=priority))


def running(sql: Sql) -> int:
    return int(sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'RUNNING'")[0]["n"])


def test_a_lane_is_never_exceeded_by_dispatchers_that_race(database: dict[str, Any], sql: Sql) -> None:
    for _ in range(12):
        submit_one()
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        dispatch([KIND])
        longhaul_database.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert running(sql) == 5
    assert sql("SELECT COUNT(*) AS n FROM task_events WHERE event = 'started'") == [{"n": 5}]


def test_the_more_urgent_go_first_then_the_older(database: dict[str, Any], sql: Sql) -> None:
    sql("UPDATE lanes SET max_concurrent = 1")
    order = [submit_one(p) for p in (Priority.low, Priority.normal, Priority.urgent, Priority.normal)]
    started = []
    for _ in order:
        dispatch([KIND])
        (row,) = sql("SELECT task_id, attempt FROM tasks WHERE status = 'RUNNING'")
        started.append(row["task_id"])
        closing.close(row["task_id"], row["attempt"], Outcome(result={}))
    assert started == [order[i].task_id for i in (2, 1, 3, 0)]


def test_a_paused_lane_and_a_task_whose_time_has_not_come_wait(database: dict[str, Any], sql: Sql) -> None:
    submit_one()
    sql("UPDATE lanes SET paused = TRUE")
    assert dispatch([KIND]) == 0
    sql("UPDATE lanes SET paused = FALSE")
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6))")
    assert dispatch([KIND]) == 0
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    assert dispatch([KIND]) == 1


def test_an_attempt_starts_one_execution_however_often_it_is_started(
    running_task: Callable[..., Task],
) -> None:
    task = running_task()
    executions.start(task)
    executions.start(task)
    states = boto3.client("stepfunctions")
    machine = (task.execution_arn or "").rpartition(":")[0].replace(":execution:", ":stateMachine:")
    runs = states.list_executions(stateMachineArn=machine)["executions"]
    assert [run["name"] for run in runs].count(f"{task.id}-1") == 1
    assert (task.execution_arn or "").isascii()


def test_a_start_that_fails_goes_back_to_the_queue_with_back_off(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise WorkflowUnavailable("no route")

    task = submit_one()
    monkeypatch.setattr(workflows, "start", refuse)
    dispatch([KIND])
    (row,) = sql("SELECT * FROM tasks")
    assert (row["status"], row["attempt"], row["retries"], row["error_code"]) == (
        "PENDING",
        1,
        1,
        "workflow_unavailable",
    )
    assert row["run_after"] > row["updated_at"]
    assert [event["event"] for event in sql("SELECT event FROM task_events ORDER BY id")] == ["started", "requeued"]
    assert task.task_id == row["task_id"]


@pytest.mark.parametrize(("retries", "seconds"), [(0, 1), (1, 2), (5, 32), (6, 60), (50, 60)])
def test_back_off_doubles_to_a_minute(retries: int, seconds: int) -> None:
    assert retrying.backoff(retries) == seconds


def test_a_transient_failure_gets_three_more_attempts_and_keeps_its_steps(
    running_task: Callable[..., Task], sql: Sql
) -> None:
    task = running_task()
    sql(
        "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, created_at) VALUES"
        " (%s, 'city/440100', 'city', '广州市', 'SUCCEEDED', 1, UTC_TIMESTAMP(6)),"
        " (%s, 'city/440200', 'city', '韶关市', 'FAILED', 1, UTC_TIMESTAMP(6))",
        task.task_id,
        task.task_id,
    )
    for attempt in (1, 2, 3):
        assert closing.close(task.task_id, attempt, Outcome(error=TaskError("provider_unavailable", "away")))
        assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]
        sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
        dispatch([KIND])
    steps = sql("SELECT step_key, status FROM task_steps ORDER BY step_key")
    assert [row["status"] for row in steps] == ["SUCCEEDED", "PENDING"]
    closing.close(task.task_id, 4, Outcome(error=TaskError("provider_unavailable", "away")))
    with longhaul_database.connection() as session:
        ended = store.fetch(session, task.task_id)
    assert ended is not None
    assert (ended.status, ended.error) == (Status.FAILED, TaskError("provider_unavailable", "away"))


def test_a_full_lane_frees_one_place_when_a_task_ends(
    database: dict[str, Any], sql: Sql, sent: Callable[[str], list[dict[str, Any]]]
) -> None:
    tasks = [submit_one() for _ in range(6)]
    dispatch([KIND])
    sent("dispatch")
    closing.close(tasks[0].task_id, 1, Outcome(result={}))
    assert sent("dispatch") == [{"kind": KIND}]
    assert dispatch([KIND]) == 1
    assert running(sql) == 5
