"""How much of a task is done, from the counts of its steps."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from longhaul.tasks.kinds import Counter, Kind
from longhaul.tasks.model import Tally
from longhaul.tasks.step_store import StepCount
from longhaul.tasks.tally import tally


class NoParams(BaseModel):
    pass


KIND = Kind(
    name="refresh",
    params=NoParams,
    workflow="Refresh",
    weights={"city": 0.2, "district": 0.8},
    title=lambda _: "refresh",
    slug=lambda _: "refresh",
    statistics={"cities_processed": Counter("city"), "hospitals_found": Counter("district", units=True)},
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
        ([StepCount("city", "SUCCEEDED", 4, 0), StepCount("district", "FAILED", 1, 0)], 99),
    ],
)
def test_progress_weighs_each_level_as_far_as_it_is_planned(counts: Sequence[StepCount], progress: int) -> None:
    assert tally(KIND, counts).progress == progress


def test_statistics_count_finished_steps_and_the_units_of_those_that_succeeded() -> None:
    counted = tally(
        KIND,
        [
            StepCount("city", "SUCCEEDED", 3, 0),
            StepCount("city", "FAILED", 1, 0),
            StepCount("district", "SUCCEEDED", 7, 140),
            StepCount("district", "FAILED", 2, 5),
            StepCount("district", "PENDING", 1, 0),
        ],
    )
    assert counted.statistics == {"cities_processed": 4, "hospitals_found": 140}
    assert counted.steps_done == 13
    assert not counted.complete


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500), st.integers(0, 500))
def test_progress_is_bounded_and_full_only_when_complete(a: int, b: int, c: int, d: int) -> None:
    counted = tally(
        KIND,
        [
            StepCount("city", "SUCCEEDED", a, 0),
            StepCount("city", "PENDING", b, 0),
            StepCount("district", "SUCCEEDED", c, 0),
            StepCount("district", "PENDING", d, 0),
        ],
    )
    assert 0 <= counted.progress <= 99
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
        tally=lambda session, task_id: Tally(7, 0.075, 3, False, {"calls": 3}),
    )
    assert kind.weights == {}
