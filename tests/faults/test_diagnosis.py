"""Diagnoses and bad luck: a model that is down, workers that are killed, many diagnoses at once."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.providers.llm.models import BY_NAME
from local.running import eventually
from longhaul.aws.circuit import FAILURES, OPEN_SECONDS
from tests.observation import Observer
from tests.providing import Provider

BRANDS = ["星野", "Lumo", "北辰"]
MODELS = ["deepseek", "qwen", "doubao"]
QUESTIONS = [f"第 {number} 个问题：买哪一款好？" for number in range(1, 13)]
MANY = int(os.environ.get("DIAGNOSES", "4"))  # the full measure: 200


@pytest.fixture(autouse=True)
def forgiven(observer: Observer) -> Iterator[None]:
    """No model is left alone for what it did in another test."""
    yield
    table, dynamodb = observer.physical("BreakerTable"), observer.aws("dynamodb")
    for item in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={"circuit": item["circuit"]})


def submit(observer: Observer, **changed: Any) -> str:
    asked = {"brand": BRANDS[0], "competitors": BRANDS[1:], "questions": QUESTIONS, "models": MODELS}
    body = {"kind": "brand_diagnosis", "params": asked | changed}
    return str(observer.post("/api/v1/tasks", body)["task_id"])


def test_one_model_of_three_is_down_for_the_whole_run(observer: Observer, provider: Provider) -> None:
    # GIVEN a model that is down
    provider.control(brands=BRANDS, models={"qwen": {"rates": {"500": 1}}})

    # WHEN a diagnosis asks it and two others
    began = time.monotonic()
    task = observer.ended(submit(observer), 120)
    probes = 1 + int((time.monotonic() - began) / OPEN_SECONDS)

    # THEN it has succeeded, that column is skipped and the others are complete
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 1), task
    grid = observer.get(f"/api/v1/diagnoses/{task['task_id']}/grid")
    sums = {column["model"]: column["sums"] for column in grid["columns"]}
    assert [sums[model]["answered"] for model in MODELS] == [12, 0, 12]
    assert sums["qwen"]["skipped"] + sums["qwen"]["failed"] == 12
    assert sums["qwen"]["skipped"] >= 12 - FAILURES
    report = observer.get(f"/api/v1/diagnoses/{task['task_id']}")["report"]
    assert len(report["overall"]["answered"]) == 24
    assert len(report["left_out"]) == 12

    # AND no more calls were made to it than it takes to see that it is down, and to look again
    assert FAILURES <= provider.calls()["by_model"]["qwen"] <= FAILURES + probes


def test_killed_workers_cost_what_they_had_under_way_and_nothing_is_stored_twice(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN a diagnosis whose models take their time
    slow = {model: {"latency_ms": 400} for model in MODELS}
    provider.control(brands=BRANDS, models=slow)
    task_id = submit(observer, questions=QUESTIONS[:6])
    eventually(lambda: provider.calls("question")["count"] >= 4, 60)

    # WHEN all workers at the models are killed, twice
    killed = 0
    for _ in range(2):
        workers = observer.stack.pids("AskModel", busy=True)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        killed += len(workers)
        time.sleep(0.7)
    assert killed

    # THEN it succeeds with every cell answered once, and asked once more at most for each request that a killed worker
    # had under way: it asks as many at once as its model takes
    task = observer.ended(task_id, 150)
    assert task["status"] == "SUCCEEDED", task
    assert observer.get(f"/api/v1/diagnoses/{task_id}")["report"]["cells"]["answered"] == 18
    asked = provider.calls()["count"]
    assert 36 <= asked <= 36 + killed * max(BY_NAME[model].max_concurrent for model in MODELS)
    rows = observer.sql("SELECT COUNT(*) AS cells, COUNT(answer) AS answers FROM diagnosis_cells")
    assert rows == [{"cells": 18, "answers": 18}]


def test_many_diagnoses_at_once_never_pass_a_models_concurrency(observer: Observer, provider: Provider) -> None:
    # GIVEN models that take a while
    provider.control(brands=BRANDS, models={model: {"latency_ms": 100} for model in MODELS})

    # WHEN many diagnoses ask them
    task_ids = [submit(observer, questions=QUESTIONS[:3]) for _ in range(MANY)]
    tasks = [observer.ended(task_id, 60 + 30 * MANY) for task_id in task_ids]

    # THEN all succeed with all of their cells, and no model was ever asked more at once than it takes
    assert {task["status"] for task in tasks} == {"SUCCEEDED"}
    cells = [task["result"]["cells"] for task in tasks]
    assert cells == [{"planned": 9, "answered": 9, "failed": 0, "skipped": 0}] * MANY
    most = provider.calls()["most_at_once"]
    assert all(0 < most[model] <= BY_NAME[model].max_concurrent for model in MODELS), most
