"""The engine's functions as Lambda calls them (plan_stage, run_step, finish_task, serve_callbacks), and results."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from longhaul.errors import TaskStopped
from longhaul.tasks.kinds import kinds
from longhaul.tasks.model import Task
from longhaul.workloads import StepContext, Workload
from tests.calling import ask, call, sample
from tests.integration.workloads.test_running import Numbers, doubling

pytestmark = [pytest.mark.usefixtures("model"), pytest.mark.filterwarnings("ignore:No application metrics to publish")]

type Running = Callable[..., Task]


@pytest.fixture
def stands_in(database: dict[str, Any]) -> Iterator[Callable[[Workload[Numbers]], None]]:
    """Runs a workload in place of the summaries, whose lane there is."""
    before = kinds()["text_summaries"]

    def stand_in(workload: Workload[Numbers]) -> None:
        kinds()["text_summaries"] = workload.kind

    yield stand_in
    kinds()["text_summaries"] = before


@pytest.fixture
def signing(stands_in: Callable[[Workload[Numbers]], None]) -> None:
    """The step waits for a signature."""
    workload: Workload[Numbers] = Workload("text_summaries", params=Numbers)

    @workload.step
    def sign(step: StepContext[Numbers]) -> dict[str, Any]:
        callback = step.callback(timeout=600)
        if callback.body is None:
            raise callback
        return {"by": callback.body["by"]}

    stands_in(workload)


def of(task: Task, **more: Any) -> dict[str, Any]:
    return {"task_id": task.task_id, "attempt": task.attempt, **more}


def results(task: Task, query: str = "", tenant: str = "acme") -> tuple[int, Any]:
    status, answer, _ = ask("serve_lists", "GET", f"/api/v1/tasks/{task.task_id}/results", query=query, tenant=tenant)
    return status, answer


def test_a_task_is_planned_run_finished_and_its_results_are_paged(
    running_task: Running, stands_in: Callable[[Workload[Numbers]], None]
) -> None:
    stands_in(doubling("text_summaries"))
    task = running_task("text_summaries", numbers=[1, 2, 3])
    page = call("engine", "plan_stage", of(task))
    assert (page["next"], page["stage"], page["in_flight"]) == ("run", "numbers", 5)
    assert page["batches"] == [{"first": n, "last": n} for n in (1, 2, 3)]
    assert page["function"].endswith(":RunStep")
    for batch in page["batches"]:
        outcome = call("engine", "run_step", of(task, stage="numbers", until=0, **batch))
        assert outcome["next"] == "done"
    assert call("engine", "plan_stage", of(task))["next"] == "finish"
    assert call("engine", "finish_task", of(task)) == {"finished": True}
    status, first = results(task, "limit=2")
    assert status == 200
    assert [item["key"] for item in first["items"]] == ["numbers/n/001", "numbers/n/002"]
    assert [item["output"] for item in first["items"]] == [{"doubled": 2}, {"doubled": 4}]
    _, rest = results(task, f"limit=2&cursor={first['next_cursor']}")
    assert ([item["label"] for item in rest["items"]], rest["next_cursor"]) == (["n/003"], None)
    assert results(task, "stage=nothing")[1]["items"] == []
    assert results(task, "status=FAILED")[1]["items"] == []
    assert results(task, tenant="other")[0] == 404


def test_a_callback_over_http_is_taken_once(running_task: Running, signing: None, sql: Any) -> None:
    task = running_task("text_summaries", numbers=[])
    page = call("engine", "plan_stage", of(task))
    run = of(task, stage="sign", until=0, **page["batches"][0])
    outcome = call("engine", "run_step", run)
    assert (outcome["next"], outcome["wait"]) == ("callback", 600)
    token = sql("SELECT token FROM step_callbacks")[0]["token"]

    def complete(token: str, body: Any) -> tuple[int, Any]:
        path = f"/api/v1/callbacks/{token}"
        status, answer, _ = ask("serve_callbacks", "POST", path, body, domain="engine")
        return status, answer

    assert complete("x" * 43, {"by": "Eve"})[0] == 404
    assert complete(token, {"by": "Ada"}) == (200, {"received": True})
    assert complete(token, {"by": "Ada"})[0] == 200, "its answer may have been lost"
    assert complete(token, {"by": "Eve"})[1]["code"] == "callback_used"
    assert call("engine", "run_step", run | {"until": outcome["until"]})["next"] == "done"
    assert results(task)[1]["items"][0]["output"] == {"by": "Ada"}


def test_what_cannot_be_run_at_all_is_a_failed_item(running_task: Running, signing: None) -> None:
    task = running_task("text_summaries", numbers=[])
    page = call("engine", "plan_stage", of(task))
    error = {"Error": "Runtime.ImportModuleError", "Cause": '{"errorMessage": "no module named x"}'}
    run = of(task, stage="sign", error=error, **page["batches"][0])
    assert call("engine", "run_step", run)["next"] == "done"
    assert results(task)[1]["items"][0]["error"]["message"] == "no module named x"


@pytest.mark.parametrize("name", ["plan_stage", "finish_task"])
def test_an_attempt_that_is_over_is_stopped(database: dict[str, Any], name: str) -> None:
    with pytest.raises(TaskStopped):
        call("engine", name, sample("engine", name))
    assert call("engine", "run_step", sample("engine", "run_step"))["next"] == "done"


def test_a_step_costs_three_statements(
    running_task: Running, stands_in: Callable[[Workload[Numbers]], None], statements: list[str]
) -> None:
    stands_in(doubling("text_summaries"))
    task = running_task("text_summaries", numbers=[1, 2])
    first, second = call("engine", "plan_stage", of(task))["batches"]
    call("engine", "run_step", of(task, stage="numbers", until=0, **first))
    statements.clear()
    call("engine", "run_step", of(task, stage="numbers", until=0, **second))
    assert statements == ["open_batch", "begin_item", "finish_step"]
