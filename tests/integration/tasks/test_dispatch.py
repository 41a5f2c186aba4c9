"""Lanes hold, whoever dispatches; a start that fails or is repeated starts one execution."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from longhaul import database as longhaul_database
from longhaul.aws import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.tasks import lifecycle, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Priority, Status, Task, TaskError
from longhaul.tasks.submission import Submission
from tests.calling import at_once
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]

KIND = "hospital_province_refresh"


def submit_one(priority: Priority = Priority.normal, tenant_id: str = "acme") -> Task:
    return submit(Submission(tenant_id, "ada", KIND, {"province": "广东省"}, priority=priority))


def input_of(execution_arn: str | None) -> dict[str, Any]:
    described = boto3.client("stepfunctions").describe_execution(executionArn=execution_arn or "")
    found: dict[str, Any] = json.loads(described["input"])
    return found


def running(sql: Sql) -> int:
    return int(sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'RUNNING'")[0]["n"])


def test_a_lane_is_never_exceeded_by_dispatchers_that_race(database: dict[str, Any], sql: Sql) -> None:
    for _ in range(12):
        submit_one()
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        dispatch([KIND])

    at_once(4, race)
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
        lifecycle.close(row["task_id"], row["attempt"], Outcome(result={}))
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
    lifecycle.start_execution(task)
    lifecycle.start_execution(task)
    states = boto3.client("stepfunctions")
    machine = (task.execution_arn or "").rpartition(":")[0].replace(":execution:", ":stateMachine:")
    runs = states.list_executions(stateMachineArn=machine)["executions"]
    name = (task.execution_arn or "").rpartition(":")[2]
    assert re.fullmatch(rf"{task.id}-1-[0-9a-f]{{16}}", name)
    assert [run["name"] for run in runs].count(name) == 1


def test_a_task_of_a_database_made_anew_gets_an_execution_of_its_own(running_task: Running, sql: Sql) -> None:
    # GIVEN an execution that Step Functions remembers, of a row that is there no more
    before = running_task()
    sql("DELETE FROM tasks")

    # WHEN another task gets that row's id and is started for the first time
    after = submit_one()
    sql("UPDATE tasks SET id = %s", before.id)
    assert dispatch([KIND]) == 1

    # THEN its execution is another one, which works on it
    (row,) = sql("SELECT id, status, attempt, execution_arn FROM tasks")
    assert (row["id"], row["status"], row["attempt"]) == (before.id, "RUNNING", 1)
    assert row["execution_arn"] != before.execution_arn
    assert input_of(before.execution_arn) == {"task_id": before.task_id, "attempt": 1}
    assert input_of(row["execution_arn"]) == {"task_id": after.task_id, "attempt": 1}


def test_attempts_of_tasks_that_start_together_have_names_of_their_own(database: dict[str, Any], sql: Sql) -> None:
    for _ in range(3):
        submit_one()
    assert dispatch([KIND]) == 3
    names = {row["execution_arn"] for row in sql("SELECT execution_arn FROM tasks")}
    assert len(names) == 3
    first = {name.rpartition("-")[0] for name in names}
    lifecycle.close(sql("SELECT task_id FROM tasks")[0]["task_id"], 1, Outcome(error=TaskError("States.Timeout", "")))
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    dispatch([KIND])
    (again,) = sql("SELECT execution_arn FROM tasks WHERE attempt = 2")
    assert again["execution_arn"].rpartition("-")[0] not in first


@pytest.mark.parametrize("other", ['{"task_id": "another", "attempt": 1}', '{"task_id": "%s", "attempt": 2}', "[]"])
def test_a_name_that_belongs_to_an_execution_with_another_input_is_no_start(
    running_task: Running, sql: Sql, other: str
) -> None:
    # GIVEN an execution with the name of a task's attempt, started with something else
    task = running_task()
    machine, _, name = (task.execution_arn or "").rpartition(":")
    taken = f"{machine}:{name}-taken"
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=machine.replace(":execution:", ":stateMachine:"),
        name=f"{name}-taken",
        input=other.replace("%s", task.task_id),
    )

    # WHEN the attempt is started by that name, THEN it is not taken for started
    with pytest.raises(WorkflowUnavailable, match="belongs to an execution with another input"):
        lifecycle.start_execution(replace(task, execution_arn=taken))

    # AND an attempt whose start so fails waits for the next one, which has another name
    assert lifecycle.requeue(task, TaskError("workflow_unavailable", "the name is taken"))
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]


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
@pytest.mark.parametrize("code", ["stale", "Runtime.ExitError", "Execution.ABORTED", "provider_throttled", "lane_full"])
def test_back_off_doubles_to_a_minute(code: str, retries: int, seconds: int) -> None:
    assert lifecycle.backoff(retries, code) == seconds


@pytest.mark.parametrize(("retries", "seconds"), [(0, 15), (1, 30), (2, 60), (50, 60)])
@pytest.mark.parametrize(
    "code",
    ["Lambda.ResourceNotReadyException", "Lambda.ENILimitReachedException", "aws_unavailable", "database_unavailable"],
)
def test_what_is_away_is_waited_for(code: str, retries: int, seconds: int) -> None:
    assert lifecycle.backoff(retries, code) == seconds


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
        assert lifecycle.close(task.task_id, attempt, Outcome(error=TaskError("provider_unavailable", "away")))
        assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]
        sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
        dispatch([KIND])
    steps = sql("SELECT step_key, status FROM task_steps ORDER BY step_key")
    assert [row["status"] for row in steps] == ["SUCCEEDED", "PENDING"]
    lifecycle.close(task.task_id, 4, Outcome(error=TaskError("provider_unavailable", "away")))
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
    lifecycle.close(tasks[0].task_id, 1, Outcome(result={}))
    assert sent("dispatch") == [{"kind": KIND}]
    assert dispatch([KIND]) == 1
    assert running(sql) == 5
