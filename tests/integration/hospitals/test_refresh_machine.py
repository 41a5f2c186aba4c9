"""The state machine itself, executed, with functions that answer what the test says."""

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

import hospitals
from local.providers.llm import divisions
from longhaul.tasks.step_batches import calls_and_threads
from tests.machines import definition

DEFINITION = Path(hospitals.__file__).with_name("refresh_hospitals.asl.yaml")
ATTEMPT = {"task_id": "province_广东省_20231121_143052_1a2b3c4d", "attempt": 2}
SUMMARY = {"added": 7, "failed": []}

type Event = dict[str, Any]


class Raised(Exception):
    """What a function raises: the name of the class, as Lambda tells it."""


@dataclass
class Functions:
    """Seven fake functions. `errors`: what one raises for a code, or for any (None), call by call; the last stays."""

    provinces: list[str] = field(default_factory=lambda: ["640000"])
    errors: dict[tuple[str, str | None], list[str]] = field(default_factory=dict)
    in_flight: int = 2
    calls: list[tuple[str, Event]] = field(default_factory=list)
    most: Counter[str] = field(default_factory=Counter)
    _running: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, parameters: Event, region: str, state_credentials: object) -> Event:
        name, event = parameters["FunctionName"].split(":")[-1], json.loads(parameters["Payload"])
        with self._lock:
            self.calls.append((name, event))
            self._running[name] += 1
            self.most[name] = max(self.most[name], self._running[name])
        try:
            return {"Payload": self._answer(name, event), "StatusCode": 200}
        except Raised as error:
            problem = {"errorType": str(error), "errorMessage": f"{name} said so", "stackTrace": []}
            return {"Payload": problem, "FunctionError": "Unhandled", "StatusCode": 200}
        finally:
            with self._lock:
                self._running[name] -= 1

    def _answer(self, name: str, event: Event) -> Event:
        codes = event.get("codes") or [event.get("code")]
        if error := next(filter(None, (self._error(name, code) for code in codes)), ""):
            raise Raised(error)
        match name:
            case "ListProvinces":
                return {"provinces": [event | {"code": code, "name": "-", "within": ""} for code in self.provinces]}
            case "ListCities":
                cities = [city.code for city in divisions.cities()[event["code"]]]
                calls, threads = calls_and_threads(self.in_flight)
                return {
                    "cities": cities,
                    "max_districts_in_flight": self.in_flight,
                    "batches_at_once": calls,
                    "districts_at_once": threads,
                    "batch_size": max(threads, 50 // calls),
                }
            case "ListDistricts":
                return {"districts": [district.code for district in divisions.districts()[event["code"]]]}
            case "RefreshDistrict":
                time.sleep(0.02)
                return {"hospitals": 5}
            case "SummariseRefresh":
                return SUMMARY
        return {"done": True}

    def _error(self, name: str, code: str | None) -> str:
        for planned in (self.errors.get((name, code)), self.errors.get((name, None))):
            if planned:
                return planned.pop(0) if len(planned) > 1 else planned[0]
        return ""

    def called(self, name: str) -> list[Event]:
        return [event for called, event in self.calls if called == name]

    def refreshed(self) -> list[str]:
        """The codes of the districts, as often as each was given."""
        return [code for event in self.called("RefreshDistrict") for code in event["codes"]]


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
        "RefreshHospitals", json.dumps(definition(DEFINITION)), "arn:aws:iam::210987654321:role/states"
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


def test_every_district_of_a_province_is_refreshed_once(functions: Functions, run: Callable[[], Any]) -> None:
    assert run().status == "SUCCEEDED"
    assert [event["code"] for event in functions.called("ListCities")] == ["640000"]
    assert len(functions.called("ListDistricts")) == 5
    refreshed = functions.refreshed()
    assert len(set(refreshed)) == len(refreshed) == 22
    [batch] = functions.called("RefreshDistrict")
    assert batch == {**ATTEMPT, "codes": refreshed, "at_once": 2}
    assert functions.called("SummariseRefresh") == [ATTEMPT]
    assert functions.called("CloseTask") == [{**ATTEMPT, "outcome": "SUCCEEDED", "result": SUMMARY}]
    assert functions.called("FailStep") == []


def test_never_more_at_once_than_the_setting_says(functions: Functions, run: Callable[[], Any]) -> None:
    # GIVEN a province with more districts than one batch has
    functions.provinces = ["440000"]
    functions.in_flight = 25

    # WHEN it is refreshed
    run()

    # THEN its districts are in batches for each call that may be at work, of which no more are than the setting allows
    batches = functions.called("RefreshDistrict")
    assert sorted(len(batch["codes"]) for batch in batches) == [10, *[16] * 7]
    assert functions.most["RefreshDistrict"] * batches[0]["at_once"] <= 25
    assert functions.most["ListDistricts"] <= 25


def test_provinces_side_by_side(functions: Functions, run: Callable[[], Any]) -> None:
    functions.provinces = ["640000", "540000", "630000"]
    assert run().status == "SUCCEEDED"
    assert len(functions.refreshed()) == 22 + 74 + 44


@pytest.mark.parametrize(
    ("function", "code", "level", "refreshed"),
    [
        ("ListDistricts", "640200", "city", 22 - 3),
        ("ListCities", "640000", "province", 0),
    ],
)
def test_a_step_that_fails_is_recorded_and_the_rest_go_on(
    functions: Functions, run: Callable[[], Any], function: str, code: str, level: str, refreshed: int
) -> None:
    functions.errors[function, code] = ["BadAnswer"]
    assert run().status == "SUCCEEDED"
    [failed] = functions.called("FailStep")
    assert failed["error"]["Error"] == "BadAnswer"
    assert json.loads(failed["error"]["Cause"])["errorMessage"] == f"{function} said so"
    assert failed | {"error": None} == {
        **ATTEMPT,
        "key": f"{level}/{code}",
        "level": level,
        "error": None,
    }
    assert len(functions.refreshed()) == refreshed
    assert functions.called("CloseTask")[0]["outcome"] == "SUCCEEDED"


def test_a_province_of_which_no_city_can_be_listed_has_no_batches(functions: Functions, run: Callable[[], Any]) -> None:
    functions.errors["ListDistricts", None] = ["BadAnswer"]
    assert run().status == "SUCCEEDED"
    assert len(functions.called("FailStep")) == 5
    assert functions.refreshed() == []
    assert functions.called("SummariseRefresh") == [ATTEMPT]


def test_a_batch_that_cannot_be_run_fails_what_is_left_of_it_and_the_rest_go_on(
    functions: Functions, run: Callable[[], Any]
) -> None:
    functions.provinces = ["440000"]
    functions.errors["RefreshDistrict", "440104"] = ["KeyError"]
    assert run().status == "SUCCEEDED"
    [failed] = functions.called("FailStep")
    assert (failed["error"]["Error"], failed["prefix"], len(failed["keys"])) == ("KeyError", "district/", 50)
    assert "440104" in failed["keys"]
    assert len(functions.refreshed()) == 122


@pytest.mark.parametrize(
    "error", ["ProviderThrottled", "DatabaseUnavailable", "Lambda.Unknown", "Runtime.ExitError", "OutOfTime"]
)
def test_what_is_transient_is_tried_again(functions: Functions, run: Callable[[], Any], error: str) -> None:
    functions.errors["RefreshDistrict", "640104"] = [error, ""]
    assert run().status == "SUCCEEDED"
    assert functions.refreshed().count("640104") == 2
    assert functions.called("FailStep") == []


@pytest.mark.parametrize("function", ["ListCities", "ListDistricts", "RefreshDistrict"])
def test_a_stopped_task_ends_quietly(functions: Functions, run: Callable[[], Any], function: str) -> None:
    functions.errors[function, None] = ["TaskStopped"]
    functions.errors["SummariseRefresh", None] = ["TaskStopped"]
    assert run().status == "SUCCEEDED"
    assert functions.called("FailStep") == functions.called("CloseTask") == []


def test_a_failure_that_cannot_be_recorded_stops_nothing(functions: Functions, run: Callable[[], Any]) -> None:
    functions.errors["RefreshDistrict", "640104"] = ["BadAnswer"]
    functions.errors["FailStep", None] = ["KeyError"]
    assert run().status == "SUCCEEDED"
    assert functions.called("CloseTask")[0]["outcome"] == "SUCCEEDED"


@pytest.mark.parametrize("function", ["ListProvinces", "SummariseRefresh"])
def test_too_many_failures_close_the_task_as_failed(
    functions: Functions, run: Callable[[], Any], function: str
) -> None:
    functions.errors[function, None] = ["TooManyFailures"]
    ended = run()
    assert (ended.status, ended.error) == ("FAILED", "TooManyFailures")
    [closed] = functions.called("CloseTask")
    assert (closed["outcome"], closed["error"]["Error"]) == ("FAILED", "TooManyFailures")
    assert "said so" in closed["error"]["Cause"]


def test_a_task_that_cannot_be_closed_leaves_a_failed_execution(functions: Functions, run: Callable[[], Any]) -> None:
    functions.errors["CloseTask", None] = ["KeyError"]
    ended = run()
    assert (ended.status, ended.error) == ("FAILED", "NotClosed")
