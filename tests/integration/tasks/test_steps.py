"""Steps are done once: twins, late workers, fences and rollbacks on a real engine."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.database import Session, connections
from longhaul.errors import TaskStopped
from longhaul.tasks import lanes as lane_store
from longhaul.tasks import lifecycle, steps
from longhaul.tasks.model import StepStatus, Task, TaskError
from longhaul.tasks.steps import PlannedStep, Step, step

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]

DISTRICT = PlannedStep("district/440103", "district", "荔湾区")


def open_step(task: Task, attempt: int = 1) -> Any:
    return step(task.task_id, attempt, key=DISTRICT.key, level=DISTRICT.level, label=DISTRICT.label)


def test_a_step_runs_once_and_remembers_its_output(running_task: Running, sent: Sent) -> None:
    task = running_task()
    with open_step(task) as first:
        assert not first.done
        first.complete({"hospitals": 18}, units=18)
    with open_step(task) as again:
        assert again.done
        assert again.output == {"hospitals": 18}
    # Announced both times: the first worker may have died between its commit and its message.
    assert [event["label"] for event in sent("progress")] == ["荔湾区", "荔湾区"]


def test_a_step_that_fails_midway_leaves_nothing(running_task: Running, sql: Sql, sent: Sent) -> None:
    task = running_task()

    def save(tx: Session) -> None:
        steps.plan_steps(tx, task.task_id, 1, [PlannedStep("district/440104", "district", "越秀区")])
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError), open_step(task) as run:
        run.complete({}, save=save)
    assert [(row["step_key"], row["status"]) for row in sql("SELECT * FROM task_steps")] == [(DISTRICT.key, "PENDING")]
    assert sent("progress") == []


def test_a_twin_that_is_slower_changes_nothing(running_task: Running, sql: Sql) -> None:
    task = running_task()
    with open_step(task) as slow:
        with open_step(task) as fast:
            fast.complete({"by": "fast"}, units=1)
        slow.complete({"by": "slow"}, units=2, save=lambda tx: lane_store.create_lane(tx, "by_the_slow_one", 1, 1))
        assert slow.output == {"by": "fast"}
    assert sql("SELECT units FROM task_steps") == [{"units": 1}]
    assert sql("SELECT * FROM lanes WHERE kind = 'by_the_slow_one'") == []


def test_many_twins_at_once_have_one_winner(running_task: Running, sql: Sql) -> None:
    task = running_task()
    barrier = threading.Barrier(6)
    won: list[int] = []

    def work(number: int) -> None:
        with open_step(task) as run:  # each thread has a connection of its own
            barrier.wait()
            run.complete({"by": number}, units=number)
        if run.completed:
            won.append(number)
        longhaul_database.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(won) == 1
    assert sql("SELECT units FROM task_steps") == [{"units": won[0]}]


def test_no_step_starts_after_a_cancel_and_a_late_worker_changes_nothing(running_task: Running, sql: Sql) -> None:
    task = running_task()
    with pytest.raises(TaskStopped), open_step(task) as late:
        lifecycle.cancel(task.task_id, "acme")
        late.complete({"late": True}, save=lambda tx: lane_store.create_lane(tx, "too_late", 1, 1))
    with pytest.raises(TaskStopped), open_step(task):
        pytest.fail("a step of a cancelled task began")
    assert sql("SELECT status FROM task_steps") == [{"status": "PENDING"}]
    assert sql("SELECT * FROM lanes WHERE kind = 'too_late'") == []


def test_an_older_attempt_is_fenced_off(running_task: Running, sql: Sql) -> None:
    task = running_task()
    with pytest.raises(TaskStopped), open_step(task) as old:
        sql("UPDATE tasks SET attempt = 2")
        old.complete({"old": True})
    with open_step(task, attempt=2) as new:
        new.complete({"new": True})
    assert new.output == {"new": True}


@pytest.mark.parametrize("failed", [False, True])
def test_a_step_says_which_attempt_finished_it(running_task: Running, sql: Sql, failed: bool) -> None:
    # GIVEN a step that was planned by the first attempt
    task = running_task()
    with longhaul_database.connection() as session:
        steps.plan_steps(session, task.task_id, 1, [DISTRICT])
    assert sql("SELECT attempt FROM task_steps") == [{"attempt": 1}]

    # WHEN the second finishes it, or gives it up
    sql("UPDATE tasks SET attempt = 2")
    if failed:
        assert steps.fail_step(task.task_id, 2, DISTRICT, TaskError("bad_answer", "no"))
    else:
        with open_step(task, attempt=2) as run:
            run.complete({})

    # THEN the step says so
    assert sql("SELECT attempt FROM task_steps") == [{"attempt": 2}]


@pytest.mark.parametrize("change", ["attempt = 2", "status = 'PAUSED'"])
def test_the_finishing_update_alone_fences_an_attempt_that_the_task_runs_no_longer(
    running_task: Running, sql: Sql, change: str
) -> None:
    task = running_task()
    with longhaul_database.connection() as session:
        steps.plan_steps(session, task.task_id, 1, [DISTRICT])
        sql(f"UPDATE tasks SET {change}")
        for status in StepStatus.SUCCEEDED, StepStatus.FAILED:
            assert not steps.finish_step(session, task.task_id, 1, DISTRICT.key, status=status)
    assert sql("SELECT status FROM task_steps") == [{"status": "PENDING"}]


def test_a_failed_step_is_named_and_a_finished_one_stays_finished(running_task: Running, sql: Sql) -> None:
    task = running_task()
    error = TaskError("bad_answer", "词" * 3000)
    assert steps.fail_step(task.task_id, 1, DISTRICT, error)
    assert sql("SELECT status, CHAR_LENGTH(error_message) AS length FROM task_steps") == [
        {"status": "FAILED", "length": 2000}
    ]
    with open_step(task) as run:
        run.complete({"hospitals": 2}, units=2)
    assert not steps.fail_step(task.task_id, 1, DISTRICT, error)
    assert sql("SELECT status, error_message FROM task_steps") == [{"status": "SUCCEEDED", "error_message": None}]


def test_planning_is_one_statement_and_repeating_it_changes_nothing(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    statements: list[str] = []
    query = connections.Connection.query
    monkeypatch.setattr(
        connections.Connection, "query", lambda self, sql, *a: statements.append(sql) or query(self, sql, *a)
    )
    planned = [PlannedStep(f"district/{code}", "district", "区") for code in range(440100, 440222)]
    for _ in range(2):
        longhaul_database.run_transaction(lambda tx: steps.plan_steps(tx, task.task_id, 1, planned))
    assert [text.split()[0] for text in statements].count("INSERT") == 2
    assert sql("SELECT COUNT(*) AS steps FROM task_steps") == [{"steps": 122}]


def test_a_step_costs_three_statements_and_its_frame(running_task: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    task = running_task()
    with longhaul_database.connection() as session:
        steps.plan_steps(session, task.task_id, 1, [DISTRICT])
    ran: list[str] = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, name, *a, **k: ran.append(name) or run(self, name, *a, **k))
    with open_step(task) as working:
        working.complete({}, save=lambda tx: lane_store.create_lane(tx, "domain_statement", 1, 1))
    assert ran == ["begin_step", "create_lane", "finish_step"]


def test_a_step_object_of_a_task_that_is_not_there_stops(database: dict[str, Any]) -> None:
    with pytest.raises(TaskStopped):
        Step("none", 1, DISTRICT).begin()
