"""Slots on DynamoDB's API: who gets one, who waits, what a dead holder and a failing provider do."""

import itertools
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longhaul import aws
from longhaul.aws import circuit, dynamodb, semaphore
from longhaul.aws.semaphore import Lease, Outcome, Standing
from longhaul.errors import BadAnswer, DatabaseUnavailable, OutOfTime, ProviderThrottled, ProviderUnavailable
from tests.integration import ageing


@pytest.fixture
def name(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """A provider nobody knows yet. Callers wait for half a second."""
    monkeypatch.setattr(semaphore, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(semaphore, "MIN_PAUSE", 0.05)
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    return f"test-{os.urandom(4).hex()}"


def hold(name: str, limit: int, error: type[BaseException] | None = None) -> None:
    with semaphore.held(name, limit, 60):
        if error:
            raise error


def fail(name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ProviderUnavailable):
            hold(name, 3, ProviderUnavailable)


def stored(name: str) -> dict[str, Any]:
    item = aws.client("dynamodb").get_item(TableName="breaker", Key={"circuit": {"S": f"slots:{name}"}})["Item"]
    return {key: next(iter(value.values())) for key, value in item.items()}


def test_there_are_as_many_as_the_limit_says(name: str) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(semaphore.held(name, 3, 60))
        assert semaphore.read(name).held == {0, 1, 2}
        with pytest.raises(ProviderThrottled, match="are taken") as raised:
            hold(name, 3)
        assert raised.value.retry_after == semaphore.MAX_PAUSE
    hold(name, 3)
    assert semaphore.read(name).held == set()


def test_who_waits_gets_the_slot_that_gets_free(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semaphore, "WAIT_SECONDS", 60.0)
    refused = threading.Event()
    take = semaphore.take

    def noted(*args: Any, **kwargs: Any) -> tuple[bool, Standing]:
        taken, standing = take(*args, **kwargs)
        if not taken:
            refused.set()
        return taken, standing

    monkeypatch.setattr(semaphore, "take", noted)
    with semaphore.held(name, 1, 60):
        waiting = threading.Thread(target=hold, args=(name, 1))
        waiting.start()
        assert refused.wait(30), "it has asked, and waits"
    waiting.join(30)
    assert semaphore.read(name) == Standing(frozenset(), 0)


def test_a_dead_holders_slot_is_free_when_its_lease_ends(name: str) -> None:
    dead = Lease(name, 0, "dead")
    assert semaphore.take(dead, 1, 60)[0]
    with pytest.raises(ProviderThrottled):
        hold(name, 1)
    ageing.end_leases(name)
    hold(name, 1)
    with semaphore.held(name, 1, 60):
        semaphore.give_back(dead, Outcome.failed)  # it was not, but late
        assert semaphore.read(name) == Standing(frozenset({0}), 0), "neither the slot nor the failures are its any more"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_no_answer_of_the_provider_counts_for_nothing(name: str, error: type[BaseException]) -> None:
    fail(name, 2)
    with pytest.raises(error):
        hold(name, 3, error)
    assert semaphore.read(name) == Standing(frozenset(), 2)


def test_a_permanent_error_is_an_answer(name: str) -> None:
    fail(name, 4)
    with pytest.raises(BadAnswer):
        hold(name, 3, BadAnswer)
    assert semaphore.read(name) == Standing(frozenset(), 0)


def test_five_failures_in_a_row_close_the_door(name: str, warnings: list[str]) -> None:
    fail(name, 4)
    hold(name, 3)
    fail(name, 4)
    assert semaphore.left_alone_until(name) is None
    fail(name, 1)
    assert warnings == ["provider left alone"]
    until = semaphore.left_alone_until(name)
    assert until is not None
    assert until.timestamp() - time.time() == pytest.approx(circuit.OPEN_SECONDS, abs=5)
    with pytest.raises(ProviderUnavailable, match="5 times in a row and is left alone") as raised:
        hold(name, 3)
    assert raised.value.retry_after == pytest.approx(circuit.OPEN_SECONDS, abs=5)
    assert stored(name)["failures"] == "5"
    assert float(stored(name)["expires_at"]) > time.time() + 3600


def test_then_one_at_a_time_may_try(name: str) -> None:
    fail(name, 5)
    ageing.end_rest(name)
    with semaphore.held(name, 3, 60), pytest.raises(ProviderThrottled):
        hold(name, 3)
    with semaphore.held(name, 3, 60):
        hold(name, 3)


def test_a_provider_nobody_knows_gets_no_more_than_five(name: str) -> None:
    with ExitStack() as held:
        for _ in range(5):
            held.enter_context(semaphore.held(name, 10, 60))
        with pytest.raises(ProviderThrottled):
            hold(name, 10)
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(semaphore.held(name, 10, 60))


@given(limit=st.integers(1, 12), moves=st.lists(st.sampled_from(["take", "take", "fail", "die"]), max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_provider_that_never_answers_is_asked_five_times(name: str, limit: int, moves: list[str]) -> None:
    """In whatever order its holders come, fail and die."""
    provider, granted = f"{name}-{os.urandom(4).hex()}", 0
    held: list[Lease] = []
    for move in moves:
        if move == "take":
            lease = Lease(provider, granted, f"holder {granted}")
            if semaphore.take(lease, limit, 60)[0]:
                held.append(lease)
                granted += 1
        elif held:
            lease = held.pop(0)
            if move == "fail":
                semaphore.give_back(lease, Outcome.failed)
        assert len(semaphore.read(provider).held) <= limit
    assert granted <= circuit.FAILURES


def test_dynamodb_away_lets_callers_through(
    name: str, dynamodb_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (0.1, 0.1, 0))
    dynamodb_at("http://127.0.0.1:1")
    with semaphore.held(name, 1, 60):
        hold(name, 1)
    assert warnings == ["slots not limited"], "and is left alone for a while"
    assert semaphore.left_alone_until(name) is None


def test_a_hiccup_of_dynamodbs_lets_nobody_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with semaphore.held(name, 1, 60):
        take, asked = semaphore.take, itertools.count()

        def hiccup(lease: Lease, limit: int, seconds: float, *, cautious: bool) -> tuple[bool, Standing]:
            if next(asked) < 2:
                raise EndpointConnectionError(endpoint_url="http://dynamodb")
            return take(lease, limit, seconds, cautious=cautious)

        monkeypatch.setattr(semaphore, "take", hiccup)
        with pytest.raises(ProviderThrottled):
            hold(name, 1)


@pytest.mark.usefixtures("on_boto3")
def test_a_table_too_busy_to_say_is_one_that_is_full(name: str) -> None:
    with Stubber(aws.client("dynamodb")) as stub:
        for _ in range(20):
            stub.add_client_error("update_item", "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(ProviderThrottled):
            hold(name, 1)


@pytest.mark.parametrize("error", [OutOfTime, DatabaseUnavailable])
def test_an_error_of_our_own_is_no_failure_of_the_provider(name: str, error: type[Exception]) -> None:
    fail(name, 1)
    for _ in range(circuit.FAILURES):
        with pytest.raises(error):
            hold(name, 3, error)
    assert (semaphore.read(name).failures, semaphore.read(name).held) == (1, frozenset())
