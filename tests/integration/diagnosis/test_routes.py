"""Reading a diagnosis over HTTP: by cell, by grid, by the older names, and what the answers say of the cache."""

from dataclasses import replace
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.database import connections
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import live
from longhaul.tasks.following import record_progress
from longhaul.tasks.steps import ProgressEvent
from tests.calling import call, sample
from tests.chatting import StandIn
from tests.gateway import Api
from tests.integration.diagnosis.conftest import BRANDS, MODELS, QUESTIONS, Diagnoses, Sql

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

READS = ("", "/grid", "/cells/q01/deepseek")


def test_the_grid_before_during_and_after(diagnoses: Diagnoses, models: StandIn, api: Api, sql: Sql) -> None:
    # GIVEN a diagnosis one cell of which fails
    models.control(brands=BRANDS, models={"kimi": {"latency_ms": 0, "script": ["wrong_schema"] * 3}})
    task = diagnoses.submitted(models=["deepseek", "kimi"])
    place = f"/api/v1/diagnoses/{task.task_id}/grid"

    # WHEN it is read before it is planned, on the way and at its end
    first = api.get(place)
    cells = diagnoses.plan(task)
    diagnoses.ask(cells[0])
    second = api.get(place)
    for cell in cells[1:]:
        diagnoses.ask(cell)
    diagnoses.report(task)
    third = api.get(place)

    # THEN every cell is in it each time, and rows and columns add up to the whole
    sums = [
        (grid["sums"]["waiting"], grid["sums"]["answered"], grid["sums"]["failed"]) for grid in (first, second, third)
    ]
    assert sums == [(4, 0, 0), (3, 1, 0), (0, 3, 1)]
    for grid in (first, second, third):
        assert [row["text"] for row in grid["rows"]] == QUESTIONS[:2]
        assert [[cell["key"] for cell in row["cells"]] for row in grid["rows"]] == [
            [f"{key}/deepseek", f"{key}/kimi"] for key in ("q01", "q02")
        ]
        for name in ("waiting", "answered", "failed", "skipped", "named", "tokens"):
            assert sum(row["sums"][name] for row in grid["rows"]) == grid["sums"][name]
            assert sum(column["sums"][name] for column in grid["columns"]) == grid["sums"][name]
    assert [column["model"] for column in third["columns"]] == ["deepseek", "kimi"]
    [failed] = [cell for row in third["rows"] for cell in row["cells"] if cell["state"] == "failed"]
    assert (failed["model"], failed["named"]) == ("kimi", None)
    assert "Reading" in failed["reason"]
    stored = sql("SELECT SUM(prompt_tokens + completion_tokens) AS tokens FROM diagnosis_cells")
    assert third["sums"]["tokens"] == stored[0]["tokens"]


@pytest.mark.parametrize("what", READS)
def test_what_has_not_changed_is_304_and_another_tenants_is_not_there(
    diagnoses: Diagnoses, api: Api, what: str
) -> None:
    task = diagnoses.run(diagnoses.submitted(asking=1))
    place = f"/api/v1/diagnoses/{task.task_id}{what}"
    first = api("GET", place)
    assert first.status == 200
    assert api("GET", place, if_none_match=first.headers["ETag"]).status == 304
    assert Api("globex", functions=api.functions)("GET", place).status == 404
    assert api("GET", place.replace("brand_diagnosis_", "brand_diagnosis_x")).status == 404


def test_what_is_no_diagnosis_or_no_cell_is_not_there(diagnoses: Diagnoses, api: Api, running_task: Any) -> None:
    other, task = running_task(), diagnoses.submitted(asking=1)
    for place in (f"/api/v1/diagnoses/{other.task_id}", f"/test/status/{other.task_id}"):
        assert api("GET", place).status == 404
    cells = f"/api/v1/diagnoses/{task.task_id}/cells"
    assert api("GET", f"{cells}/q02/deepseek").status == 404
    assert api("GET", f"{cells}/q01/kimi").status == 404
    assert api("GET", f"{cells}/7/deepseek").status == 400
    waiting = api.get(f"{cells}/q01/deepseek")
    assert (waiting["state"], waiting["answer"], waiting["asked_by"]) == ("waiting", None, None)


def test_a_running_diagnosis_cannot_be_retried(diagnoses: Diagnoses, api: Api) -> None:
    task = diagnoses.submitted(asking=1)
    refused = api("POST", f"/api/v1/diagnoses/{task.task_id}/retry")
    assert (refused.status, refused.body["task_status"]) == (409, "RUNNING")
    assert "pause" in refused.body["allowed_actions"]


def test_progress_by_its_older_names(
    diagnoses: Diagnoses, api: Api, sent: Any, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a diagnosis seven of whose nine cells are done, and counted
    task = diagnoses.submitted(asking=3)
    for cell in diagnoses.plan(task)[:7]:
        diagnoses.ask(cell)
    place = f"/test/status/{task.task_id}"

    # THEN before its item is there, the reader is told that it is not
    live.forget([task.task_id])
    assert api.get(place)["cache_sync_status"] == "cache_miss"

    # AND with it, how far the diagnosis is
    for event in sent("progress"):
        record_progress([ProgressEvent.model_validate(event)])
    told = api.get(place)
    assert told == {
        "execution_id": task.task_id,
        "task_id": task.task_id,
        "status": "RUNNING",
        "stage": "ai_fetching",
        "progress": 77,
        "completed": 7,
        "failed": 0,
        "total": 9,
        "current_step": told["current_step"],
        "cache_sync_status": "synced",
    }
    assert told["current_step"].startswith("doubao · q01" if "doubao" in told["current_step"] else "qwen · q0")

    # AND an item that is wrong is told of, logged and repaired, and the row is what is shown
    item = live.read(task.task_id)
    assert item is not None
    live.overwrite([replace(item, progress=7, steps_done=1)])
    assert api("GET", place, cache_control="no-cache").body["cache_sync_status"] == "out_of_sync"
    assert "live item out of sync" in warnings
    assert api.get(place)["cache_sync_status"] == "synced"

    # AND without the database, the item is all there is
    monkeypatch.setattr(connections, "open_connection", _away)
    longhaul_database.close()
    from longhaul import cache

    monkeypatch.setattr(cache, "read", _away)
    told = api.get(place)
    assert (told["cache_sync_status"], told["status"], told["total"]) == ("unknown", "RUNNING", None)


def _away(*_: Any, **__: Any) -> None:
    raise DatabaseUnavailable


def test_the_sample_events_are_what_the_functions_take(diagnoses: Diagnoses) -> None:
    """serve_diagnoses, plan_calls, ask_model and write_report: of a task there is none of."""
    assert call("diagnosis", "serve_diagnoses", sample("diagnosis", "serve_diagnoses"))["statusCode"] == 404
    for name in ("plan_calls", "ask_model", "write_report"):
        with pytest.raises(Exception, match=r"no task|no cell|does not run"):
            call("diagnosis", name, sample("diagnosis", name))
    assert len(MODELS) == 3
