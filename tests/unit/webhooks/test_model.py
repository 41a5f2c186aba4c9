"""When a delivery is tried again, and for how long a webhook rests."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from longhaul.tasks.callbacks import NoticeType
from longhaul.tasks.model import CHANGED, RECOVERED, Transition
from longhaul.tasks.notices import PREFIX
from webhooks.model import MAX_TRIES, Outcome, Secrets, rest_delay, retry_after, retry_delay

NOW = datetime(2026, 12, 1, 2, tzinfo=UTC)
FAILED = Outcome(500, "the answer's status is 500")


def test_the_schedule_of_retries() -> None:
    delays = [retry_delay(tries, FAILED) for tries in range(1, MAX_TRIES + 1)]
    hours = [None if delay is None else delay / 3600 for delay in delays[3:]]
    assert delays[:3] == [5, 300, 1800]
    assert hours == [2, 5, 10, 14, 20, 24, None]


def test_a_webhook_that_fails_rests_longer_each_time_but_is_looked_at_each_hour() -> None:
    assert [rest_delay(failures, FAILED) for failures in (1, 2, 3, 4, 5, 100)] == [5, 300, 1800, 3600, 3600, 3600]


def test_what_a_receiver_asks_for_makes_a_wait_longer_and_never_shorter() -> None:
    patient, hasty = Outcome(429, "…", retry_after=900), Outcome(429, "…", retry_after=1)
    assert (retry_delay(1, patient), rest_delay(1, patient)) == (900, 900)
    assert (retry_delay(2, hasty), rest_delay(2, hasty)) == (300, 300)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "7", 7),
        (503, " 120 ", 120),
        (503, "99999999999999999999", 86_400),
        (429, "Tue, 01 Dec 2026 02:01:00 GMT", 60),
        (429, "Tue, 01 Dec 2026 01:00:00 GMT", 0),
        (503, "Tue, 01 Dec 2037 02:01:00 GMT", 86_400),
        (429, "-5", None),
        (429, "soon", None),
        (429, "", None),
        (429, None, None),
        (500, "7", None),
        (200, "7", None),
    ],
)
def test_retry_after_is_heeded_within_bounds(status: int, text: str | None, seconds: float | None) -> None:
    assert retry_after(status, text, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "succeeded"),
    [(200, True), (204, True), (299, True), (199, False), (301, False), (410, False), (None, False)],
)
def test_only_2xx_is_success(status: int | None, succeeded: bool) -> None:
    assert Outcome(status).succeeded is succeeded


def test_a_former_secret_signs_until_its_time_has_passed() -> None:
    secrets = Secrets("new", "former", NOW + timedelta(hours=24))
    assert secrets.at(NOW) == ["new", "former"]
    assert secrets.at(NOW + timedelta(hours=24)) == ["new"]
    assert Secrets("new").at(NOW) == ["new"]


def test_each_event_that_has_a_row_is_a_type_that_can_be_chosen() -> None:
    events = [*Transition, CHANGED, RECOVERED]
    assert sorted(get_args(NoticeType.__value__)) == sorted(PREFIX + event for event in events)
