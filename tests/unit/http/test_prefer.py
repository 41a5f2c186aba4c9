"""Prefer: wait=N: what is asked for, and how long an answer is held."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from longhaul.http import Api, held, wait_of, waiting
from longhaul.http.prefer import headers_of
from tests.calling import Context


@pytest.mark.parametrize(
    ("prefer", "wait"),
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ('Wait = "7"; foo=bar, x', 7),
        ("wait=0", 0),
        ("wait=20", 20),
        ("wait=21", 20),
        ("wait=999999999", 20),
        ("wait=5, wait=9", 5),
        ("wait=x, wait=9", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait", None),
        ("wait=", None),
        ("wait=9999999999", None),
        ("respond-async", None),
        ("nowait=3", None),
        ("", None),
        (None, None),
    ],
)
def test_the_seconds_to_wait(prefer: str | None, wait: int | None) -> None:
    assert wait_of(prefer) == wait


def test_the_answer_says_what_was_applied_and_that_it_depends_on_it() -> None:
    assert headers_of(7) == {"Vary": "Authorization, Accept-Encoding, Prefer", "Preference-Applied": "wait=7"}
    assert headers_of(None) == {"Vary": "Authorization, Accept-Encoding, Prefer"}


class Stub:
    """An app in the middle of a request of acme's, with so many milliseconds left."""

    def __init__(self, left: int) -> None:
        self.context: dict[str, Any] = {}
        self.current_event = APIGatewayProxyEventV2(
            {"requestContext": {"authorizer": {"jwt": {"claims": {"sub": "ada", "tenant_id": "acme"}}}}}
        )
        self.lambda_context = Context()
        self.lambda_context.get_remaining_time_in_millis = lambda: left  # type: ignore[method-assign]


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Places:
    """The places for those who wait, and for whom and how long one was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.asked = True, list[tuple[str, float]]()
        monkeypatch.setattr(waiting, "place", self._place)

    @contextmanager
    def _place(self, tenant_id: str, seconds: float) -> Iterator[bool]:
        self.asked.append((tenant_id, seconds))
        yield self.free


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(monkeypatch)


@pytest.mark.parametrize(
    ("wait", "left", "looks"),
    [
        (None, 29_000, [100.0]),
        (0, 29_000, [100.0]),
        (1, 29_000, [100.0, 100.5, 101.0]),
        (20, 5_250, [100.0, 100.5, 101.0, 101.25]),  # the function has not as long
        (20, 1_000, [100.0]),
    ],
)
def test_nothing_happens_and_the_wait_ends(
    clock: Clock, places: Places, wait: int | None, left: int, looks: list[float]
) -> None:
    seen = list[float]()

    def look() -> float:
        seen.append(clock.now)
        return clock.now

    last = held(cast(Api, Stub(left)), wait, look, lambda now: False, sleep=clock.sleep)
    assert (seen, last) == (looks, (looks[-1], wait))
    # A place is held for as long as the function can run, and taken only by those who wait.
    assert places.asked == ([("acme", left / 1000)] if len(looks) > 1 else [])


def test_what_is_done_is_not_held(clock: Clock, places: Places) -> None:
    app = cast(Api, Stub(29_000))
    assert held(app, 20, lambda: clock.now, lambda now: now >= 101.5, sleep=clock.sleep) == (101.5, 20)
    places.free = False
    assert held(app, 20, lambda: clock.now, lambda now: True, sleep=clock.sleep) == (101.5, 20)


def test_without_a_place_the_answer_comes_at_once_and_no_wait_was_applied(clock: Clock, places: Places) -> None:
    places.free = False
    app = cast(Api, Stub(29_000))
    assert held(app, 20, lambda: clock.now, lambda now: False, sleep=clock.sleep) == (100.0, None)
