"""Bulk actions: one thing done to every task that matches a filter, as a task of its own.

The matching tasks are cut into ranges, each a step. Killed between any two lines, the action goes on from its steps.
After a range's commit comes `lifecycle.after_change`. Until that is done the step's output names the rows, so that the
next invocation does it. It looks at what each task is then, so doing it twice or late does no harm.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from longhaul import database
from longhaul.database import Session, queries
from longhaul.errors import FieldError, InvalidRequest, TaskStopped, UnknownKind
from longhaul.observability import logger
from longhaul.tasks import lifecycle, progress, store
from longhaul.tasks.filtering import MAX_ID, PriorityName, TaskFilter
from longhaul.tasks.kinds import check_named, kinds
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import (
    ACTIONS,
    ACTIVE,
    PRIORITISE,
    TRANSITIONS,
    Priority,
    Progress,
    Status,
    StepStatus,
    Task,
    TaskError,
)
from longhaul.tasks.steps import PlannedStep, plan_steps, step
from longhaul.tasks.store import Values
from longhaul.validation import NotEmpty

_queries = queries.load(__file__)

KIND = "bulk_action"
MAX_MATCHES = 100_000
RANGE_TASKS = 100
MAX_RANGE_TASKS = 2 * RANGE_TASKS  # tasks that came to match since the range was cut are among them
BUDGET_SECONDS = 30.0  # of one invocation; what is left then is the next one's
PLAN, RANGE = "plan", "range"  # the levels of its steps

_TIME = "%Y%m%d%H%M%S%f"

type TaskId = Annotated[str, StringConstraints(min_length=1, max_length=96)]


class TooManyMatches(InvalidRequest):
    """The filter matches more tasks than one action may change; narrow it."""

    code = "too_many_matches"


class BulkFilter(TaskFilter):
    """Tasks that are all of this. What is left out does not matter; not everything may be."""

    task_ids: Annotated[list[TaskId], NotEmpty] = Field(
        default_factory=list, min_length=1, max_length=1_000, description="One of these."
    )

    @model_validator(mode="after")
    def is_not_empty(self) -> Self:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("an empty filter would be for every task: name what is meant")
        return self

    def parameters(self) -> dict[str, Any]:
        """As of any filter; a bulk action is never for another one."""
        known = kinds().keys() - {KIND}
        return super().parameters() | {
            "any_kind": False,
            "kinds": sorted(known & set(self.kind) if self.kind else known) or [""],
            "any_id": not self.task_ids,
            "task_ids": sorted(self.task_ids) or [""],
        }


class BulkAction(BaseModel):
    """What is to be done with every task that matches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["cancel", "pause", "resume", "retry", "prioritise"]
    priority: PriorityName | None = Field(None, validate_default=True, description="Only to prioritise: the new one.")
    filter: BulkFilter

    @field_validator("priority")
    @classmethod
    def belongs_to_prioritise(cls, priority: str | None, info: ValidationInfo) -> str | None:
        if "action" in info.data and (info.data["action"] == PRIORITISE) != (priority is not None):
            raise ValueError("needed to prioritise" if priority is None else "only for the action prioritise")
        return priority

    @classmethod
    def of_task(cls, params: dict[str, Any]) -> Self:
        """As a task's row holds it: there, lists that were left out are empty."""
        given = {name: value for name, value in params["filter"].items() if value != []}
        return cls.model_validate({**params, "filter": given})

    @property
    def sources(self) -> tuple[Status, ...]:
        """The statuses from which a task can be so changed."""
        return ACTIVE if self.action == PRIORITISE else TRANSITIONS[ACTIONS[self.action]].sources


@dataclass(frozen=True)
class Range:
    """A part of the tasks that match: the times (UTC, without a zone) and the row ids with which it begins and ends,
    and how many matched when it was cut. Its key names the step that changes it.
    """

    first_at: datetime
    first_id: int
    last_at: datetime
    last_id: int
    tasks: int

    @property
    def key(self) -> str:
        return f"{self.first_at:{_TIME}}.{self.first_id}-{self.last_at:{_TIME}}.{self.last_id}/{self.tasks}"

    @classmethod
    def of_key(cls, key: str) -> Self:
        ends, _, tasks = key.partition("/")
        (first_at, first_id), (last_at, last_id) = (end.split(".") for end in ends.split("-"))
        times = datetime.strptime(first_at, _TIME), datetime.strptime(last_at, _TIME)
        return cls(times[0], int(first_id), times[1], int(last_id), int(tasks))


def count_matching(tenant_id: str, wanted: BulkFilter) -> int:
    """How many tasks match. Raises TooManyMatches, UnknownKind."""
    check_named(wanted.kind, kinds(), UnknownKind, "/filter/kind")
    with database.connection() as session:
        matched = int(_queries.count_matching(session, **_selection(tenant_id, wanted), limit=MAX_MATCHES + 1))
    if matched > MAX_MATCHES:
        raise _too_many()
    return matched


def act(task_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Go on with this bulk action, as far as the time goes. Does nothing for a task that does not run.

    Raises DatabaseUnavailable, and WorkflowUnavailable when the queue that should bring it back is away.
    """
    until = clock() + BUDGET_SECONDS
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None:
        return
    for row in _ranges(task):  # also of one that was cancelled meanwhile
        if row["status"] == StepStatus.SUCCEEDED:
            _follow_up(task, row["step_key"], json.loads(row["output"] or "{}"))
    if task.status != Status.RUNNING:
        return
    try:
        _plan(task)
        if not _change_ranges(task, lambda: clock() < until):
            lifecycle.start_execution(task)  # the same message again, to go on
            return
    except TaskStopped as stopped:
        logger.info("bulk action stopped", extra=task.log_context | {"reason": str(stopped)})
        return
    except TooManyMatches as error:
        lifecycle.close(task_id, task.attempt, Outcome(error=TaskError(error.code, str(error))))
        return
    with database.connection() as session:
        result = progress.count_final(session, task).statistics
    lifecycle.close(task_id, task.attempt, Outcome(result=result))


def count(session: Session, task_id: str) -> Progress:
    """The ranges that are done. `unchanged` did not match any more, or were in no status to be changed."""
    row = _queries.count_done(session, task_id=task_id, level=RANGE)
    ranges, done, changed = int(row["ranges"]), int(row["done"]), int(row["changed"])
    return Progress(
        percent=min(99, 100 * done // ranges) if ranges else 0,
        share=done / ranges if ranges else 0.0,
        steps_done=done,
        complete=done == ranges > 0,
        statistics={
            "matched": int(row["planned"]),
            "changed": changed,
            "unchanged": max(0, int(row["seen"]) - changed),
        },
    )


def change_range(tx: Session, task: Task, part: Range) -> list[int]:
    """Change those of the range that still match and can be so changed; their row ids."""
    action = BulkAction.of_task(task.params)
    rows = _queries.lock_matching(
        tx,
        **_selection(task.tenant_id, action.filter, before_id=task.id),
        **{name: value for name, value in vars(part).items() if name != "tasks"},
        limit=MAX_RANGE_TASKS,
    )
    matching = [found for row in rows if (found := Task.from_row(row)).status in action.sources]
    if action.action == PRIORITISE:
        return _prioritise(tx, matching, Priority[action.priority or "normal"])
    return [moved.id for moved in lifecycle.move_all(tx, ACTIONS[action.action], matching)] if matching else []


def _plan(task: Task) -> None:
    """Cut what matches into ranges, once: all of them are planned, or none. Raises TooManyMatches, TaskStopped."""

    def cut(tx: Session) -> tuple[dict[str, Any], int]:
        selection = _selection(task.tenant_id, BulkAction.of_task(task.params).filter, before_id=task.id)
        ranges = [Range(**row) for row in _queries.list_ranges(tx, **selection, size=RANGE_TASKS)]
        matched = sum(part.tasks for part in ranges)
        if matched > MAX_MATCHES:
            raise _too_many()
        plan_steps(tx, task.task_id, task.attempt, _steps(ranges))
        return {"ranges": len(ranges)}, matched

    with step(task.task_id, task.attempt, key=PLAN, level=PLAN, label="Finding the tasks that match") as planning:
        if not planning.done:
            planning.complete_by(cut)


def _change_ranges(task: Task, in_time: Callable[[], bool]) -> bool:
    """Change range after range; whether all are done. At least one is, so that it comes to an end."""
    waiting = [row for row in _ranges(task) if row["status"] != StepStatus.SUCCEEDED]
    for number, row in enumerate(waiting):
        if number and not in_time():
            return False
        _change_one(task, row["step_key"], row["label"])
    return True


def _change_one(task: Task, key: str, label: str) -> None:
    def write(tx: Session) -> tuple[dict[str, Any], int]:
        ids = change_range(tx, task, Range.of_key(key))
        return ({"untold": ids} if ids else {}), len(ids)

    with step(task.task_id, task.attempt, key=key, level=RANGE, label=label) as changing:
        if not changing.done:
            changing.complete_by(write)
        _follow_up(task, key, changing.output)


def _follow_up(task: Task, key: str, output: Mapping[str, Any]) -> None:
    """Call `after_change` for the tasks that this step changed, unless that was done."""
    ids: Sequence[int] = output.get("untold", ())
    if not ids:
        return
    with database.connection() as session:
        changed = store.fetch_all(session, ids)
    lifecycle.after_change(changed, moved=BulkAction.of_task(task.params).action != PRIORITISE)
    _forget_changed(task.task_id, key)


def _forget_changed(task_id: str, key: str) -> None:
    with database.connection() as session:
        _queries.clear_step_output(session, task_id=task_id, step_key=key, output="{}")


def _ranges(task: Task) -> list[dict[str, Any]]:
    with database.connection() as session:
        return list(_queries.list_ranges_of_action(session, task_id=task.task_id, level=RANGE))


def _prioritise(tx: Session, tasks: Sequence[Task], priority: Priority) -> list[int]:
    values = {
        task.id: Values(priority, task.title, task.run_after, {"priority": [task.priority.name, priority.name]})
        for task in tasks
        if task.priority != priority
    }
    if values:
        store.change(tx, values)
    return list(values)


def _selection(tenant_id: str, wanted: BulkFilter, *, before_id: int = MAX_ID) -> dict[str, Any]:
    """Of a task: those that were there when it was submitted, as their rows came before its own."""
    return wanted.parameters() | {"tenant_id": tenant_id, "before_id": before_id}


def _steps(ranges: Sequence[Range]) -> list[PlannedStep]:
    """Each named by the numbers of its tasks, from 1."""
    steps, last = [], 0
    for part in ranges:
        first, last = last + 1, last + part.tasks
        steps.append(PlannedStep(part.key, RANGE, f"Tasks {first} to {last}"))
    return steps


def _too_many() -> TooManyMatches:
    detail = f"it matches more than {MAX_MATCHES:,} tasks"
    return TooManyMatches(errors=[FieldError(pointer="/filter", detail=detail)])
