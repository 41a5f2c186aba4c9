"""What a video may cost: reached half-way it pauses the task, raised it goes on, and nothing is paid for twice."""

import io
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import av
import pytest

from longhaul import database
from longhaul.errors import ProviderThrottled, TaskStopped
from longhaul.tasks import dispatch, lifecycle
from longhaul.testing import Run
from longhaul.workloads import budgets
from longhaul.workloads.budgets import BudgetReached
from longhaul.workloads.spending import Purse
from tests.integration.videos.conftest import created, failures, film_of, make
from tests.integration.videos.test_serving import ask, remade

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

FRAME, CLIP = Decimal("0.14"), Decimal("3.00")


def raised(run: Run, max_cost: str | None, **headers: str) -> dict[str, Any]:
    status, spending, _ = ask("PATCH", f"/{run.task_id}", {"max_cost": max_cost}, **headers)
    assert status == 200, spending
    return spending


def test_three_minutes_whose_budget_is_reached_half_way_are_whole_once_it_is_raised() -> None:
    # GIVEN 36 scenes, and money for their frames and 18 clips
    run = make({"seconds": 180, "max_cost": "60.00"})
    assert run.error is not None
    assert (run.status, run.error.code) == ("PAUSED", "budget_reached")
    assert "raise the budget and resume" in run.error.message
    status, video, _ = ask("GET", f"/{run.task_id}")
    assert (status, video["status"]) == (200, "PAUSED")
    assert video["spending"] == {"max_cost": "60", "cost": "59.04", "reserved_cost": "0.00"}
    paid = created()
    assert sum(paid.values()) == 36 + 18

    # WHEN its caller raises the budget and resumes
    assert raised(run, "113.04") == {"max_cost": "113.04", "cost": "59.04", "reserved_cost": "0.00"}
    run.resume()

    # THEN the film is whole, and the provider was asked for each frame and each clip once
    assert (run.status, run.error, failures(run)) == ("SUCCEEDED", None, {})
    assert run.result is not None
    assert (run.result["scenes"], run.result["missing"]) == (36, [])
    assert set(created().values()) == {1}
    assert len(created()) == 72
    assert Decimal(run.task.statistics["cost"]) == 36 * (FRAME + CLIP)
    with av.open(io.BytesIO(film_of(run))) as film:
        assert abs(film.duration / 1_000_000 - 180) < 0.2


def test_a_budget_that_is_too_low_again_pauses_again_and_without_limit_it_ends() -> None:
    run = make({"max_cost": "1.00"})
    raised(run, "4.00")
    assert (run.resume().status, failures(run)) == ("PAUSED", {})
    assert sum(created().values()) == 3
    assert raised(run, None)["max_cost"] is None
    assert run.resume().status == "SUCCEEDED"
    assert set(created().values()) == {1}


def test_a_video_without_a_budget_may_be_given_one() -> None:
    run = make({"approve": "storyboard"})
    raised(run, "1.00")
    assert run.resume().status == "PAUSED"
    assert run.error is not None
    assert run.error.code == "budget_reached"


def test_a_request_to_raise_it_that_is_sent_again_does_not_undo_anothers() -> None:
    run = make({"max_cost": "1.00"})
    raised(run, "4.00", idempotency_key="k1")
    raised(run, "5.00")
    assert raised(run, "4.00", idempotency_key="k1")["max_cost"] == "5"


def test_who_may_raise_what() -> None:
    run = make({"max_cost": "1.00"})
    assert ask("PATCH", f"/{run.task_id}", {"max_cost": "0"})[0] == 422
    assert ask("PATCH", f"/{run.task_id}", {})[0] == 422
    assert ask("GET", f"/{run.task_id}")[1]["spending"]["max_cost"] == "1"
    assert ask("PATCH", f"/{run.task_id}", {"max_cost": "9"}, tenant="other")[0] == 404
    raised(run, "9.00")
    assert run.resume().status == "SUCCEEDED"
    status, refused, _ = ask("PATCH", f"/{run.task_id}", {"max_cost": "10"})
    assert (status, refused["code"]) == (409, "illegal_transition")
    # AND a scene that is made anew has a budget of its own
    again = remade(run, 1, {"max_cost": "1.00"})
    assert again.status == "PAUSED"
    raised(again, "9.00")
    assert again.resume().status == "SUCCEEDED"


def test_of_two_steps_that_reach_it_at_once_none_takes_the_others_pause_for_an_answer() -> None:
    # GIVEN a task that runs, and two of its steps that have found the budget reached
    run = make({"max_cost": "1.00"})
    lifecycle.resume(run.task_id, "test")
    raised(run, "2.00")
    dispatch.dispatch([run.workload.name])
    task, outcomes, ready = run.task, Counter[str](), threading.Barrier(2)
    assert task.status == "RUNNING"

    def reach() -> None:
        ready.wait()
        try:
            budgets.pause(task, BudgetReached("the next request may cost 3"))
            outcomes["goes on"] += 1
        except TaskStopped:
            outcomes["stopped"] += 1
        finally:
            database.close()

    threads = [threading.Thread(target=reach) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"stopped": 2}
    assert run.status == "PAUSED"


def test_a_step_of_an_earlier_attempt_does_not_pause_the_later_one() -> None:
    run = make({"max_cost": "1.00"})
    before = run.task
    raised(run, "7.00")
    lifecycle.resume(run.task_id, "test")
    dispatch.dispatch([run.workload.name])
    with pytest.raises(TaskStopped):
        budgets.pause(before, BudgetReached("late"))
    assert run.status == "RUNNING"


def test_a_budget_that_was_raised_meanwhile_is_not_taken_for_reached() -> None:
    # GIVEN a step that has found the budget too small, and its caller who raises it before the task is paused
    run = make({"max_cost": "1.00"})
    raised(run, "2.00")
    lifecycle.resume(run.task_id, "test")
    dispatch.dispatch([run.workload.name])
    with pytest.raises(BudgetReached) as reached:
        Purse(run.task_id, "clips/clip/001", Decimal(1)).hold(CLIP)
    raised(run, "4.00")

    # THEN the task is not paused for what it was, but once the new one is reached
    with pytest.raises(budgets.BudgetChanged):
        budgets.pause(run.task, reached.value)
    assert run.status == "RUNNING"
    assert (run.resume().status, failures(run)) == ("PAUSED", {})


def test_a_job_of_an_unlimited_task_counts_when_the_task_is_given_a_budget() -> None:
    run = make({"approve": "script"})
    Purse(run.task_id, "clips/clip/001", None).hold(CLIP)
    raised(run, "4.00")
    with pytest.raises(ProviderThrottled):
        Purse(run.task_id, "clips/clip/002", None).hold(CLIP)


def test_what_is_reserved_is_under_the_budget_as_it_is_now() -> None:
    run = make({"approve": "script", "max_cost": "1.00"})
    raised(run, "4.00")
    Purse(run.task_id, "clips/clip/001", Decimal(1)).hold(CLIP)
    with pytest.raises(BudgetReached, match=r"of 4\.0000"):
        Purse(run.task_id, "clips/clip/002", Decimal(1)).hold(Decimal(5))
    assert raised(run, "4.00")["reserved_cost"] == "3.00"
