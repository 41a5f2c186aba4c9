"""What a refresh came to: hospitals added, changed, gone; steps that failed; and whether those are too many."""

from typing import Any

from pydantic import BaseModel

from hospitals import store
from hospitals.provinces import PROVINCES, find_province
from hospitals.scopes import scope_of
from hospitals.store import COUNTRY, place_of
from longhaul import cache, database
from longhaul.errors import TooManyFailures
from longhaul.tasks import step_store, steps
from longhaul.tasks.model import StepStatus
from longhaul.tasks.reading import task_params
from longhaul.tasks.step_store import StepCount
from longhaul.workflows import Attempt

MOST_FAILED = 0.1  # of the provinces, or of the cities and districts together
MOST_NAMED = 100  # failed steps in a result; 20 in an error's message


class FailedStep(BaseModel):
    key: str
    name: str
    error: str


class Summary(BaseModel):
    """`hospitals` are those of the districts that were refreshed, `gone` not among them."""

    added: int
    changed: int
    unchanged: int
    gone: int
    hospitals: int
    cities: int
    districts: int
    failed: list[FailedStep]


def summarise(attempt: Attempt) -> Summary:
    """Counts what the task did, and forgets the cached pages of its provinces. Raises TooManyFailures, TaskStopped."""
    task_id = attempt.task_id
    steps.check_running(task_id, attempt.attempt)
    named = task_params(task_id).get("province")
    provinces = [find_province(named)] if named else list(PROVINCES)
    cache.invalidate(*(scope_of(province.code) for province in provinces))
    with database.connection() as session:
        counts = step_store.count_steps(session, task_id)
        failed = [_failed(row) for row in step_store.list_failed_steps(session, task_id, limit=MOST_NAMED)]
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
        failed=failed,
    )


def judge(counts: list[StepCount], failed: list[FailedStep]) -> None:
    """Raises TooManyFailures when over a tenth failed: of the provinces, or of the cities and districts.

    A step that was planned and never finished (its failure could not be recorded) counts as failed.
    """
    for levels in (("province",), ("city", "district")):
        planned = sum(count.steps for count in counts if count.level in levels)
        succeeded = sum(_steps(counts, level, StepStatus.SUCCEEDED) for level in levels)
        if planned - succeeded > planned * MOST_FAILED:
            names = "、".join(step.name for step in failed[:20]) or "unfinished steps"
            raise TooManyFailures(f"{planned - succeeded} of {planned} steps failed: {names}")


def _steps(counts: list[StepCount], level: str, status: StepStatus) -> int:
    return sum(count.steps for count in counts if count.level == level and count.status == status)


def _failed(row: dict[str, Any]) -> FailedStep:
    return FailedStep(key=row["step_key"], name=row["label"], error=row["error_message"] or "")
