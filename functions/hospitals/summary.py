"""The result of a refresh: hospitals added, changed, gone; failed steps; and the error when those are too many."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from hospitals import directory, store
from hospitals.provinces import PROVINCES, find_province
from hospitals.store import COUNTRY, place_of
from longhaul import database
from longhaul.aws.workflows import Attempt
from longhaul.errors import TooManyFailures
from longhaul.tasks import steps
from longhaul.tasks.following import task_row
from longhaul.tasks.model import StepStatus
from longhaul.tasks.steps import StepCount

LEVELS = ("province", "city", "district")
MAX_FAILED = 0.1  # the share of the provinces, of the districts, or of the cities and districts together
# The result passes through a workflow's state, which holds 256 KB.
MAX_FAILED_STEPS = 100  # in a result; 20 in an error's message
MAX_REASON = 300  # characters of a step's error


class FailedStep(BaseModel):
    key: str
    name: str
    error: str


class Summary(BaseModel):
    """`hospitals` counts those of the refreshed districts, without the `gone`.

    Of the `planned_steps`, `failed_steps` failed or were never finished; `failed` names the first hundred. The task
    fails when their share passes `tolerance`: of the provinces, of the districts, or of cities and districts together.
    """

    added: int
    changed: int
    unchanged: int
    gone: int
    hospitals: int
    cities: int
    districts: int
    planned_steps: int
    failed_steps: int
    tolerance: float
    failed: list[FailedStep]


def summarise(attempt: Attempt) -> Summary:
    """Counts the task's changes, and forgets the cached pages of its provinces. Raises TooManyFailures, TaskStopped."""
    task_id = attempt.task_id
    steps.check_running(task_id, attempt.attempt)
    named = task_row(task_id).params.get("province")
    provinces = [find_province(named)] if named else list(PROVINCES)
    directory.forget(*(province.code for province in provinces))
    with database.connection() as session:
        counts = steps.count_steps(session, task_id)
        failed = [_failed(row) for row in steps.list_failed_steps(session, task_id, limit=MAX_FAILED_STEPS)]
        changes = store.count_changes(session, task_id, place_of(provinces[0]) if named else COUNTRY)
    judge(counts, failed)
    hospitals = sum(count.units for count in counts if count.level == "district")
    return Summary(
        added=changes.added,
        changed=changes.changed,
        unchanged=max(0, hospitals - changes.added - changes.changed),
        gone=changes.gone,
        hospitals=hospitals,
        cities=_steps(counts, "city", StepStatus.SUCCEEDED),
        districts=_steps(counts, "district", StepStatus.SUCCEEDED),
        planned_steps=_planned(counts, LEVELS),
        failed_steps=_missing(counts, LEVELS),
        tolerance=MAX_FAILED,
        failed=failed,
    )


def judge(counts: list[StepCount], failed: list[FailedStep]) -> None:
    """Raises TooManyFailures when over a tenth failed: of the provinces, of the districts, or of cities and districts.

    A step that was planned and never finished counts as failed: its failure could not be recorded. Districts are also
    judged alone: where each city is its own district, the listed cities would halve the share.
    """
    for levels in (("province",), ("district",), ("city", "district")):
        planned, missing = _planned(counts, levels), _missing(counts, levels)
        if missing > planned * MAX_FAILED:
            names = "、".join(step.name for step in failed[:20]) or "unfinished steps"
            level = " and ".join(levels)
            raise TooManyFailures(f"{missing} of {planned} {level} steps failed, at most {MAX_FAILED:.0%} may: {names}")


def _planned(counts: list[StepCount], levels: Sequence[str]) -> int:
    return sum(count.steps for count in counts if count.level in levels)


def _missing(counts: list[StepCount], levels: Sequence[str]) -> int:
    return _planned(counts, levels) - sum(_steps(counts, level, StepStatus.SUCCEEDED) for level in levels)


def _steps(counts: list[StepCount], level: str, status: StepStatus) -> int:
    return sum(count.steps for count in counts if count.level == level and count.status == status)


def _failed(row: dict[str, Any]) -> FailedStep:
    return FailedStep(key=row["step_key"], name=row["label"], error=(row["error_message"] or "")[:MAX_REASON])
