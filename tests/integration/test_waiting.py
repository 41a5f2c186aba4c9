"""Places of those who wait, on DynamoDB's API: how many there are, and what a dead holder and an outage do."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from longhaul import aws
from longhaul import settings as longhaul_settings
from longhaul.aws import dynamodb, semaphore
from longhaul.cache import debounce
from longhaul.http import limits, waiting
from tests.integration import ageing

PER_TENANT, AT_ONCE = 3, 7


@pytest.fixture
def tenant(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tenant of whom nobody waits, in a deployment of few places. The environment remembers nothing."""
    monkeypatch.setenv("WAITS_PER_TENANT", str(PER_TENANT))
    monkeypatch.setenv("WAITS_AT_ONCE", str(AT_ONCE))
    monkeypatch.setattr(waiting, "ALL", f"waits-{os.urandom(4).hex()}")
    monkeypatch.setattr(waiting, "FULL_SECONDS", 0.0)
    monkeypatch.setattr(waiting._Memory, "full_until", {})
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    longhaul_settings.of.cache_clear()
    yield "acme"
    longhaul_settings.of.cache_clear()


def held(stack: ExitStack, tenant: str, times: int) -> int:
    """How many of so many requests of the tenant find a place, which they keep until the stack is closed."""
    return sum(stack.enter_context(waiting.place(tenant, 60)) for _ in range(times))


def left(tenant: str) -> tuple[int, int]:
    """The places that are held: of the tenant, of all."""
    return len(semaphore.read(f"{waiting.ALL}:{tenant}").held), len(semaphore.read(waiting.ALL).held)


def test_a_tenant_has_so_many_places_and_all_together_so_many(tenant: str) -> None:
    with ExitStack() as stack:
        assert held(stack, tenant, 5) == PER_TENANT
        assert held(stack, "beta", 5) == PER_TENANT
        assert held(stack, "gamma", 5) == AT_ONCE - 2 * PER_TENANT
        assert left("gamma") == (1, AT_ONCE), "what is refused for all is given back for the tenant"
    assert (left(tenant), left("gamma")) == ((0, 0), (0, 0))
    with ExitStack() as stack:
        assert held(stack, tenant, 1) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_deployment_may_have_no_places(tenant: str, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv(("WAITS_PER_TENANT", "WAITS_AT_ONCE")[number], "0")
    longhaul_settings.of.cache_clear()
    with waiting.place(tenant, 60) as placed:
        assert not placed
    assert left(tenant) == (0, 0)


def test_many_at_once_get_no_more(tenant: str) -> None:
    """As many threads as environments, none of which knows of the others."""
    got, most, lock, done = list[bool](), list[int](), threading.Lock(), threading.Event()
    start = threading.Barrier(16)

    def wait(number: int) -> None:
        start.wait()
        with waiting.place(f"tenant-{number % 4}", 60) as placed:
            with lock:
                got.append(placed)
                most.append(len(semaphore.read(waiting.ALL).held))
            done.wait(30)

    waiters = [threading.Thread(target=wait, args=(number,)) for number in range(16)]
    for waiter in waiters:
        waiter.start()
    while len(got) < len(waiters):
        time.sleep(0.01)
    done.set()
    for waiter in waiters:
        waiter.join()
    assert 0 < sum(got) <= AT_ONCE
    assert max(most) <= AT_ONCE
    assert left(tenant) == (0, 0)


def test_a_place_is_given_back_when_its_holder_fails(tenant: str) -> None:
    with pytest.raises(ZeroDivisionError), waiting.place(tenant, 60):
        raise ZeroDivisionError
    assert left(tenant) == (0, 0)


def test_a_killed_functions_place_is_free_when_it_could_not_run_any_more(tenant: str) -> None:
    # GIVEN holders that do not come to give their places back
    for _ in range(PER_TENANT):
        assert waiting._take(tenant, 3600)
    with waiting.place(tenant, 60) as placed:
        assert not placed
    # WHEN the function's time is over
    for provider in (waiting.ALL, f"{waiting.ALL}:{tenant}"):
        ageing.end_leases(provider)
    # THEN
    assert left(tenant) == (0, 0)
    with waiting.place(tenant, 60) as placed:
        assert placed


def test_an_environment_remembers_for_a_moment_that_there_is_no_place(
    tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FULL_SECONDS", 60.0)
    with ExitStack() as stack:
        assert held(stack, tenant, PER_TENANT + 1) == PER_TENANT
    monkeypatch.setattr(semaphore, "take_any", None)  # asked, it would fail
    with waiting.place(tenant, 60) as placed:
        assert not placed


@pytest.fixture(params=["refuses", "does not answer"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a service that is away in this way."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield "http://127.0.0.1:1" if request.param == "refuses" else f"http://127.0.0.1:{silent.getsockname()[1]}"


def test_without_dynamodb_nobody_waits(
    tenant: str, away: str, dynamodb_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (0.1, 0.1, 0))
    dynamodb_at(away)
    for _ in range(3):
        with waiting.place(tenant, 60) as placed:
            assert not placed
    assert warnings == ["not waited"], "and it is left alone for a while"


def test_requests_go_on_uncounted_when_dynamodb_is_away(
    tenant: str, away: str, dynamodb_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (0.1, 0.1, 0))
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    dynamodb_at(away)
    assert limits.take(limits.Policy("write", 600), tenant) is None
    assert not debounce.claim("sync:7", "asked_at", every=30)
    assert warnings == ["not limited", "mark not claimed"]
