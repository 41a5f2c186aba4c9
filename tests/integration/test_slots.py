"""Slots on DynamoDB's API: who gets one, who waits, what a dead holder and a failing provider do."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longhaul import aws, breaker, leases, slots
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable
from longhaul.leases import Lease, Outcome, Standing


@pytest.fixture
def name(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """A provider nobody knows yet. Callers wait for half a second."""
    monkeypatch.setattr(slots, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(slots, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(slots._Memory, "rest_until", 0.0)
    return f"test-{os.urandom(4).hex()}"


def hold(name: str, limit: int, error: type[BaseException] | None = None) -> None:
    with slots.held(name, limit, 60):
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
            held.enter_context(slots.held(name, 3, 60))
        assert leases.read(name).held == {0, 1, 2}
        with pytest.raises(ProviderThrottled, match="are taken") as raised:
            hold(name, 3)
        assert raised.value.retry_after == slots.LONGEST_PAUSE
    hold(name, 3)
    assert leases.read(name).held == set()


def test_who_waits_gets_the_slot_that_gets_free(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "WAIT_SECONDS", 10.0)
    with slots.held(name, 1, 60):
        waiting = threading.Thread(target=hold, args=(name, 1))
        waiting.start()
        time.sleep(0.15)
        assert waiting.is_alive()
    waiting.join(5)
    assert leases.read(name) == Standing(frozenset(), 0)


def test_a_dead_holders_slot_is_free_when_its_lease_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "WAIT_SECONDS", 10.0)
    dead = Lease(name, 0, "dead")
    assert leases.take(dead, 1, 0.3)[0]
    hold(name, 1)
    with slots.held(name, 1, 60):
        leases.give_back(dead, Outcome.failed)  # it was not, but late
        assert leases.read(name) == Standing(frozenset({0}), 0), "neither the slot nor the failures are its any more"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_no_answer_of_the_provider_counts_for_nothing(name: str, error: type[BaseException]) -> None:
    fail(name, 2)
    with pytest.raises(error):
        hold(name, 3, error)
    assert leases.read(name) == Standing(frozenset(), 2)


def test_a_permanent_error_is_an_answer(name: str) -> None:
    fail(name, 4)
    with pytest.raises(BadAnswer):
        hold(name, 3, BadAnswer)
    assert leases.read(name) == Standing(frozenset(), 0)


def test_five_failures_in_a_row_close_the_door(name: str, warnings: list[str]) -> None:
    fail(name, 4)
    hold(name, 3)
    fail(name, 4)
    assert slots.left_alone_until(name) is None
    fail(name, 1)
    assert warnings == ["provider left alone"]
    until = slots.left_alone_until(name)
    assert until is not None
    assert until.timestamp() - time.time() == pytest.approx(breaker.OPEN_SECONDS, abs=5)
    with pytest.raises(ProviderUnavailable, match="5 times in a row and is left alone") as raised:
        hold(name, 3)
    assert raised.value.retry_after == pytest.approx(breaker.OPEN_SECONDS, abs=5)
    assert stored(name)["failures"] == "5"
    assert float(stored(name)["expires_at"]) > time.time() + 3600


def test_then_one_at_a_time_may_try(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "OPEN_SECONDS", 0.2)
    fail(name, 5)
    time.sleep(0.25)
    with slots.held(name, 3, 60), pytest.raises(ProviderThrottled):
        hold(name, 3)
    with slots.held(name, 3, 60):
        hold(name, 3)


def test_a_provider_nobody_knows_gets_no_more_than_five(name: str) -> None:
    with ExitStack() as held:
        for _ in range(5):
            held.enter_context(slots.held(name, 10, 60))
        with pytest.raises(ProviderThrottled):
            hold(name, 10)
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(slots.held(name, 10, 60))


@given(limit=st.integers(1, 12), moves=st.lists(st.sampled_from(["take", "take", "fail", "die"]), max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_provider_that_never_answers_is_asked_five_times(name: str, limit: int, moves: list[str]) -> None:
    """In whatever order its holders come, fail and die."""
    provider, granted = f"{name}-{os.urandom(4).hex()}", 0
    held: list[Lease] = []
    for move in moves:
        if move == "take":
            lease = Lease(provider, granted, f"holder {granted}")
            if leases.take(lease, limit, 60)[0]:
                held.append(lease)
                granted += 1
        elif held:
            lease = held.pop(0)
            if move == "fail":
                leases.give_back(lease, Outcome.failed)
        assert len(leases.read(provider).held) <= limit
    assert granted <= breaker.FAILURES


@pytest.fixture
def dynamodb(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """dynamodb(url) points the functions' client elsewhere."""

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        aws._client.cache_clear()

    yield point
    aws._client.cache_clear()


def test_dynamodb_away_lets_callers_through(
    name: str, dynamodb: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (0.1, 0.1, 0))
    dynamodb("http://127.0.0.1:1")
    with slots.held(name, 1, 60):
        hold(name, 1)
    assert warnings == ["slots not limited"], "and is left alone for a while"
    assert slots.left_alone_until(name) is None


def test_a_hiccup_of_dynamodbs_lets_nobody_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with slots.held(name, 1, 60):
        take, asked = leases.take, itertools.count()

        def hiccup(lease: Lease, limit: int, seconds: float) -> tuple[bool, Standing]:
            if next(asked) < 2:
                raise EndpointConnectionError(endpoint_url="http://dynamodb")
            return take(lease, limit, seconds)

        monkeypatch.setattr(leases, "take", hiccup)
        with pytest.raises(ProviderThrottled):
            hold(name, 1)


def test_a_table_too_busy_to_say_is_one_that_is_full(name: str) -> None:
    with Stubber(aws.client("dynamodb")) as stub:
        for _ in range(20):
            stub.add_client_error("update_item", "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(ProviderThrottled):
            hold(name, 1)
