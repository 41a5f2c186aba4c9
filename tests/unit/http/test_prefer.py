"""Prefer: wait=N: what is asked for, and how long an answer is held."""

from typing import cast

import pytest

from longhaul.http import Api, held, wait_of
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
    """An app in the middle of a request, with so many milliseconds left."""

    def __init__(self, left: int) -> None:
        self.lambda_context = Context()
        self.lambda_context.get_remaining_time_in_millis = lambda: left  # type: ignore[method-assign]


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


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
    monkeypatch: pytest.MonkeyPatch, wait: int | None, left: int, looks: list[float]
) -> None:
    clock, seen = Clock(monkeypatch), list[float]()

    def look() -> float:
        seen.append(clock.now)
        return clock.now

    last = held(cast(Api, Stub(left)), wait, look, lambda now: False, sleep=clock.sleep)
    assert (seen, last) == (looks, looks[-1])


def test_what_is_done_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    app = cast(Api, Stub(29_000))
    assert held(app, 20, lambda: clock.now, lambda now: now >= 101.5, sleep=clock.sleep) == 101.5
    assert held(app, 20, lambda: clock.now, lambda now: True, sleep=clock.sleep) == 101.5
