"""Code-first workloads, run in this process on a real database: what a step returns, fails, waits for, and survives."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from longhaul import database, testing
from longhaul.errors import InvalidRequest, PermanentError, ProviderUnavailable
from longhaul.tasks import lifecycle
from longhaul.testing import Fail, Kill, Twice
from longhaul.workloads import Item, Later, StepContext, TaskContext, Workload, store


class Numbers(BaseModel):
    numbers: list[int] = Field(max_length=100_001)


def doubling(name: str = "double_numbers", **options: Any) -> Workload[Numbers]:
    """Doubles each number."""
    workload = Workload(name, params=Numbers, **options)

    @workload.stage
    def numbers(task: TaskContext[Numbers]) -> Iterable[Item]:
        for number in task.params.numbers:
            yield Item(f"n/{number:03d}", input={"number": number})

    @numbers.step(retries=2)
    def double(step: StepContext[Numbers]) -> dict[str, Any]:
        if step.input["number"] < 0:
            raise PermanentError("negative")
        return {"doubled": 2 * step.input["number"]}

    return workload


def test_a_stage_runs_its_items_and_keeps_their_order() -> None:
    run = testing.run(doubling(batch=3), {"numbers": [3, 1, 2, 9]})
    assert run.status == "SUCCEEDED"
    assert list(run.outputs.items()) == [
        ("n/003", {"doubled": 6}),
        ("n/001", {"doubled": 2}),
        ("n/002", {"doubled": 4}),
        ("n/009", {"doubled": 18}),
    ]
    assert run.result == {"items": 4, "failed": 0}
    assert run.task.progress == 100


def test_one_function_is_a_workload() -> None:
    hello: Workload[Numbers] = Workload(
        "say_hello", params=Numbers, title=lambda params: f"{len(params.numbers)} numbers"
    )

    @hello.step
    def greet(step: StepContext[Numbers]) -> dict[str, Any]:
        return {"sum": sum(step.params.numbers)}

    @hello.result
    def result(task: TaskContext[Numbers]) -> dict[str, Any]:
        return next(task.outputs("greet")).output

    run = testing.run(hello, {"numbers": [1, 2]})
    assert (run.status, run.result, run.task.title) == ("SUCCEEDED", {"sum": 3}, "2 numbers")


def test_nothing_planned_is_nothing_to_do() -> None:
    run = testing.run(doubling(), {"numbers": []})
    assert (run.status, run.result) == ("SUCCEEDED", {"items": 0, "failed": 0})


def test_a_step_is_tried_again_and_then_its_item_failed() -> None:
    run = testing.run(doubling(), {"numbers": [1, 2]}, faults=[Fail("n/001", times=2)])
    assert run.status == "SUCCEEDED"
    run = testing.run(doubling(), {"numbers": [1, 2]}, faults=[Fail("n/001", times=3)])
    assert run.status == "FAILED"
    assert run.error is not None
    assert run.error.code == "too_many_failures"
    assert run.error.message == ("1 of 2 items of stage numbers failed (none may fail): n/001: this try fails")
    assert run.retry().status == "SUCCEEDED"
    assert run.outputs["n/001"] == {"doubled": 2}


def test_a_provider_that_is_away_has_more_patience() -> None:
    run = testing.run(doubling(), {"numbers": [1]}, faults=[Fail("n/001", 12, ProviderUnavailable("away"))])
    assert run.status == "SUCCEEDED"


def test_what_is_tolerated_fails_and_counts_as_failed() -> None:
    run = testing.run(doubling(tolerate=0.5), {"numbers": [1, -1]})
    assert run.status == "SUCCEEDED"
    assert run.result == {"items": 2, "failed": 1}
    assert run.task.statistics["items_done"] == 1
    assert run.task.statistics["failed"][0]["error"] == "negative"
    assert [str(row.status) for row in run.results] == ["SUCCEEDED", "FAILED"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_loses_nothing_and_does_nothing_twice(when: Any) -> None:
    run = testing.run(doubling(batch=2), {"numbers": [1, 2]}, faults=[Kill("n/001", when)])
    assert run.status == "SUCCEEDED"
    assert len(run.outputs) == 2
    assert run.steps_run == (3 if when == "before" else 2)


def test_a_batch_that_is_delivered_twice_runs_once() -> None:
    run = testing.run(doubling(), {"numbers": [1]}, faults=[Twice("n/001")])
    assert (run.status, run.steps_run) == ("SUCCEEDED", 1)


def test_params_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        testing.run(doubling(), {"numbers": ["x"]})


def test_the_same_key_twice_is_named() -> None:
    run = testing.run(doubling(), {"numbers": [7, 7]})
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("bad_plan", "stage numbers yields the key 'n/007' twice")


def polling() -> Workload[Numbers]:
    workload = Workload("poll_jobs", params=Numbers)
    made: list[int] = []
    looks: list[int] = []

    @workload.step
    def poll(step: StepContext[Numbers]) -> dict[str, Any]:
        job = step.once("job", lambda: made.append(1) or len(made))
        looks.append(step.tries)
        if len(looks) < 3:
            raise Later(seconds=3600)
        return {"job": job, "made": len(made), "looks": looks}

    return workload


def test_a_step_waits_without_a_function_and_remembers() -> None:
    run = testing.run(polling(), {"numbers": []})
    assert run.status == "SUCCEEDED"
    assert run.outputs["poll"] == {"job": 1, "made": 1, "looks": [1, 1, 1]}, "waiting is no try"


def signing() -> Workload[Numbers]:
    workload = Workload("sign", params=Numbers)

    @workload.step
    def sign(step: StepContext[Numbers]) -> dict[str, Any]:
        callback = step.callback(timeout=600)
        if callback.body is None:
            raise callback
        return {"by": callback.body["by"]}

    return workload


def test_a_callback_completes_its_step_once() -> None:
    run = testing.run(signing(), {"numbers": []})
    assert run.status == "RUNNING"
    path = run.callback_paths["sign"]
    run.complete(path, {"by": "Ada"})
    assert (run.status, run.outputs) == ("SUCCEEDED", {"sign": {"by": "Ada"}})


def test_an_approval_pauses_and_resuming_approves() -> None:
    workload = doubling()
    workload.approval("editor", "Publish the numbers?")

    @workload.step
    def publish(step: StepContext[Numbers]) -> dict[str, Any]:
        return {"published": [one.output["doubled"] for one in step.outputs("numbers")]}

    run = testing.run(workload, {"numbers": [1, 2]})
    assert run.status == "PAUSED"
    assert run.error is not None
    assert run.error.code == "awaiting_approval"
    assert "publish" not in run.outputs
    run.resume()
    assert run.status == "SUCCEEDED"
    assert run.outputs["publish"] == {"published": [2, 4]}


def test_a_task_that_is_cancelled_runs_no_step() -> None:
    workload = doubling()
    seen: list[str] = []

    @workload.step(name="after")
    def after(step: StepContext[Numbers]) -> None:
        seen.append(step.key)

    workload.stages[0]._run = lambda step: lifecycle.cancel(step.task_id, step.tenant_id) and {}  # type: ignore
    run = testing.run(workload, {"numbers": [1, 2]})
    assert (run.status, seen, run.steps_run) == ("CANCELLED", [], 1)


def test_a_heartbeat_within_the_same_tick_of_the_clock_stops_nobody() -> None:
    """An engine's clock may stand still for milliseconds, and a row that keeps its values is not counted as changed."""
    beating: Workload[Numbers] = Workload("beat_twice", params=Numbers)
    beats = []

    @beating.step
    def beat(step: StepContext[Numbers]) -> dict[str, Any]:
        with database.connection() as session:
            session.run("stop_clock", "SET timestamp = 1796000000", {})
            beats.extend(store.beat(session, step.task_id, step.attempt) for _ in range(2))
            session.run("start_clock", "SET timestamp = DEFAULT", {})
        return {}

    assert testing.run(beating, {"numbers": []}).status == "SUCCEEDED"
    assert beats == [True, True]
