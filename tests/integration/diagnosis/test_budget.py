"""What a diagnosis may spend: never passed, the task paused when it could be, and its caller told."""

import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from diagnosis import budget, store
from diagnosis.model import Budget, BudgetReached, Sum
from longhaul import database as longhaul_database
from longhaul.errors import DatabaseUnavailable, ProviderThrottled
from longhaul.llm import Usage
from longhaul.tasks import lifecycle
from longhaul.tasks.model import Task
from tests.chatting import StandIn
from tests.gateway import Api
from tests.integration.diagnosis.conftest import BRANDS, Diagnoses, Sql

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Grid = Callable[[Task], dict[str, str]]


def spent(api: Api, task: Task) -> dict[str, Any]:
    spending: dict[str, Any] = api.get(f"/api/v1/diagnoses/{task.task_id}")["spending"]
    return spending


@pytest.mark.parametrize("limit", [{"max_tokens": 11_000}, {"max_cost": 0.02}])
def test_a_budget_that_is_reached_pauses_the_task_and_says_so(
    diagnoses: Diagnoses, models: StandIn, api: Api, limit: dict[str, Any]
) -> None:
    # GIVEN a diagnosis that cannot be had for its budget
    task = diagnoses.submitted(asking=6, **limit)

    # WHEN it runs
    task = diagnoses.run(task)

    # THEN it is paused and says why, and has not passed its budget
    assert (task.status, task.error_code) == ("PAUSED", "budget_reached")
    assert "raise the budget and resume" in (task.error_message or "")
    seen = api.get(f"/api/v1/tasks/{task.task_id}")
    assert seen["error"]["code"] == "budget_reached"
    assert (
        "the next request may take" in api.get(f"/api/v1/tasks/{task.task_id}/events")["items"][-1]["detail"]["reason"]
    )
    spending = spent(api, task)
    assert 0 < spending["tokens"] <= limit.get("max_tokens", 10**9)
    assert 0 < spending["cost"] <= limit.get("max_cost", 10**9)
    assert spending["reserved_tokens"] == 0
    asked = models.calls()["count"]

    # WHEN the limit is lifted and the task resumed
    assert api("PATCH", f"/api/v1/diagnoses/{task.task_id}", dict.fromkeys(limit)).status == 200
    task = diagnoses.run(diagnoses.resumed(task))

    # THEN it goes on from there and asks nothing again
    assert (task.status, task.error) == ("SUCCEEDED", None)
    assert models.calls()["count"] == 2 * 18 > asked


def test_resumed_as_it_is_it_skips_what_the_budget_does_not_allow(diagnoses: Diagnoses, grid: Grid) -> None:
    # GIVEN a diagnosis that is paused for its budget
    task = diagnoses.run(diagnoses.submitted(asking=4, max_tokens=11_000))
    assert task.status == "PAUSED"

    # WHEN it is resumed and nothing else is changed
    task = diagnoses.run(diagnoses.resumed(task))

    # THEN it has succeeded with what could be had
    assert task.status == "SUCCEEDED"
    states = Counter(grid(task).values())
    assert set(states) == {"answered", "skipped"}
    assert task.result is not None
    assert task.result["cells"]["skipped"] == states["skipped"]


def test_a_budget_is_changed_by_its_owner_before_the_end_only(diagnoses: Diagnoses, api: Api) -> None:
    task = diagnoses.submitted(asking=1, models=["deepseek"])
    place = f"/api/v1/diagnoses/{task.task_id}"
    assert api("PATCH", place, {"max_cost": 0}).status == 422
    assert api("PATCH", place, {"max_cost": 1.5}).body["max_cost"] == 1.5
    assert Api("globex", functions=api.functions)("PATCH", place, {"max_cost": 2}).status == 404
    assert diagnoses.run(task).status == "SUCCEEDED"
    refused = api("PATCH", place, {"max_cost": 2})
    assert (refused.status, refused.body["code"]) == (409, "illegal_transition")
    assert spent(api, task)["max_cost"] == 1.5


def test_a_limit_that_is_left_out_stays_and_only_null_lifts_one(diagnoses: Diagnoses, api: Api) -> None:
    # GIVEN a diagnosis with both limits: before it has a row of its own, and then
    task = diagnoses.submitted(asking=1, models=["deepseek"], max_cost=3, max_tokens=9_000)
    place = f"/api/v1/diagnoses/{task.task_id}"
    for cost, tokens, change in (
        (4, 9_000, {"max_cost": 4}),
        (4, 8_000, {"max_tokens": 8_000}),
        (None, 8_000, {"max_cost": None}),
        (None, None, {"max_tokens": None}),
    ):
        changed = api("PATCH", place, change)
        assert (changed.status, changed.body["max_cost"], changed.body["max_tokens"]) == (200, cost, tokens)
    # AND an empty body lifts none
    assert api("PATCH", place, {}).status == 422


@pytest.mark.parametrize("statement", ["reserve", "fetch_standing"])
def test_what_is_reserved_for_a_request_that_is_not_sent_is_not_spent(
    diagnoses: Diagnoses, sql: Sql, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    # GIVEN a reservation whose answer is lost, or that cannot be held against the budget
    task = diagnoses.submitted(asking=1, max_tokens=1_000)
    diagnoses.plan(task)
    run = getattr(store, statement)

    def is_lost(*given: Any) -> None:
        run(*given)
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(store, statement, is_lost)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                budget.reserve(task.task_id, "q01/qwen", Sum(600, Decimal("0.6")))

    # WHEN it is tried again, THEN the budget has room for it
    budget.reserve(task.task_id, "q01/qwen", Sum(600, Decimal("0.6")))
    [row] = sql("SELECT prompt_tokens, reserved_tokens FROM diagnosis_cells WHERE cell_key = 'q01/qwen'")
    assert row == {"prompt_tokens": 0, "reserved_tokens": 600}


def test_many_at_once_do_not_pass_it_together(diagnoses: Diagnoses, sql: Sql) -> None:
    # GIVEN a budget for ten requests
    task = diagnoses.submitted(asking=12, max_tokens=1_000)
    diagnoses.plan(task)
    refused: list[tuple[int, type[Exception]]] = []
    ready = threading.Barrier(24)

    def reserve(number: int) -> None:
        try:
            budget.reserve(task.task_id, f"q{number:02}/qwen", Sum(100, Decimal("0.1")))
        except (BudgetReached, ProviderThrottled) as error:
            refused.append((number, type(error)))

    def one(number: int) -> None:
        ready.wait()
        reserve(number)
        longhaul_database.close()

    # WHEN 24 are made at the same moment
    threads = [threading.Thread(target=one, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # THEN no more than ten are, as two may refuse each other, and none of them for good
    assert len(refused) >= 14
    assert {error for _, error in refused} == {ProviderThrottled}

    # AND of the others, who try again as the workflow does, so many are that it is ten
    again, refused[:] = list(refused), []
    for number, _ in again:
        reserve(number)
    assert [error for _, error in refused] == [ProviderThrottled] * 14
    [row] = sql("SELECT SUM(reserved_tokens) AS reserved, SUM(reserved_cost) AS cost FROM diagnosis_cells")
    assert (int(row["reserved"]), row["cost"]) == (1_000, Decimal("1"))


def test_what_a_killed_worker_reserved_counts_as_spent_when_its_cell_is_asked_again(diagnoses: Diagnoses) -> None:
    task = diagnoses.submitted(asking=1, max_tokens=250)
    diagnoses.plan(task)
    budget.reserve(task.task_id, "q01/qwen", Sum(100, Decimal("0.1")))  # and it is killed
    budget.reserve(task.task_id, "q01/qwen", Sum(100, Decimal("0.1")))
    with longhaul_database.connection() as session:
        costs = store.sum_costs(session, task.task_id)
        assert (costs.spent, costs.reserved) == (Sum(100, Decimal("0.1")), Sum(100, Decimal("0.1")))

        # AND what is settled is what it took
        store.settle(session, task.task_id, "q01/qwen", Usage("qwen", 1, 20, 10, Decimal("0.03"), 0.5), answer="好")
        costs = store.sum_costs(session, task.task_id)
        assert (costs.spent, costs.reserved) == (Sum(130, Decimal("0.13")), Sum(0, Decimal(0)))
    with pytest.raises(BudgetReached):
        budget.reserve(task.task_id, "q01/qwen", Sum(121, Decimal(0)))


def test_an_answer_that_is_thrown_away_is_paid_for(diagnoses: Diagnoses, models: StandIn, sql: Sql) -> None:
    models.control(brands=BRANDS, models={"qwen": {"latency_ms": 0, "script": ["ok", "wrong_schema", "wrong_schema"]}})
    task = diagnoses.submitted(asking=1, models=["qwen"])
    [cell] = diagnoses.plan(task)
    diagnoses.ask(cell)
    [row] = sql("SELECT requests, cost, extraction, answer IS NOT NULL AS answered FROM diagnosis_cells")
    assert (row["requests"], row["extraction"], row["answered"]) == (3, None, 1)
    [question] = sql("SELECT prompt_tokens, completion_tokens, cost FROM diagnosis_cells")
    expected = (question["prompt_tokens"] * Decimal("0.8") + question["completion_tokens"] * 2) / 1_000_000
    assert question["cost"] == expected > 0


def test_the_estimate_counts_calls_and_says_what_they_may_cost(diagnoses: Diagnoses, models: StandIn, api: Api) -> None:
    asked: dict[str, Any] = {
        "brand": BRANDS[0],
        "competitors": BRANDS[1:],
        "questions": ["一", "二"],
        "models": ["qwen", "kimi"],
    }
    answer = api("POST", "/api/v1/diagnoses/estimate", asked)
    assert answer.status == 200, answer
    told = answer.body
    assert (told["cells"], told["calls"]) == (4, 8)
    assert [one["model"] for one in told["by_model"]] == ["qwen", "kimi"]
    assert 0 < told["cost"] < told["cost_at_most"]
    assert told["cost"] == pytest.approx(sum(one["cost"] for one in told["by_model"]), abs=1e-5)
    assert told["by_model"][1]["cost"] > told["by_model"][0]["cost"]  # it is dearer
    assert models.calls()["count"] == 0

    # AND a model there is none of, or a brand among its own competitors, is refused with its place
    assert api("POST", "/api/v1/diagnoses/estimate", asked | {"models": ["nobody"]}).body["code"] == "unknown_model"
    for wrong, pointer in (
        ({"brand": BRANDS[1]}, ""),
        ({"questions": ["一", "一"]}, "/questions"),
        ({"models": []}, "/models"),
    ):
        refused = api("POST", "/api/v1/diagnoses/estimate", asked | wrong)
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer)


def test_an_estimate_is_not_below_what_it_comes_to(diagnoses: Diagnoses, api: Api) -> None:
    """At most means at most: the worst case that is reserved, cell by cell, is not passed."""
    task = diagnoses.submitted(asking=3)
    told = api("POST", "/api/v1/diagnoses/estimate", task.params).body
    diagnoses.run(task)
    assert 0 < spent(api, task)["cost"] <= told["cost_at_most"]
    assert budget.likely_tokens("电动车 car") == 3 + 1


def test_pausing_for_the_budget_does_not_reach_into_a_later_attempt(diagnoses: Diagnoses) -> None:
    # GIVEN a worker of an attempt that was paused and resumed meanwhile
    task = diagnoses.submitted(asking=1, models=["qwen"], max_tokens=1)
    [cell] = diagnoses.plan(task)
    lifecycle.pause(task.task_id, "acme")
    assert diagnoses.resumed(task).attempt == 2

    # WHEN it finds the budget reached
    diagnoses.ask(cell)

    # THEN the attempt that runs goes on
    assert diagnoses.task(task.task_id).status == "RUNNING"
    with longhaul_database.connection() as session:
        row = store.fetch(session, task.task_id)
    assert row is not None
    assert (row.budget, row.caller_notified) == (Budget(max_tokens=1), False)
