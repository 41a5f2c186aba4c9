"""Timings: durations in buckets, and reports that are made once a minute and never lost by an error."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhaul.timing import (
    LAST_BUCKET,
    REPORT_SECONDS,
    Group,
    Tallies,
    Timings,
    add,
    bucket_of,
    quantile,
    tallies,
)

ROUTE = "GET /api/v1/tasks/{task_id}"


class Clock:
    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@given(st.lists(st.floats(0.0001, 100), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_at_most_19_per_cent_off(seconds: list[float], share: float) -> None:
    estimate = quantile(Counter(map(bucket_of, seconds)), share)
    true = next(value for place, value in enumerate(sorted(seconds), 1) if place >= share * len(seconds))
    assert estimate == pytest.approx(true, rel=2**0.25 - 1 + 1e-6)


@pytest.mark.parametrize(("seconds", "bucket"), [(0, 0), (0.0001, 0), (0.00011, 1), (0.0002, 2), (10**6, LAST_BUCKET)])
def test_a_duration_falls_into_its_bucket(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


def test_nothing_has_no_quantile() -> None:
    assert quantile(Counter(), 0.95) is None


def test_a_report_is_made_when_a_minute_has_passed_and_has_everything_once() -> None:
    # GIVEN measurements
    clock = Clock()
    timings, reports = Timings(clock), list[Tallies]()
    timings.measure(Group.routes, ROUTE, 0.0001)
    timings.measure(Group.routes, ROUTE, 0.0002)
    timings.measure(Group.errors, ROUTE)
    # WHEN less than a minute, then a minute has passed
    clock.seconds += REPORT_SECONDS - 1
    timings.report(reports.append)
    assert reports == []
    clock.seconds += 1
    timings.report(reports.append)
    # THEN all of them are reported, and none again
    clock.seconds += REPORT_SECONDS
    timings.report(reports.append)
    (report,) = reports
    assert report == {"routes": {ROUTE: {0: 1, 2: 1}}, "errors": {ROUTE: {0: 1}}}


def test_a_report_that_failed_is_made_a_minute_later_with_what_came_since() -> None:
    clock = Clock()
    timings, reports = Timings(clock), list[Tallies]()
    timings.measure(Group.statements, "fetch_task", 0.0001)
    clock.seconds += REPORT_SECONDS

    def away(_: Tallies) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        timings.report(away)
    timings.measure(Group.statements, "fetch_task", 0.0001)
    timings.report(reports.append)
    assert reports == [], "a database that is away is not asked at each request"
    clock.seconds += REPORT_SECONDS
    timings.report(reports.append)
    assert reports == [{"statements": {"fetch_task": {0: 2}}}]


def test_tallies_are_the_same_after_they_were_written() -> None:
    found = tallies()
    found[Group.routes][ROUTE][7] += 3
    again = tallies(json.loads(json.dumps(found)))
    assert again == found
    add(again, found)
    assert again[Group.routes][ROUTE] == {7: 6}
