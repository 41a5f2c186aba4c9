"""The circuit of a provider: DynamoDB's API over HTTP, in this process and beside others."""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.circuit_breaker import base
from aws_lambda_powertools.utilities.circuit_breaker.persistence import base as persistence
from aws_lambda_powertools.utilities.circuit_breaker.persistence import dynamodb as dynamodb_persistence
from botocore.stub import Stubber

from longhaul import aws
from longhaul.aws import circuit
from longhaul.aws.circuit import OPEN_SECONDS, READ_SECONDS, Circuit
from longhaul.errors import BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import metrics
from tests.requesting import sent_requests

ANSWER = 5
# Another execution environment: it calls once, and prints the outcome.
ELSEWHERE = """
import sys
from longhaul.aws.circuit import Circuit
from longhaul.errors import LonghaulError
try:
    print(Circuit(sys.argv[1], table="breaker").call(lambda: 5))
except LonghaulError as error:
    print(error.code, error.retry_after)
"""


class Provider:
    """It answers, or fails with `error`; `calls` counts both. It waits for `held` first, if that is set."""

    def __init__(self) -> None:
        self.error: type[LonghaulError] | None = None
        self.held: threading.Event | None = None
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.held is not None:
            self.held.wait(10)
        if self.error is not None:
            raise self.error("away")
        return ANSWER


@pytest.fixture(autouse=True)
def no_metrics(environment: dict[str, Any]) -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


@pytest.fixture
def provider() -> Provider:
    return Provider()


class Clock:
    """The time of this process's circuits. It stands still until it is told to pass, however slow the machine is."""

    def __init__(self) -> None:
        self.time = time.time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time)

    def pass_by(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (base, persistence, dynamodb_persistence):
        monkeypatch.setattr(module, "dt", SimpleNamespace(datetime=clock))
    monkeypatch.setattr(circuit, "time", SimpleNamespace(time=lambda: clock.time))
    return clock


@pytest.fixture
def guard(clock: Clock) -> Circuit:
    """Of a name of its own: a circuit remembers failures under it."""
    return Circuit(f"provider-{secrets.token_hex(4)}", table="breaker")


def fail(guard: Circuit, provider: Provider, times: int, error: type[LonghaulError] = ProviderUnavailable) -> None:
    provider.error = error
    for _ in range(times):
        with pytest.raises(error, match="away"):
            guard.call(provider)
    provider.error = None


def refused(guard: Circuit, provider: Provider) -> float | None:
    """The seconds for which the circuit says that it is still open."""
    with pytest.raises(ProviderUnavailable, match="left alone") as raised:
        guard.call(provider)
    return raised.value.retry_after


def elsewhere(guard: Circuit) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, guard._name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def stored(guard: Circuit) -> dict[str, Any]:
    key = {"circuit": {"S": guard._name}}
    item = aws.client("dynamodb").get_item(TableName="breaker", Key=key).get("Item", {})
    return {name: next(iter(value.values())) for name, value in item.items()}


@pytest.mark.parametrize("error", [ProviderUnavailable, ProviderThrottled])
def test_five_failures_in_a_row_open_the_circuit(
    guard: Circuit, provider: Provider, error: type[LonghaulError]
) -> None:
    fail(guard, provider, 4, error)
    assert stored(guard) == {}, "nothing is written while it is closed"
    fail(guard, provider, 1, error)
    retry_after = refused(guard, provider)
    assert retry_after is not None
    assert OPEN_SECONDS - 1 <= retry_after <= OPEN_SECONDS, "by the whole seconds that Powertools keeps"
    assert provider.calls == 5, "the provider is left alone, well as it is again"
    assert metrics.metric_set["CircuitOpened"]["Value"] == [1.0]
    assert stored(guard)["state"] == "OPEN"
    assert float(stored(guard)["expires_at"]) > time.time() + 600


def test_an_open_circuit_is_open_for_every_process(guard: Circuit, provider: Provider, clock: Clock) -> None:
    assert elsewhere(guard) == str(ANSWER)
    fail(guard, provider, 5)
    code, retry_after = elsewhere(guard).split()
    assert code == "provider_unavailable"
    assert float(retry_after) > 0, "by the 30 s that process goes by"
    clock.pass_by(OPEN_SECONDS)
    assert guard.call(provider) == ANSWER
    assert elsewhere(guard) == str(ANSWER)


def test_one_caller_tries_and_its_success_closes_the_circuit(guard: Circuit, provider: Provider, clock: Clock) -> None:
    fail(guard, provider, 5)
    clock.pass_by(OPEN_SECONDS)
    provider.held, calls = threading.Event(), provider.calls  # held, so that the others come meanwhile
    outcomes: list[str] = []

    def call() -> None:
        try:
            outcomes.append(str(guard.call(provider)))
        except ProviderUnavailable as error:
            outcomes.append(str(error))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    deadline = time.monotonic() + 10
    while len(outcomes) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert all("left alone" in outcome for outcome in outcomes), outcomes
    provider.held.set()
    for caller in callers:
        caller.join()
    assert outcomes[3:] == [str(ANSWER)]
    assert provider.calls == calls + 1
    assert stored(guard)["state"] == "CLOSED"
    assert guard.call(provider) == ANSWER


def test_a_failed_try_opens_it_again(guard: Circuit, provider: Provider, clock: Clock) -> None:
    fail(guard, provider, 5)
    clock.pass_by(OPEN_SECONDS)
    fail(guard, provider, 1)
    calls = provider.calls
    assert refused(guard, provider)
    assert provider.calls == calls
    assert stored(guard)["state"] == "OPEN"


def test_a_permanent_error_is_an_answer(guard: Circuit, provider: Provider, clock: Clock) -> None:
    fail(guard, provider, 6, BadAnswer)
    for error, times in ((ProviderUnavailable, 4), (BadAnswer, 1)) * 2:
        fail(guard, provider, times, error)
    assert stored(guard) == {}, "no five in a row"
    fail(guard, provider, 5)
    clock.pass_by(OPEN_SECONDS)
    fail(guard, provider, 1, BadAnswer)
    assert stored(guard)["state"] == "CLOSED"


def test_another_provider_has_another_circuit(guard: Circuit, provider: Provider) -> None:
    fail(guard, provider, 5)
    refused(guard, provider)
    assert Circuit(f"{guard._name}-next", table="breaker").call(provider) == ANSWER


def test_closed_it_reads_once_in_a_while_and_writes_nothing(guard: Circuit, provider: Provider, clock: Clock) -> None:
    with sent_requests("dynamodb") as requests:
        for _ in range(2):
            for _ in range(20):
                guard.call(provider)
            clock.pass_by(READ_SECONDS)
    assert [request.action for request in requests] == 2 * ["GetItem"]


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """dynamodb(url) points the functions' client elsewhere."""

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        aws._client.cache_clear()

    yield point
    aws._client.cache_clear()


def test_dynamodb_away_lets_every_call_through(
    guard: Circuit, provider: Provider, dynamodb: Callable[[str], None], warnings: list[str]
) -> None:
    dynamodb("http://127.0.0.1:1")
    assert guard.call(provider) == ANSWER
    assert warnings == ["circuit not read"]
    fail(guard, provider, 6)
    assert any("persistence write (save_open) failed" in warning for warning in warnings)
    assert warnings.count("circuit not read") == 1, "DynamoDB is left alone for a while"
    assert guard.call(provider) == ANSWER


@pytest.mark.usefixtures("on_boto3")
def test_dynamodb_away_when_a_caller_is_elected(
    guard: Circuit, provider: Provider, clock: Clock, warnings: list[str]
) -> None:
    guard = Circuit(guard._name, table="breaker", open_seconds=READ_SECONDS - 1)
    fail(guard, provider, 5)
    clock.pass_by(READ_SECONDS - 1)
    with Stubber(aws.client("dynamodb")) as stub:  # the state is known still; the table does not answer
        for operation in ("put_item", "update_item"):
            stub.add_client_error(operation, "InternalServerError", http_status_code=500)
        assert guard.call(provider) == ANSWER
    assert "circuit not written" in warnings
