"""Figures: durations in buckets, their quantiles and how far off these are; shares of what ended."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhaul.tasks.figures import LAST_BUCKET, NO_BUCKET, Figures, upper_bound
from longhaul.tasks.rollups import Count


def bucket_of(seconds: float) -> int:
    return next(bucket for bucket in range(LAST_BUCKET + 1) if seconds <= upper_bound(bucket))


def took(seconds: float, event: str = "succeeded", units: int = 0) -> Count:
    whole = round(seconds * 1e6)
    return Count(0, "k", event, bucket_of(whole / 1e6), 1, whole, whole, whole, units, units / seconds)


def happened(event: str, number: int = 1) -> Count:
    return Count(0, "k", event, NO_BUCKET, number, 0, None, None, 0, 0.0)


def figures(*counts: Count) -> Figures:
    made = Figures()
    for count in counts:
        made.add(count)
    return made


def test_bounds_grow_by_the_square_root_of_two_and_the_last_bucket_has_none() -> None:
    bounds = [upper_bound(bucket) for bucket in range(LAST_BUCKET + 1)]
    assert (bounds[0], bounds[2], bounds[-1]) == (0.1, 0.2, float("inf"))
    assert all(after / before == pytest.approx(2**0.5) for before, after in pairwise(bounds[:-1]))


@given(st.lists(st.floats(0.1, 500_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_at_most_19_per_cent_off(seconds: list[float], share: float) -> None:
    estimate = figures(*map(took, seconds)).succeeded.quantile(share)
    ranked = sorted(round(value, 6) for value in seconds)
    true = next(value for place, value in enumerate(ranked, 1) if place >= share * len(ranked))
    assert estimate == pytest.approx(true, rel=2**0.25 - 1 + 1e-6)


def test_quantiles_never_pass_the_extremes() -> None:
    of_one = figures(took(77.0)).succeeded
    assert (of_one.quantile(0.5), of_one.quantile(0.95), of_one.mean) == (77.0, 77.0, 77.0)


def test_nothing_has_no_rate_and_no_duration() -> None:
    nothing = figures()
    assert (nothing.share("SUCCEEDED"), nothing.units_per_second) == (None, None)
    assert (nothing.running.mean, nothing.running.quantile(0.5), nothing.running.shortest) == (None, None, None)


def test_what_ended_without_having_run_has_no_duration() -> None:
    found = figures(happened("cancelled", 3), took(4.0, "failed"))
    assert (found.ended.total(), found.running.number, found.running.mean) == (4, 1, 4.0)


def test_each_event_is_where_it_belongs() -> None:
    found = figures(
        took(2, "started"), took(10, "succeeded", units=50), took(5, "failed"), took(6, "expired"),
        took(7, "cancelled"), happened("submitted", 9), happened("retried", 2),
    )  # fmt: skip
    assert found.ended == {"SUCCEEDED": 1, "FAILED": 2, "CANCELLED": 1}
    assert (found.share("SUCCEEDED"), found.share("FAILED")) == (0.25, 0.5)
    assert (found.waiting.total, found.running.total, found.succeeded.total) == (2.0, 28.0, 10.0)
    assert (found.units, found.units_per_second, found.best) == (50, 5.0, 5.0)
    assert (found.events["submitted"], found.events["retried"]) == (9, 2)


def test_the_order_in_which_counts_are_added_does_not_matter() -> None:
    counts = [took(random.Random(number).uniform(0.1, 100)) for number in range(40)]
    assert figures(*counts).succeeded == figures(*reversed(counts)).succeeded
