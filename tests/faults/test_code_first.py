"""Code-first workloads whose workers die: while they plan, while they run steps, and again at the same one."""

from typing import Any

from local.running import RunningStack, eventually
from tests.observation import Observer

KILLS = 4


def submit(observer: Observer, **params: Any) -> str:
    return str(observer.post("/api/v1/tasks", {"kind": "waiting", "params": params})["task_id"])


def items(observer: Observer, task_id: str) -> list[dict[str, Any]]:
    return observer.sql(
        "SELECT step_key, status, ordinal, tries, attempts, error_message FROM task_steps"
        " WHERE task_id = %s AND level = 'work' AND ordinal > 0 ORDER BY ordinal",
        task_id,
    )


def test_workers_that_die_at_their_steps_lose_nothing(observer: Observer, stack: RunningStack) -> None:
    # GIVEN items that take a moment, in batches, whose step is tried once again when its worker has died
    task_id = submit(observer, items=24, seconds=0.3)

    # WHEN workers are killed in the middle of a batch
    for _ in range(KILLS):
        eventually(lambda: stack.kill_worker("RunStep", busy=True))
    task = observer.ended(task_id, 180)

    # THEN what was done is done once; an item may have failed only because its worker died at it, and says so
    rows = items(observer, task_id)
    assert len(rows) == 24
    died = [row for row in rows if row["status"] == "FAILED"]
    assert len(died) <= KILLS
    assert all("its worker died" in row["error_message"] for row in died)
    if died:
        assert (task["status"], task["error"]["code"]) == ("FAILED", "too_many_failures")
        assert observer.steer(task_id, "retry").status == 200
        eventually(lambda: observer.read(task_id)["status"] == "SUCCEEDED", 120)
    assert {row["status"] for row in items(observer, task_id)} == {"SUCCEEDED"}


def test_a_planner_that_dies_half_way_plans_each_item_once(observer: Observer, stack: RunningStack) -> None:
    # GIVEN a plan of many rows
    task_id = submit(observer, items=10_000)

    # WHEN its worker dies when some rows are there
    eventually(lambda: items(observer, task_id), pause=0.01)
    eventually(lambda: stack.kill_worker("PlanStage"), pause=0.01)
    eventually(lambda: _is_planned(observer, task_id), 180)

    # THEN the next one has planned them all, once and in order
    rows = items(observer, task_id)
    assert [row["ordinal"] for row in rows] == list(range(1, 10_001))
    assert [row["step_key"] for row in rows] == [f"work/{number:06d}" for number in range(10_000)]
    assert observer.cancel(task_id).status == 200


def _is_planned(observer: Observer, task_id: str) -> bool:
    found = observer.sql("SELECT status FROM task_steps WHERE task_id = %s AND step_key = 'work'", task_id)
    return bool(found) and found[0]["status"] == "SUCCEEDED"
