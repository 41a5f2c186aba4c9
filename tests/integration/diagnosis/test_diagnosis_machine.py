"""The state machine of diagnoses, executed, with functions that answer what the test says."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

import diagnosis
from tests.machines import definition

DEFINITION = Path(diagnosis.__file__).with_name("diagnose_brand.asl.yaml")
ATTEMPT = {"task_id": "brand_diagnosis_20261125_143052_1a2b3c4d", "attempt": 2}
OUTCOME = {"mention_rate": 0.5, "cells": {"planned": 12}}
COLUMNS = {"qwen": 3, "kimi": 1}  # batches, which are all asked at once

type Event = dict[str, Any]


@dataclass
class Functions:
    """Five fake functions. `errors`: what one raises for a cell, or for any (None), call by call; the last stays."""

    questions: int = 6
    errors: dict[tuple[str, str | None], list[str]] = field(default_factory=dict)
    calls: list[tuple[str, Event]] = field(default_factory=list)
    most: Counter[str] = field(default_factory=Counter)
    _running: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, parameters: Event, region: str, state_credentials: object) -> Event:
        name, event = parameters["FunctionName"].split(":")[-1], json.loads(parameters["Payload"])
        model = event["keys"][0].partition("/")[2] if name == "AskModel" else ""
        with self._lock:
            self.calls.append((name, event))
            self._running[model] += 1
            self.most[model] = max(self.most[model], self._running[model])
        try:
            if error := next(filter(None, (self._error(name, key) for key in event.get("keys", [None]))), ""):
                problem = {"errorType": error, "errorMessage": f"{name} said so", "stackTrace": []}
                return {"Payload": problem, "FunctionError": "Unhandled", "StatusCode": 200}
            return {"Payload": self._answer(name), "StatusCode": 200}
        finally:
            with self._lock:
                self._running[model] -= 1

    def _answer(self, name: str) -> Event | None:
        match name:
            case "PlanCalls":
                keys = {model: [f"q{n:02}/{model}" for n in range(1, self.questions + 1)] for model in COLUMNS}
                columns = [
                    {"batches": [{**ATTEMPT, "keys": keys[model][part::parts], "at_once": 1} for part in range(parts)]}
                    for model, parts in COLUMNS.items()
                ]
                return {"columns": columns if self.questions else []}
            case "AskModel":
                time.sleep(0.02)
                return None
            case "WriteReport":
                return OUTCOME
        return {"done": True}

    def _error(self, name: str, key: str | None) -> str:
        for planned in (self.errors.get((name, key)), self.errors.get((name, None))):
            if planned:
                return planned.pop(0) if len(planned) > 1 else planned[0]
        return ""

    def called(self, name: str) -> list[Event]:
        return [event for called, event in self.calls if called == name]


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Functions:
    fakes = Functions()
    monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", fakes.invoke)
    return fakes


@pytest.fixture(scope="module")
def backend() -> StepFunctionsParserBackend:
    return stepfunctions_parser_backends["210987654321"]["us-east-1"]


@pytest.fixture(scope="module")
def machine(backend: StepFunctionsParserBackend) -> Iterator[str]:
    made = backend.create_state_machine(
        "DiagnoseBrand", json.dumps(definition(DEFINITION)), "arn:aws:iam::210987654321:role/states"
    )
    yield made.arn
    backend.delete_state_machine(made.arn)


@pytest.fixture
def run(backend: StepFunctionsParserBackend, machine: str, functions: Functions) -> Callable[[], Any]:
    """Executes the machine and waits for its end."""

    def execute() -> Any:
        execution = backend.start_execution(machine, f"r-{time.time_ns()}", json.dumps(ATTEMPT))
        deadline = time.monotonic() + 30
        while (seen := backend.describe_execution(execution.execution_arn)).status == "RUNNING":
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.02)
        return seen

    return execute


def test_every_cell_is_asked_once_and_the_batches_of_a_model_at_once(
    functions: Functions, run: Callable[[], Any]
) -> None:
    assert run().status == "SUCCEEDED"
    asked = functions.called("AskModel")
    keys = [key for event in asked for key in event["keys"]]
    assert len(set(keys)) == len(keys) == 12
    assert asked[0].keys() == {"task_id", "attempt", "keys", "at_once"}
    assert (functions.most["qwen"], functions.most["kimi"]) == (3, 1)
    assert functions.called("WriteReport") == [ATTEMPT]
    assert functions.called("CloseTask") == [{**ATTEMPT, "outcome": "SUCCEEDED", "result": OUTCOME}]
    assert functions.called("FailStep") == []


def test_with_nothing_left_to_ask_the_report_is_written(functions: Functions, run: Callable[[], Any]) -> None:
    functions.questions = 0
    assert run().status == "SUCCEEDED"
    assert functions.called("AskModel") == []
    assert len(functions.called("WriteReport")) == 1


def test_a_batch_that_cannot_be_run_fails_what_is_left_of_it_and_the_rest_go_on(
    functions: Functions, run: Callable[[], Any]
) -> None:
    functions.errors["AskModel", "q02/qwen"] = ["KeyError"]
    assert run().status == "SUCCEEDED"
    [failed] = functions.called("FailStep")
    assert failed["error"]["Error"] == "KeyError"
    assert failed | {"error": None} == {**ATTEMPT, "keys": ["q02/qwen", "q05/qwen"], "error": None}
    assert len(functions.called("AskModel")) == 4
    assert functions.called("CloseTask")[0]["outcome"] == "SUCCEEDED"


@pytest.mark.parametrize("error", ["ProviderThrottled", "ProviderUnavailable", "Runtime.ExitError", "OutOfTime"])
def test_what_is_transient_is_tried_again(functions: Functions, run: Callable[[], Any], error: str) -> None:
    functions.errors["AskModel", "q01/qwen"] = [error, ""]
    assert run().status == "SUCCEEDED"
    assert ["q01/qwen" in event["keys"] for event in functions.called("AskModel")].count(True) == 2
    assert functions.called("FailStep") == []


def test_a_stopped_task_ends_quietly(functions: Functions, run: Callable[[], Any]) -> None:
    functions.errors["AskModel", None] = functions.errors["WriteReport", None] = ["TaskStopped"]
    assert run().status == "SUCCEEDED"
    assert functions.called("FailStep") == functions.called("CloseTask") == []


@pytest.mark.parametrize(("function", "error"), [("PlanCalls", "UnknownModel"), ("WriteReport", "TooManyFailures")])
def test_what_cannot_be_planned_or_reported_has_failed(
    functions: Functions, run: Callable[[], Any], function: str, error: str
) -> None:
    functions.errors[function, None] = [error]
    ended = run()
    assert (ended.status, ended.error) == ("FAILED", error)
    [closed] = functions.called("CloseTask")
    assert (closed["outcome"], closed["error"]["Error"]) == ("FAILED", error)
