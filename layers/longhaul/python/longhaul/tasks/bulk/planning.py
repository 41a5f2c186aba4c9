"""A bulk action as a task: planned in ranges of the tasks that match, each a step: what is left is in the rows."""

from typing import Any

from longhaul import database
from longhaul.database import Session
from longhaul.errors import FieldError, InvalidRequest
from longhaul.tasks.bulk import store
from longhaul.tasks.bulk.selection import MOST_MATCHES, BulkAction, Selection
from longhaul.tasks.bulk.store import Range
from longhaul.tasks.model import Tally, Task
from longhaul.tasks.steps import PlannedStep, plan_steps, step

RANGE_TASKS = 100
PLAN, RANGE = "plan", "range"  # the levels of its steps


class TooManyMatches(InvalidRequest):
    """The filter matches more tasks than one action may change; narrow it."""

    code = "too_many_matches"


def count(selection: Selection) -> int:
    """How many tasks match. Raises TooManyMatches."""
    with database.connection() as session:
        matched = store.count_matching(session, selection, limit=MOST_MATCHES + 1)
    if matched > MOST_MATCHES:
        raise _too_many()
    return matched


def selected(task: Task) -> Selection:
    """The tasks that were there when this one was submitted: their rows came before its own."""
    return Selection(task.tenant_id, BulkAction.model_validate(task.params).filter, before_id=task.id)


def plan(task: Task) -> None:
    """Cut what matches into ranges, once: all of them are planned, or none. Raises TooManyMatches, TaskStopped."""

    def cut(tx: Session) -> tuple[dict[str, Any], int]:
        ranges = store.list_ranges(tx, selected(task), size=RANGE_TASKS)
        matched = sum(part.tasks for part in ranges)
        if matched > MOST_MATCHES:
            raise _too_many()
        plan_steps(tx, task.task_id, task.attempt, _steps(ranges))
        return {"ranges": len(ranges)}, matched

    with step(task.task_id, task.attempt, key=PLAN, level=PLAN, label="查找符合条件的任务") as planning:
        if not planning.done:
            planning.complete_by(cut)


def tally(session: Session, task_id: str) -> Tally:
    """Of the ranges, those that are done. `unchanged` did not match any more, or were in no status to be changed."""
    ranges, done, planned, seen, changed = store.count_done(session, task_id, RANGE)
    return Tally(
        progress=min(99, 100 * done // ranges) if ranges else 0,
        share=done / ranges if ranges else 0.0,
        steps_done=done,
        complete=done == ranges > 0,
        statistics={"matched": planned, "changed": changed, "unchanged": max(0, seen - changed)},
    )


def _steps(ranges: list[Range]) -> list[PlannedStep]:
    """Each named by the numbers of its tasks, from 1."""
    steps, last = [], 0
    for part in ranges:
        first, last = last + 1, last + part.tasks
        steps.append(PlannedStep(part.key, RANGE, f"第 {first}–{last} 个任务"))
    return steps


def _too_many() -> TooManyMatches:
    detail = f"it matches more than {MOST_MATCHES:,} tasks"
    return TooManyMatches(errors=[FieldError(pointer="/filter", detail=detail)])
