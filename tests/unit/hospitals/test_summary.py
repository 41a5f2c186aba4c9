"""Whether a refresh has failed: by how many of its steps, level by level."""

import pytest

from hospitals.summary import MAX_FAILED, judge
from longhaul.errors import TooManyFailures
from longhaul.tasks.steps import StepCount

PROVINCE = StepCount("province", "SUCCEEDED", 1, 0)


def counts(level: str, succeeded: int, failed: int, pending: int = 0) -> list[StepCount]:
    return [
        StepCount(level, "SUCCEEDED", succeeded, 0),
        StepCount(level, "FAILED", failed, 0),
        StepCount(level, "PENDING", pending, 0),
    ]


@pytest.mark.parametrize("cities", [1, 5, 100])
@pytest.mark.parametrize("districts", [1, 5, 100])
def test_a_refresh_whose_districts_all_failed_has_failed(cities: int, districts: int) -> None:
    with pytest.raises(TooManyFailures, match=f"{districts} of {districts} district steps failed, at most 10% may"):
        judge([PROVINCE, *counts("city", cities, 0), *counts("district", 0, districts)], [])


@pytest.mark.parametrize(
    ("levels", "fails"),
    [
        # As many as may fail, and one more, of each level.
        ([*counts("province", 31, 3)], False),
        ([*counts("province", 30, 4)], True),
        ([PROVINCE, *counts("district", 18, 2)], False),
        ([PROVINCE, *counts("district", 17, 3)], True),
        # A city of four is a fourth of the cities, but with the districts of the others not a tenth of the steps.
        ([PROVINCE, *counts("city", 3, 1), *counts("district", 20, 0)], False),
        ([PROVINCE, *counts("city", 3, 1), *counts("district", 20, 2)], True),
        # Each city is its own district: the cities that were listed must not make up for the districts that failed.
        ([PROVINCE, *counts("city", 20, 0), *counts("district", 17, 3)], True),
        # What was never finished has failed too.
        ([PROVINCE, *counts("district", 17, 1, 2)], True),
    ],
)
def test_a_tenth_of_each_level_may_fail(levels: list[StepCount], fails: bool) -> None:
    assert MAX_FAILED == 0.1
    if not fails:
        judge(levels, [])
        return
    with pytest.raises(TooManyFailures):
        judge(levels, [])
