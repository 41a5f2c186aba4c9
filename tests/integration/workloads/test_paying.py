"""What the engine offers workloads that pay providers, or whose course depends on their params."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from longhaul import testing
from longhaul.errors import PermanentError
from longhaul.testing import Kill, Twice
from longhaul.workloads import Item, Later, StepContext, TaskContext, Workload
from tests.integration.workloads.test_running import Numbers


def test_an_approval_may_depend_on_the_params() -> None:
    workload: Workload[Numbers] = Workload("maybe_approved", params=Numbers)
    workload.step(name="first")(lambda step: {})
    workload.approval("editor", "Go on?", when=lambda params: len(params.numbers) > 1)
    workload.step(name="second")(lambda step: {})
    assert testing.run(workload, {"numbers": [1]}).status == "SUCCEEDED"
    assert testing.run(workload, {"numbers": [1, 2]}).status == "PAUSED"


def test_what_is_tolerated_may_depend_on_the_params_and_says_why_items_failed() -> None:
    workload: Workload[Numbers] = Workload("tolerant", params=Numbers)

    @workload.stage(tolerate=lambda params: 1.0 if len(params.numbers) > 1 else 0.0)
    def work(task: TaskContext[Numbers]) -> Iterable[Item]:
        return [Item(f"n/{number}") for number in task.params.numbers]

    @work.step()
    def fail(step: StepContext[Numbers]) -> dict[str, Any]:
        raise PermanentError(f"{step.key} is odd")

    @workload.result
    def result(task: TaskContext[Numbers]) -> dict[str, Any]:
        return {"why": [one.error.message for one in task.outputs(work) if one.error]}

    assert testing.run(workload, {"numbers": [1]}).status == "FAILED"
    assert testing.run(workload, {"numbers": [1, 3]}).result == {"why": ["n/1 is odd", "n/3 is odd"]}


def test_a_jobs_price_is_held_over_the_tries_of_its_step_and_spent_once() -> None:
    price, looks = Decimal(2), list[str]()
    workload: Workload[Numbers] = Workload(
        "paid", params=Numbers, budget=lambda _: Decimal(5), tolerate=1.0, in_flight=1
    )

    @workload.stage
    def jobs(task: TaskContext[Numbers]) -> Iterable[Item]:
        return [Item(f"job/{number}") for number in task.params.numbers]

    @jobs.step()
    def job(step: StepContext[Numbers]) -> dict[str, Any]:
        step.purse.hold(price)
        looks.append(step.key)
        if looks.count(step.key) < 3:
            raise Later(seconds=5)
        step.save(lambda tx: step.purse.settle_job(tx, price))
        return {}

    run = testing.run(workload, {"numbers": [1, 2, 3]}, faults=[Kill("job/1"), Twice("job/2")])
    assert run.status == "SUCCEEDED"
    assert {row.key: row.error.code for row in run.results if row.error} == {"jobs/job/3": "budget_reached"}
    assert run.task.statistics["cost"] == "4.0000"
