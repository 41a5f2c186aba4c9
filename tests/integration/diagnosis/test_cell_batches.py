"""A batch of cells in one call of the function: each is paid for once, and ends by itself."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from diagnosis import asking, budget
from diagnosis import store as diagnosis_store
from diagnosis.model import NOTHING
from local.providers.llm.models import BY_NAME
from longhaul import database as longhaul_database
from longhaul import lifetime
from longhaul.errors import OutOfTime, TaskStopped
from longhaul.tasks import lifecycle
from longhaul.tasks.model import Task
from tests.calling import call
from tests.chatting import StandIn
from tests.integration.diagnosis.conftest import BRANDS, MODELS, Diagnoses

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Grid = Callable[[Task], dict[str, str]]


def test_a_models_cells_are_as_few_batches_as_ask_as_many_at_once_as_it_takes(
    diagnoses: Diagnoses, models: StandIn
) -> None:
    batches = diagnoses.batches(diagnoses.submitted(asking=12))
    taken = [(12, BY_NAME[model].max_concurrent) for model in sorted(MODELS)]
    assert [(len(batch["keys"]), batch["at_once"]) for batch in batches] == taken


@pytest.mark.parametrize(
    ("cells", "in_flight", "sizes", "at_once"),
    [(12, 5, [12], 5), (3, 20, [3], 10), (50, 20, [25, 25], 10), (50, 15, [25, 25], 7), (50, 100, [10] * 5, 10)],
)
def test_batches_are_not_more_than_are_asked_at_once(
    cells: int, in_flight: int, sizes: list[int], at_once: int
) -> None:
    from diagnosis.planning import _batches
    from longhaul.aws.workflows import Attempt

    batches = _batches(Attempt(task_id="t", attempt=1), [f"q{number:02}/qwen" for number in range(cells)], in_flight)
    assert [len(batch.keys) for batch in batches] == sizes
    assert {batch.at_once for batch in batches} == {at_once}
    assert len(batches) * at_once <= max(in_flight, at_once)


def test_a_batch_never_asks_more_at_once_than_it_says(diagnoses: Diagnoses, models: StandIn, grid: Grid) -> None:
    models.control(brands=BRANDS, models={"qwen": {"latency_ms": 50}})
    task = diagnoses.submitted(asking=6, models=["qwen"])
    [batch] = diagnoses.batches(task)
    call("diagnosis", "ask_model", batch | {"at_once": 2})
    assert models.calls()["most_at_once"]["qwen"] == 2
    assert set(grid(task).values()) == {"answered"}


def test_a_plan_has_what_an_execution_of_the_version_before_reads(diagnoses: Diagnoses, models: StandIn) -> None:
    task = diagnoses.submitted(asking=3, models=["qwen"])
    [column] = call("diagnosis", "plan_calls", {"task_id": task.task_id, "attempt": task.attempt})["columns"]
    assert column["max_in_flight"] == BY_NAME["qwen"].max_concurrent
    keys = [{"task_id": task.task_id, "attempt": task.attempt, "key": f"q0{number}/qwen"} for number in (1, 2, 3)]
    assert column["cells"] == keys
    for cell in column["cells"]:
        call("diagnosis", "ask_model", cell)
    assert models.calls()["count"] == 2 * 3


def test_a_batch_that_is_delivered_twice_is_paid_for_once(diagnoses: Diagnoses, models: StandIn) -> None:
    [batch] = diagnoses.batches(diagnoses.submitted(asking=4, models=["qwen"]))
    for _ in range(2):
        call("diagnosis", "ask_model", batch)
    assert models.calls()["count"] == 2 * 4


def test_a_cell_that_is_not_answered_fails_alone(diagnoses: Diagnoses, models: StandIn, grid: Grid) -> None:
    script = ["wrong_schema" if number in (1, 2) else "ok" for number in range(8)]  # a reading, and its repair
    models.control(brands=BRANDS, models={"qwen": {"latency_ms": 0, "script": script}})
    task = diagnoses.submitted(asking=3, models=["qwen"])
    [batch] = diagnoses.batches(task)
    call("diagnosis", "ask_model", batch | {"at_once": 1})
    assert grid(task) == {"q01/qwen": "failed", "q02/qwen": "answered", "q03/qwen": "answered"}

    # AND given again for another's sake it is not asked again
    asked = models.calls()["count"]
    call("diagnosis", "ask_model", batch)
    assert models.calls()["count"] == asked


def test_a_worker_that_dies_after_an_answer_leaves_only_what_is_not_stored(
    diagnoses: Diagnoses, models: StandIn, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a worker that is killed when its second cell's answer is stored
    class Killed(BaseException):
        pass

    task = diagnoses.submitted(asking=3, models=["qwen"])
    [batch] = diagnoses.batches(task)
    read = asking._read

    def die(task_id: str, params: Any, cell: Any, *rest: Any, **more: Any) -> Any:
        if cell.key == "q02/qwen":
            raise Killed
        return read(task_id, params, cell, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(asking, "_read", die)
        with pytest.raises(Killed):
            call("diagnosis", "ask_model", batch | {"at_once": 1})
    assert [asked["ask"] for asked in models.calls()["calls"]] == ["question", "extraction", "question"]

    # WHEN the state machine calls again
    call("diagnosis", "ask_model", batch)

    # THEN nothing that is stored was paid for again
    assert set(grid(task).values()) == {"answered"}
    assert Counter(asked["ask"] for asked in models.calls()["calls"]) == {"question": 3, "extraction": 3}


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_cancel_in_the_middle_of_a_batch_asks_for_no_more(
    diagnoses: Diagnoses, models: StandIn, grid: Grid, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    task = diagnoses.submitted(asking=12, models=["qwen"])
    [batch] = diagnoses.batches(task)
    answer = asking._answer

    def cancel_after(*given: Any, **more: Any) -> str:
        answered = answer(*given, **more)
        lifecycle.cancel(task.task_id, "acme")
        return answered

    monkeypatch.setattr(asking, "_answer", cancel_after)
    with pytest.raises(TaskStopped):
        call("diagnosis", "ask_model", batch | {"at_once": at_once})
    assert 1 <= models.calls("question")["count"] <= at_once
    assert "answered" not in grid(task).values()


def test_a_call_that_is_nearly_over_leaves_the_rest_of_its_batch(
    diagnoses: Diagnoses, models: StandIn, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a call with time for two cells, of a diagnosis with a budget
    task = diagnoses.submitted(asking=5, models=["qwen"], max_cost=1)
    [batch] = diagnoses.batches(task)
    with monkeypatch.context() as late:
        late.setattr(lifetime, "seconds_left", lambda: 60.0 if models.calls()["count"] < 4 else 9.0)

        # WHEN it takes a batch, THEN it ends before a third is asked
        with pytest.raises(OutOfTime):
            call("diagnosis", "ask_model", batch | {"at_once": 1})
    assert models.calls()["count"] == 4

    # AND nothing stays reserved, and the next call asks the others alone
    with longhaul_database.connection() as session:
        assert diagnosis_store.sum_costs(session, task.task_id).reserved == NOTHING
    call("diagnosis", "ask_model", batch)
    assert models.calls()["count"] == 10
    assert set(grid(task).values()) == {"answered"}


@pytest.mark.parametrize("at_once", [1, 5])
def test_a_budget_that_is_reached_within_a_batch_pauses_and_is_never_passed(
    diagnoses: Diagnoses, models: StandIn, grid: Grid, at_once: int
) -> None:
    # GIVEN a budget for some of a batch's cells
    limit = 16_000
    task = diagnoses.submitted(asking=12, models=["qwen"], max_tokens=limit)
    [batch] = diagnoses.batches(task)
    assert limit > budget.MAX_ANSWER_TOKENS

    # WHEN it is asked
    diagnoses.ask_batch(batch | {"at_once": at_once}, tries=60)

    # THEN the task is paused and says why, the rest is not asked, and the budget is kept
    task = diagnoses.task(task.task_id)
    assert (task.status, task.error_code) == ("PAUSED", "budget_reached")
    with longhaul_database.connection() as session:
        costs = diagnosis_store.sum_costs(session, task.task_id)
    assert 0 < costs.spent.tokens <= limit
    assert set(grid(task).values()) == {"answered", "waiting"}

    # AND resumed as it is it skips what the budget does not allow
    task = diagnoses.run(diagnoses.resumed(task))
    assert task.status == "SUCCEEDED"
    assert set(grid(task).values()) == {"answered", "skipped"}
    with longhaul_database.connection() as session:
        assert diagnosis_store.sum_costs(session, task.task_id).spent.tokens <= limit


def test_a_model_that_is_left_alone_is_not_asked_for_the_rest_of_a_batch(
    diagnoses: Diagnoses, models: StandIn, grid: Grid
) -> None:
    models.control(brands=BRANDS, models={"qwen": {"latency_ms": 0, "rates": {"500": 1}}})
    task = diagnoses.submitted(asking=12, models=["qwen"])
    [batch] = diagnoses.batches(task)
    diagnoses.ask_batch(batch)
    assert set(grid(task).values()) <= {"skipped", "failed"}
    assert models.calls()["count"] <= 12
