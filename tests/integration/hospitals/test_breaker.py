"""The LLM's circuit: DynamoDB's API and the stand-in over HTTP, in this process and beside others."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from pydantic import BaseModel

from longhaul import aws, breaker, llm, settings
from longhaul.breaker import Circuit
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable
from longhaul.llm.client import Client
from longhaul.observability import metrics
from tests.chatting import StandIn, question

PROVINCE = "640000"
PROMPT = question(ask="cities", province=PROVINCE)
OPEN_SECONDS = 2
# What another execution environment would do: ask once, and say how that ended.
ELSEWHERE = """
from tests.integration.hospitals.test_breaker import ask
from longhaul.errors import LonghaulError
try:
    print(len(ask().cities))
except LonghaulError as error:
    print(error.code, error.retry_after)
"""


class Cities(BaseModel):
    cities: list[dict[str, str]]


def ask() -> Cities:
    return llm.ask(PROMPT, Cities)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "sleep", lambda seconds: None)
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Circuits open for seconds that a test can wait."""
    init = Circuit.__init__
    monkeypatch.setattr(
        Circuit, "__init__", lambda self, name, *, table: init(self, name, table=table, open_seconds=OPEN_SECONDS)
    )


def fail(times: int, error: type[Exception] = ProviderUnavailable) -> None:
    for _ in range(times):
        with pytest.raises(error) as raised:
            ask()
        assert "left alone" not in str(raised.value)


def refused() -> float | None:
    """Asks in vain; the seconds the circuit says it is still open."""
    with pytest.raises(ProviderUnavailable, match="left alone") as raised:
        ask()
    return raised.value.retry_after


def elsewhere() -> str:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def stored() -> dict[str, Any]:
    values = settings.of(settings.Llm)
    name = f"llm:{values.llm_model}@{values.llm_base_url.removeprefix('http://').removesuffix('/v1')}"
    item = aws.client("dynamodb").get_item(TableName=values.breaker_table, Key={"circuit": {"S": name}}).get("Item", {})
    return {key: next(iter(value.values())) for key, value in item.items()}


@pytest.mark.parametrize(("fault", "error"), [("drop", ProviderUnavailable), ("429", ProviderThrottled)])
def test_five_failing_asks_in_a_row_open_the_circuit(model: StandIn, fault: str, error: type[Exception]) -> None:
    model.control(fail_keys={PROVINCE: fault})
    fail(4, error)
    assert stored() == {}, "nothing is written while it is closed"
    fail(1, error)
    assert model.calls()["count"] == 5 * 4
    model.control()
    retry_after = refused()
    assert retry_after is not None
    assert breaker.OPEN_SECONDS - 5 < retry_after <= breaker.OPEN_SECONDS
    assert model.calls()["count"] == 5 * 4, "the provider is left alone, well as it is again"
    assert metrics.metric_set["CircuitOpened"]["Value"] == [1.0]
    assert stored()["state"] == "OPEN"
    assert float(stored()["expires_at"]) > time.time() + 600


def test_an_open_circuit_is_open_for_every_process(model: StandIn, soon: None) -> None:
    assert elsewhere() == "5"
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    model.control()
    asked = model.calls()["count"]
    code, retry_after = elsewhere().split()
    assert code == "provider_unavailable"
    assert float(retry_after) > 0, "by the 30 s that process goes by"
    assert model.calls()["count"] == asked
    time.sleep(OPEN_SECONDS)
    assert len(ask().cities) == 5
    assert elsewhere() == "5"


def test_one_caller_tries_and_its_success_closes_the_circuit(
    model: StandIn, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "2")
    settings.of.cache_clear()
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    time.sleep(OPEN_SECONDS + 0.5)
    model.control(fail_keys={PROVINCE: "timeout"})  # held, so that the others come while it is asked
    asked = model.calls()["count"]
    outcomes: list[str] = []

    def ask_in_vain() -> None:
        try:
            ask()
        except ProviderUnavailable as error:
            outcomes.append(f"{error} {error.retry_after}")

    callers = [threading.Thread(target=ask_in_vain) for _ in range(4)]
    for caller in callers:
        caller.start()
    deadline = time.monotonic() + 10
    while len(outcomes) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert all("left alone" in outcome for outcome in outcomes), outcomes
    assert model.calls()["count"] == asked + 1
    model.control()  # the held request is given up after two seconds, and the next one answered
    for caller in callers:
        caller.join()
    assert len(outcomes) == 3
    assert stored()["state"] == "CLOSED"
    assert len(ask().cities) == 5
    assert model.calls()["count"] == asked + 3


def test_a_failed_try_opens_it_again(model: StandIn, soon: None) -> None:
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    time.sleep(OPEN_SECONDS)
    fail(1)
    asked = model.calls()["count"]
    assert refused()
    assert model.calls()["count"] == asked
    assert stored()["state"] == "OPEN"


def test_a_bad_answer_is_an_answer(model: StandIn, soon: None) -> None:
    model.control(fail_keys={PROVINCE: "broken_json"})
    fail(6, BadAnswer)
    for fault, error, times in (("500", ProviderUnavailable, 4), ("broken_json", BadAnswer, 1)) * 2:
        model.control(fail_keys={PROVINCE: fault})
        fail(times, error)
    assert stored() == {}, "no five in a row"
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    time.sleep(OPEN_SECONDS)
    model.control(fail_keys={PROVINCE: "broken_json"})
    fail(1, BadAnswer)
    assert stored()["state"] == "CLOSED"


def test_another_model_has_another_circuit(model: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    refused()
    monkeypatch.setenv("LLM_MODEL", f"{settings.of(settings.Llm).llm_model}-next")
    settings.of.cache_clear()
    model.control()
    assert len(ask().cities) == 5


def test_closed_it_reads_once_in_a_while_and_writes_nothing(model: StandIn) -> None:
    asked: list[str] = []
    aws.client("dynamodb").meta.events.register(
        "before-send.dynamodb", lambda request, **_: asked.append(request.headers["X-Amz-Target"].decode())
    )
    started = time.monotonic()
    for _ in range(20):
        ask()
    reads = 1 + (time.monotonic() - started) // breaker.READ_SECONDS
    assert set(asked) == {"DynamoDB_20120810.GetItem"}
    assert len(asked) <= reads


@pytest.fixture
def dynamodb(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """dynamodb(url) points the functions' client elsewhere."""

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        aws._client.cache_clear()

    yield point
    aws._client.cache_clear()


def test_dynamodb_away_lets_every_call_through(
    model: StandIn, dynamodb: Callable[[str], None], warnings: list[str]
) -> None:
    dynamodb("http://127.0.0.1:1")
    assert len(ask().cities) == 5
    assert warnings == ["circuit not read"]
    model.control(fail_keys={PROVINCE: "500"})
    fail(6)
    assert any("persistence write (save_open) failed" in warning for warning in warnings)
    assert warnings.count("circuit not read") == 1, "DynamoDB is left alone for a while"
    model.control()
    assert len(ask().cities) == 5


def test_dynamodb_away_when_a_caller_is_elected(model: StandIn, soon: None, warnings: list[str]) -> None:
    model.control(fail_keys={PROVINCE: "500"})
    fail(5)
    model.control()
    time.sleep(OPEN_SECONDS)
    with Stubber(aws.client("dynamodb")) as stub:  # the state is known still; the table does not answer
        for operation in ("put_item", "update_item"):
            stub.add_client_error(operation, "InternalServerError", http_status_code=500)
        assert len(ask().cities) == 5
    assert "circuit not written" in warnings
