"""Waiting and working are told apart: when a step was taken, how often, and that none runs when its task does not."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import TaskStopped
from longhaul.tasks import lifecycle, listing, recovery, steps, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import StepRow, StepStatus, Task, TaskError, Transition
from longhaul.tasks.steps import PlannedStep, Step, step
from tests.gateway import Api

type Row = dict[str, Any]
type Sql = Callable[..., list[Row]]
type Running = Callable[..., Task]

CITY, DISTRICT = PlannedStep("city/440100", "city", "广州市"), PlannedStep("district/440103", "district", "荔湾区")
ERROR = TaskError("provider_unavailable", "the provider is away")
TIMES = "SELECT status, attempt, attempts, started_at, finished_at FROM task_steps"


@pytest.fixture
def task(running_task: Running) -> Task:
    """A RUNNING task with two steps planned."""
    made = running_task()
    with longhaul_database.connection() as session:
        steps.plan_steps(session, made.task_id, 1, [CITY, DISTRICT])
    return made


def take(task: Task, planned: PlannedStep = DISTRICT, attempt: int = 1) -> Step:
    """A worker takes the step; what becomes of the worker is the test's."""
    run = Step(task.task_id, attempt, planned)
    run.begin()
    return run


def find(task: Task, status: StepStatus | None = None) -> dict[str, StepRow]:
    found, _ = listing.find_steps(task.task_id, "acme", level=None, status=status, after="", limit=10)
    return {row.key: row for row in found}


def again(task: Task, sql: Sql) -> None:
    """The next attempt starts."""
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    assert dispatch([task.kind]) == 1


def test_a_step_that_was_taken_runs_and_one_that_was_not_waits(task: Task) -> None:
    run = take(task)
    waiting, running = find(task).values()
    assert (waiting.status, waiting.attempts, waiting.started_at) == (StepStatus.PENDING, 0, None)
    assert (running.status, running.attempts, running.duration_seconds) == (StepStatus.RUNNING, 1, None)
    assert running.started_at is not None
    assert (running.label, running.level) == (DISTRICT.label, DISTRICT.level)

    run.complete({}, units=3)
    done = find(task)[DISTRICT.key]
    assert (done.status, done.attempts, done.started_at) == (StepStatus.SUCCEEDED, 1, running.started_at)
    assert done.finished_at is not None
    assert done.duration_seconds == (done.finished_at - running.started_at).total_seconds() >= 0


def test_a_filter_by_status_tells_running_from_pending(task: Task) -> None:
    take(task)
    assert {status: [*find(task, status)] for status in StepStatus} == {
        StepStatus.PENDING: [CITY.key],
        StepStatus.RUNNING: [DISTRICT.key],
        StepStatus.SUCCEEDED: [],
        StepStatus.FAILED: [],
    }


def test_the_api_shows_when_a_step_started_how_long_it_took_and_its_tries(task: Task) -> None:
    place = f"/api/v1/tasks/{quote(task.task_id)}/steps"
    take(task, CITY)
    take(task).complete({}, units=2)
    city, district = Api().get(place)["items"]
    assert (city["status"], city["attempts"]) == ("RUNNING", 1)
    assert (city["finished_at"], city["duration_seconds"]) == (None, None)
    assert (district["status"], district["attempts"]) == ("SUCCEEDED", 1)
    assert city["started_at"] <= district["started_at"] <= district["finished_at"]
    assert district["duration_seconds"] >= 0
    assert [item["key"] for item in Api().get(place, "status=RUNNING")["items"]] == [CITY.key]


def test_a_step_whose_worker_was_killed_is_taken_again_and_its_tries_are_counted(task: Task, sql: Sql) -> None:
    take(task)
    sql("UPDATE task_steps SET started_at = TIMESTAMPADD(SECOND, -1, started_at)")  # an engine's clock has its grain
    first = find(task)[DISTRICT.key]
    take(task).complete({})
    second = find(task)[DISTRICT.key]
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.started_at is not None
    assert second.started_at is not None
    assert first.started_at < second.started_at


def test_a_step_that_is_done_is_not_taken(task: Task, sql: Sql) -> None:
    take(task).complete({"hospitals": 3})
    before = sql(TIMES)
    run = take(task)
    assert (run.done, run.output) == (True, {"hospitals": 3})
    assert sql(TIMES) == before


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("change", ["attempt = 2", "status = 'PAUSED'", "status = 'PENDING'", "status = 'FAILED'"])
def test_a_task_that_runs_this_attempt_no_longer_has_no_step_taken(
    running_task: Running, sql: Sql, planned: bool, change: str
) -> None:
    task = running_task()
    if planned:
        with longhaul_database.connection() as session:
            steps.plan_steps(session, task.task_id, 1, [DISTRICT])
    before = sql(TIMES)
    sql(f"UPDATE tasks SET {change}")
    with pytest.raises(TaskStopped):
        take(task)
    assert sql(TIMES) == before


def test_a_step_of_another_task_is_not_taken(task: Task, running_task: Running) -> None:
    other = running_task(province="海南省")
    take(other)
    assert find(task)[DISTRICT.key].status == StepStatus.PENDING
    assert find(other)[DISTRICT.key].status == StepStatus.RUNNING


@pytest.mark.parametrize("transition", ["pause", "cancel", "requeue", "fail", "expire", "succeed"])
def test_no_step_runs_while_its_task_does_not(task: Task, transition: str) -> None:
    take(task)
    match transition:
        case "pause":
            lifecycle.pause(task.task_id, "acme")
        case "cancel":
            lifecycle.cancel(task.task_id, "acme")
        case "requeue":
            lifecycle.requeue(task, ERROR)
        case "fail":
            lifecycle.finish(task, Transition.FAIL, Outcome(error=ERROR))
        case "expire":
            lifecycle.finish(task, Transition.EXPIRE, Outcome(error=ERROR))
        case "succeed":
            lifecycle.close(task.task_id, 1, Outcome(result={}))
    step_row = find(task)[DISTRICT.key]
    assert (step_row.status, step_row.started_at, step_row.attempts) == (StepStatus.PENDING, None, 1)


@pytest.mark.parametrize("failed", [False, True])
def test_the_next_attempt_begins_with_no_step_running_and_takes_them_anew(task: Task, sql: Sql, failed: bool) -> None:
    # GIVEN a step that was taken, or has failed, as its attempt died
    take(task)
    if failed:
        steps.fail_step(task.task_id, 1, DISTRICT, ERROR)
    lifecycle.requeue(task, ERROR)

    # WHEN the next attempt starts
    again(task, sql)

    # THEN nothing runs until a worker takes it
    assert find(task)[DISTRICT.key].status == StepStatus.PENDING
    take(task, attempt=2).complete({})
    assert (find(task)[DISTRICT.key].attempt, find(task)[DISTRICT.key].attempts) == (2, 2)


def test_a_task_whose_execution_is_started_again_has_no_step_running(task: Task) -> None:
    take(task)
    assert longhaul_database.run_transaction(lambda tx: store.restart(tx, task, recovery.GONE))
    assert find(task)[DISTRICT.key].status == StepStatus.PENDING
    take(task)
    assert find(task)[DISTRICT.key].status == StepStatus.RUNNING


def test_a_restart_keeps_the_times_of_what_has_ended(task: Task, sql: Sql) -> None:
    take(task).complete({})
    take(task, CITY)
    steps.fail_step(task.task_id, 1, CITY, ERROR)
    before = sql(TIMES)
    longhaul_database.run_transaction(lambda tx: store.restart(tx, task, recovery.GONE))
    assert sql(TIMES) == before


def test_a_failed_step_that_a_twin_takes_stays_failed_until_the_twin_finishes_it(task: Task, sql: Sql) -> None:
    take(task)
    steps.fail_step(task.task_id, 1, DISTRICT, ERROR)
    failed = find(task)[DISTRICT.key]
    assert failed.duration_seconds is not None
    sql("UPDATE task_steps SET finished_at = TIMESTAMPADD(SECOND, -1, finished_at)")  # so that the twin comes later
    twin = take(task)
    assert (find(task)[DISTRICT.key].status, find(task)[DISTRICT.key].duration_seconds) == (StepStatus.FAILED, None)
    twin.complete({})
    assert find(task)[DISTRICT.key].status == StepStatus.SUCCEEDED


def test_a_step_that_no_worker_began_has_no_duration(task: Task) -> None:
    """Such as one whose function could not be started, or one that the version before finished."""
    steps.fail_step(task.task_id, 1, DISTRICT, ERROR)
    row = find(task)[DISTRICT.key]
    assert (row.status, row.attempts, row.started_at, row.duration_seconds) == (StepStatus.FAILED, 0, None, None)


def test_progress_counts_a_running_step_as_one_to_come(task: Task) -> None:
    with longhaul_database.connection() as session:
        before = steps.count_steps(session, task.task_id)
        take(task)
        assert steps.count_steps(session, task.task_id) == before


@pytest.mark.parametrize(
    ("planned", "done", "ran"),
    [(True, False, ["begin_step"]), (False, False, ["begin_step"]), (True, True, ["begin_step", "read_step"])],
)
def test_taking_a_step_costs_one_statement(
    running_task: Running, statements: list[str], planned: bool, done: bool, ran: list[str]
) -> None:
    task = running_task()
    if planned:
        with longhaul_database.connection() as session:
            steps.plan_steps(session, task.task_id, 1, [DISTRICT])
    if done:
        take(task).complete({})
    statements.clear()
    take(task)
    assert statements == ran


def test_a_twin_that_finds_it_lost_is_no_try(task: Task, sql: Sql) -> None:
    with step(task.task_id, 1, key=DISTRICT.key, level=DISTRICT.level, label=DISTRICT.label) as slow:
        take(task).complete({"by": "fast"})
        slow.complete({"by": "slow"})
        assert slow.output == {"by": "fast"}
    assert sql("SELECT attempts FROM task_steps WHERE step_key = %s", DISTRICT.key) == [{"attempts": 2}]
