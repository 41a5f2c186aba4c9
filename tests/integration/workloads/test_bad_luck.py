"""What code-first workloads survive or refuse: plans, outputs, callbacks, approvals and versions gone wrong."""

import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from longhaul import database, llm, testing
from longhaul.aws.workflows import Attempt
from longhaul.errors import NotFound, ProviderUnavailable, StepTimeout, TaskStopped, UnknownKind
from longhaul.tasks import lifecycle
from longhaul.tasks.kinds import kinds
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import TaskError
from longhaul.testing import Run
from longhaul.workloads import Item, StepContext, TaskContext, Workload, callbacks, planning
from longhaul.workloads.contexts import MAX_MEMORY_BYTES
from longhaul.workloads.documents import MAX_BYTES
from tests.integration.workloads.test_running import Numbers, doubling

type Sql = Callable[..., list[dict[str, Any]]]


def returning(output: Any) -> Workload[Numbers]:
    workload: Workload[Numbers] = Workload("return_this", params=Numbers)

    @workload.step
    def give(step: StepContext[Numbers]) -> Any:
        return output() if callable(output) else output

    return workload


def failure_of(run: Run) -> tuple[str, str]:
    """The code and the message of the first item that failed."""
    error = next(row.error for row in run.results if row.error)
    return error.code, error.message


def planning_of(plan: Callable[[TaskContext[Numbers]], Any]) -> Workload[Numbers]:
    workload: Workload[Numbers] = Workload("plan_this", params=Numbers, batch=100)
    stage = workload.stage(name="items")(plan)

    @stage.step()
    def nothing(step: StepContext[Numbers]) -> None: ...

    return workload


# ------------------------------------------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            lambda _: (Item(str(number)) for number in range(1_001)),
            "a task has at most 1,000 items; stage items yields",
        ),
        (lambda _: ["text"], "stage items yields str, not Item"),
        (lambda _: None, "the plan of stage items gives NoneType, which is no iterable of items"),
        (lambda _: [Item("a", input={"at": object()})], "the input of 'a' in stage items is not JSON"),
        (lambda _: [Item("a", input={"text": "x" * 300_000})], "the input of 'a' in stage items is over 256 KB"),
    ],
)
def test_a_plan_that_is_not_right_fails_the_task_and_says_why(
    plan: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planning.MAX_ITEMS == 100_000
    monkeypatch.setattr(planning, "MAX_ITEMS", 1_000)
    run = testing.run(planning_of(plan), {"numbers": []})
    assert run.error is not None
    assert (run.status, run.error.code) == ("FAILED", "bad_plan")
    assert message in run.error.message


def test_a_mistake_in_a_plan_is_told_as_it_is(database: Any) -> None:
    def plan(task: TaskContext[Numbers]) -> Iterable[Item]:
        yield Item("a" + 1)  # type: ignore[operator]

    run = testing.run(planning_of(plan), {"numbers": []})
    assert run.error is not None
    assert (run.error.code, "can only concatenate str" in run.error.message) == ("TypeError", True)


@pytest.mark.parametrize("key", ["", " a", "a\n", "x" * 96])
def test_a_key_out_of_bounds_is_refused_where_it_is_made(key: str) -> None:
    with pytest.raises(ValueError, match="an item's key is 1 to 95 printable characters"):
        Item(key)


def test_a_plan_that_dies_half_way_is_planned_anew(sql: Sql) -> None:
    died: list[int] = []

    def plan(task: TaskContext[Numbers]) -> Iterable[Item]:
        for number in range(1_010):
            if number == 1_005 and not died:
                died.append(number)
                raise testing.Killed
            yield Item(f"{'old' if not died else 'new'}/{number}")

    run = testing.run(planning_of(plan), {"numbers": []})
    assert run.status == "SUCCEEDED"
    rows = sql("SELECT step_key, ordinal FROM task_steps WHERE ordinal > 0 ORDER BY ordinal")
    assert [row["step_key"] for row in rows] == [f"items/new/{number}" for number in range(1_010)]
    assert [row["ordinal"] for row in rows] == list(range(1, 1_011))


# ----------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda: {"text": "x" * MAX_BYTES}, "belongs into a table of the workload's own"),
        (lambda: {"at": object()}, "is not JSON"),
        (lambda: ["a list"], "what the step of give returned is list, and has to be an object or a model"),
        (lambda: {"sum": math.nan}, "is not JSON"),
    ],
)
def test_an_output_that_cannot_be_kept_fails_its_item(output: Any, message: str, database: Any) -> None:
    code, told = failure_of(testing.run(returning(output), {"numbers": []}))
    assert code == "bad_output"
    assert message in told


def test_what_pydantic_can_write_is_json(database: Any) -> None:
    run = testing.run(returning({"at": datetime(2026, 11, 29), "cost": Decimal("1.5")}), {"numbers": []})
    assert run.outputs == {"give": {"at": "2026-11-29T00:00:00", "cost": "1.5"}}


def test_a_step_that_takes_too_long_is_stopped_and_tried_again(database: Any) -> None:
    workload: Workload[Numbers] = Workload("take_long", params=Numbers)

    @workload.step(timeout=0.2, retries=1)
    def wait(step: StepContext[Numbers]) -> None:
        while True:
            time.sleep(0.01)

    code, told = failure_of(testing.run(workload, {"numbers": []}))
    assert (code, told) == ("step_timeout", "the step took longer than 0.2 s")


def test_a_worker_that_dies_each_time_fails_its_item(database: Any) -> None:
    workload: Workload[Numbers] = Workload("die_always", params=Numbers)

    @workload.step(retries=1)
    def die(step: StepContext[Numbers]) -> None:
        raise testing.Killed

    code, told = failure_of(testing.run(workload, {"numbers": []}))
    assert (code, told) == ("worker_died", "its worker died, at the last of 2 tries")


def test_a_step_remembers_no_more_than_it_may(database: Any) -> None:
    workload: Workload[Numbers] = Workload("remember_much", params=Numbers)

    @workload.step
    def remember(step: StepContext[Numbers]) -> None:
        step.once("all", lambda: "x" * MAX_MEMORY_BYTES)

    assert "remembers more than 64 KB" in failure_of(testing.run(workload, {"numbers": []}))[1]


def test_what_a_step_saves_is_there_with_its_end_or_not_at_all(sql: Sql) -> None:
    workload: Workload[Numbers] = Workload("save_rows", params=Numbers)
    broken = [True]

    def write(tx: database.Session) -> None:
        tx.run("save", "UPDATE tasks SET title = CONCAT(title, '!')", {})
        if broken:
            broken.pop()
            raise ProviderUnavailable("between the two")

    @workload.step
    def save(step: StepContext[Numbers]) -> None:
        step.save(write)

    run = testing.run(workload, {"numbers": []})
    assert (run.status, run.task.title) == ("SUCCEEDED", "Save rows!")


# --------------------------------------------------------------------------------------- callbacks and approvals


def signing() -> Workload[Numbers]:
    workload: Workload[Numbers] = Workload("sign", params=Numbers)

    @workload.step
    def sign(step: StepContext[Numbers]) -> dict[str, Any]:
        callback = step.callback(timeout=60)
        if callback.body is None:
            raise callback
        return dict(callback.body)

    return workload


def test_a_callback_that_comes_too_late_is_none_and_a_retry_waits_again(sql: Sql) -> None:
    run = testing.run(signing(), {"numbers": []})
    path = run.callback_paths["sign"]
    sql("UPDATE step_callbacks SET expires_at = '2020-01-01'")
    with pytest.raises(NotFound):
        run.complete(path, {"by": "Ada"})
    sql("UPDATE task_steps SET due_at = NULL, tries = 0")
    assert run.go_on().status == "FAILED"
    assert failure_of(run)[0] == "callback_expired"
    assert run.retry().status == "RUNNING"
    renewed = run.callback_paths["sign"]
    assert renewed != path
    assert run.complete(renewed, {"by": "Ada"}).outputs == {"sign": {"by": "Ada"}}


def test_a_callback_of_a_task_that_has_ended_is_none(database: Any) -> None:
    run = testing.run(signing(), {"numbers": []})
    lifecycle.cancel(run.task_id, run.tenant_id)
    with pytest.raises(NotFound):
        callbacks.complete(run.callback_paths["sign"].rpartition("/")[2], {})


def test_a_callback_during_a_pause_counts(database: Any) -> None:
    run = testing.run(signing(), {"numbers": []})
    lifecycle.pause(run.task_id, run.tenant_id)
    callbacks.complete(run.callback_paths["sign"].rpartition("/")[2], {"by": "Ada"})
    assert run.resume().outputs == {"sign": {"by": "Ada"}}


def approving() -> Workload[Numbers]:
    workload = doubling("approve_numbers")
    workload.approval("editor", "Publish?")

    @workload.step
    def publish(step: StepContext[Numbers]) -> dict[str, Any]:
        return {}

    return workload


def test_approval_given_twice_is_given_once(sql: Sql) -> None:
    run = testing.run(approving(), {"numbers": [1]})
    lifecycle.resume(run.task_id, run.tenant_id)
    lifecycle.resume(run.task_id, run.tenant_id)
    assert run.go_on().status == "SUCCEEDED"
    events = [row["event"] for row in sql("SELECT event FROM task_events ORDER BY id")]
    assert events == ["started", "paused", "resumed", "started", "succeeded"]


def test_a_task_whose_time_ran_out_is_asked_for_anew(sql: Sql) -> None:
    run = testing.run(approving(), {"numbers": [1]})
    lifecycle.finish(run.task, lifecycle.Transition.EXPIRE, Outcome(error=TaskError("deadline_exceeded", "late")))
    assert run.retry().status == "PAUSED"
    assert run.resume().status == "SUCCEEDED"


# ---------------------------------------------------------------------------------------------------- versions


def test_a_stage_that_is_gone_fails_the_task_and_names_it(database: Any) -> None:
    run = testing.run(signing(), {"numbers": []})
    lifecycle.pause(run.task_id, run.tenant_id)
    renamed: Workload[Numbers] = Workload("sign", params=Numbers)

    @renamed.step
    def undersign(step: StepContext[Numbers]) -> None: ...

    kinds()["sign"] = renamed.kind
    run.workload = renamed
    run.resume()
    assert run.error is not None
    assert (run.status, run.error.code) == ("FAILED", "workload_changed")
    assert "with the stage sign, which sign no longer has; nothing of it was skipped" in run.error.message


def test_a_kind_that_is_gone_is_no_reason_to_skip_anything(database: Any) -> None:
    run = testing.run(signing(), {"numbers": []})
    task = run.task
    del kinds()["sign"]
    with pytest.raises(UnknownKind):
        planning.next_page(Attempt(task_id=task.task_id, attempt=task.attempt))
    with pytest.raises(TaskStopped):
        planning.next_page(Attempt(task_id=task.task_id, attempt=task.attempt + 1))


# ------------------------------------------------------------------------------------------------------- money


def test_the_reservation_of_a_worker_that_died_counts_as_spent(sql: Sql) -> None:
    run = testing.run(signing(), {"numbers": []})
    from longhaul.workloads.spending import BudgetReached, Purse

    first = Purse(run.task_id, "sign/sign", Decimal(1))
    assert first.reserve(Decimal("0.6")) == Decimal("0.6")
    again = Purse(run.task_id, "sign/sign", Decimal(1))  # the next try of the same step
    with pytest.raises(BudgetReached, match=r"may cost 0\.6000; 0\.6000 of 1\.0000 are spent"):
        again.reserve(Decimal("0.6"))
    assert again.reserve(Decimal("0.3")) == Decimal("0.3")
    rows = sql("SELECT spent, reserved FROM task_spending")
    assert [(row["spent"], row["reserved"]) for row in rows] == [(Decimal("0.6"), Decimal("0.3"))]


def test_a_request_that_a_timeout_cut_counts_as_spent(sql: Sql) -> None:
    workload: Workload[Numbers] = Workload("ask", params=Numbers, budget=lambda _: Decimal(1))
    tries: list[int] = []

    @workload.step
    def ask(step: StepContext[Numbers]) -> Numbers:
        return step.llm.ask("Which?", Numbers, model="first", max_tokens=1_000)

    def answer(_: str) -> dict[str, Any]:
        tries.append(1)
        if len(tries) == 1:
            raise StepTimeout
        return {"numbers": [1]}

    assert testing.run(workload, {"numbers": []}, answer=answer).status == "SUCCEEDED"
    [row] = sql("SELECT spent, reserved FROM task_spending")
    _, worst = llm.worst_case(llm.model_named("first"), "Which?", Numbers, max_tokens=1_000)
    assert (row["spent"] >= worst > 0, row["reserved"]) == (True, 0)
