"""How much of a task is done, from the counts of its steps."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from longhaul.tasks.kinds import Counter, Kind
from longhaul.tasks.model import Progress
from longhaul.tasks.progress import of_counts
from longhaul.tasks.steps import StepCount


class NoParams(BaseModel):
    pass


KIND = Kind(
    name="refresh",
    params=NoParams,
    workflow="Refresh",
    weights={"city": 0.2, "district": 0.8},
    title=lambda _: "refresh",
    slug=lambda _: "refresh",
    statistics={
        "cities_processed": Counter("city"),
        "cities_failed": Counter("city", failed=True),
        "hospitals_found": Counter("district", units=True),
    },
)


@pytest.mark.parametrize(
    ("counts", "progress"),
    [
        ([], 0),
        ([StepCount("city", "PENDING", 4, 0)], 0),
        ([StepCount("city", "PENDING", 2, 0), StepCount("city", "SUCCEEDED", 2, 0)], 10),
        # Half of the cities are listed, and all the districts known so far are done: half of each weight.
        (
            [
                StepCount("city", "PENDING", 2, 0),
                StepCount("city", "SUCCEEDED", 2, 0),
                StepCount("district", "SUCCEEDED", 9, 90),
            ],
            50,
        ),
        # What failed is not done, and no more is what it would have planned.
        ([StepCount("city", "SUCCEEDED", 4, 0), StepCount("district", "FAILED", 1, 0)], 20),
        ([StepCount("city", "FAILED", 4, 0)], 0),
        (
            [
                StepCount("city", "SUCCEEDED", 1, 0),
                StepCount("city", "FAILED", 1, 0),
                StepCount("district", "SUCCEEDED", 9, 90),
            ],
            50,
        ),
    ],
)
def test_progress_weighs_each_level_as_far_as_it_is_planned(counts: Sequence[StepCount], progress: int) -> None:
    assert of_counts(KIND, counts).percent == progress


def test_statistics_count_what_was_done_and_beside_it_what_failed() -> None:
    counted = of_counts(
        KIND,
        [
            StepCount("city", "SUCCEEDED", 3, 0),
            StepCount("city", "FAILED", 1, 0),
            StepCount("district", "SUCCEEDED", 7, 140),
            StepCount("district", "FAILED", 2, 5),
            StepCount("district", "PENDING", 1, 0),
        ],
    )
    assert counted.statistics == {"cities_processed": 3, "cities_failed": 1, "hospitals_found": 140}
    assert counted.steps_done == 13
    assert not counted.complete


def test_a_task_whose_every_step_failed_has_done_nothing_and_has_nothing_left() -> None:
    counted = of_counts(KIND, [StepCount("city", "FAILED", 3, 0)])
    assert counted.statistics == {"cities_processed": 0, "cities_failed": 3, "hospitals_found": 0}
    assert (counted.percent, counted.share, counted.complete) == (0, 0.2, True)


def test_what_is_left_does_not_hold_what_failed() -> None:
    counted = of_counts(
        KIND,
        [
            StepCount("city", "SUCCEEDED", 1, 0),
            StepCount("district", "SUCCEEDED", 2, 20),
            StepCount("district", "FAILED", 1, 0),
            StepCount("district", "PENDING", 1, 0),
        ],
    )
    assert (counted.percent, counted.share) == (60, pytest.approx(0.8))


@given(st.lists(st.sampled_from(["SUCCEEDED", "FAILED"]), min_size=1, max_size=40))
def test_progress_never_goes_back_whatever_becomes_of_the_steps(ends: list[str]) -> None:
    seen = []
    for ended in range(len(ends) + 1):
        counts = [StepCount("district", end, 1, 0) for end in ends[:ended]]
        left = StepCount("district", "PENDING", len(ends) - ended, 0)
        seen.append(of_counts(KIND, [StepCount("city", "SUCCEEDED", 1, 0), *counts, left]).percent)
    assert seen == sorted(seen)


@pytest.mark.parametrize("failed", [False, True])
def test_a_kind_that_counts_what_is_done_counts_what_failed_too(failed: bool) -> None:
    statistics = {"cities": Counter("city", failed=failed)}
    with pytest.raises(ValueError, match="of city; count both"):
        Kind("k", NoParams, "W", lambda _: "", lambda _: "", weights={"city": 1.0}, statistics=statistics)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500), st.integers(0, 500))
def test_progress_is_bounded_and_full_only_when_complete(a: int, b: int, c: int, d: int) -> None:
    counted = of_counts(
        KIND,
        [
            StepCount("city", "SUCCEEDED", a, 0),
            StepCount("city", "PENDING", b, 0),
            StepCount("district", "SUCCEEDED", c, 0),
            StepCount("district", "PENDING", d, 0),
        ],
    )
    assert 0 <= counted.percent <= 99
    assert counted.complete == (b == d == 0 and a + c > 0)


def test_weights_must_add_up_to_one() -> None:
    with pytest.raises(ValueError, match=r"add up to 0\.9"):
        Kind("k", NoParams, "W", lambda _: "", lambda _: "", weights={"city": 0.9})


def test_a_kind_that_counts_its_own_work_has_no_weights() -> None:
    kind = Kind(
        "k",
        NoParams,
        "W",
        lambda _: "",
        lambda _: "",
        count=lambda session, task_id: Progress(7, 0.075, 3, False, {"calls": 3}),
    )
    assert kind.weights == {}
