"""Which items of a task are to be run next: stage by stage, each planned once, a page of batches at a time.

The state machine asks again when a page is done. All is read from rows, so asking twice does no harm, and a task that
was paused, or whose execution died, goes on where it was.
"""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel

from longhaul import database, settings, stored
from longhaul.aws.workflows import Attempt
from longhaul.database import Session
from longhaul.errors import PermanentError, TaskStopped, TooManyFailures
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Status, Task, TaskError
from longhaul.tasks.steps import PlannedStep, Step, step
from longhaul.workloads import store
from longhaul.workloads.contexts import TaskContext
from longhaul.workloads.counting import StageCount, count_stages
from longhaul.workloads.declaration import Workload, workload_named
from longhaul.workloads.documents import MAX_BYTES, as_json
from longhaul.workloads.pausing import pause_unless
from longhaul.workloads.stages import APPROVAL, Approval, Item, Stage

MAX_ITEMS = 100_000  # of a task
PAGE_BATCHES = 1_000  # 40 bytes each: far from the 256 KB that a state may hold
NAMED_FAILURES = 3


class BadPlan(PermanentError):
    """The plan of a stage is not right."""

    code = "bad_plan"


class WorkloadChanged(PermanentError):
    """The task was planned by another version of its workload."""

    code = "workload_changed"


class Range(BaseModel):
    """A batch of items, by the first and the last of their ordinals."""

    first: int
    last: int


class Page(BaseModel):
    """What the state machine does next: run these batches and ask again, or finish the task."""

    next: Literal["run", "finish"]
    stage: str = ""
    function: str = ""
    in_flight: int = 1
    batches: list[Range] = []


def next_page(request: Attempt) -> Page:
    """The next page of the task's work.

    Raises TaskStopped (also when the task now waits for an approval), BadPlan, WorkloadChanged, TooManyFailures,
    UnknownKind, and what a plan raises.
    """
    task, workload = find(request)
    with database.connection() as session:
        counts = count_stages(session, task.task_id)
    _check_version(workload, counts)
    context = context_of(task, workload)
    for stage in workload.stages:
        if isinstance(stage, Approval):
            if stage.when(context.params):
                _approve(task, stage)
            continue
        count = counts.get(stage.name, StageCount())
        if not count.is_planned:
            count = _plan(request, stage, context, began=stage.name in counts)
        if count.open and (page := _page(task, stage)).batches:
            return page
        _check_failures(task, stage, stage.tolerated(context.params))
    return Page(next="finish")


def find(request: Attempt) -> tuple[Task, Workload[Any]]:
    """The task and its workload. Raises TaskStopped when the task no longer runs this attempt, UnknownKind."""
    with database.connection() as session:
        task = task_store.fetch(session, request.task_id)
    if task is None or task.status != Status.RUNNING or task.attempt != request.attempt:
        raise TaskStopped(f"task {request.task_id} does not run attempt {request.attempt} any more")
    return task, workload_named(task.kind)


def context_of[P: BaseModel](task: Task, workload: Workload[P]) -> TaskContext[P]:
    return TaskContext(task, stored.read(workload.params, task.params))


def _plan(request: Attempt, stage: Stage[Any], context: TaskContext[Any], *, began: bool) -> StageCount:
    """Write down the stage's items; the step that is its plan is done when all are there."""
    task_id, attempt = request.task_id, request.attempt
    with step(task_id, attempt, key=stage.name, level=stage.name, label=stage.name.replace("_", " ")) as run:
        if not run.done:
            with database.connection() as session:
                if began:
                    store.delete_items(session, task_id, stage.name)
                before = store.last_ordinal(session, task_id)
            rows = list_rows(stage, stage.plan(context), before)
            count = 0
            for some in _pages(rows):
                database.run_transaction(partial(_insert, request, stage.name, some))
                count += len(some)
            run.complete({"items": count})
    with database.connection() as session:
        return count_stages(session, task_id)[stage.name]


def _insert(request: Attempt, stage: str, rows: list[dict[str, Any]], tx: Session) -> None:
    store.insert_items(tx, request.task_id, request.attempt, stage, rows)


def list_rows(stage: Stage[Any], items: Iterable[Item], before: int) -> Iterator[dict[str, Any]]:
    """The items as rows, placed behind that ordinal. Raises BadPlan."""
    if not isinstance(items, Iterable):
        raise BadPlan(f"the plan of stage {stage.name} gives {type(items).__name__}, which is no iterable of items")
    keys: set[str] = set()
    for ordinal, item in enumerate(items, before + 1):
        if not isinstance(item, Item):
            raise BadPlan(f"stage {stage.name} yields {type(item).__name__}, not Item")
        if item.key in keys:
            raise BadPlan(f"stage {stage.name} yields the key {item.key!r} twice")
        if ordinal > MAX_ITEMS:
            raise BadPlan(f"a task has at most {MAX_ITEMS:,} items; stage {stage.name} yields more")
        keys.add(item.key)
        yield {
            "key": f"{stage.name}/{item.key}",
            "label": item.label or item.key,
            "input": _input(stage, item),
            "ordinal": ordinal,
        }


def _input(stage: Stage[Any], item: Item) -> str:
    try:
        text = as_json(dict(item.input))
    except ValueError as error:
        raise BadPlan(f"the input of {item.key!r} in stage {stage.name} is not JSON: {error}") from error
    if len(text.encode()) > MAX_BYTES:
        raise BadPlan(f"the input of {item.key!r} in stage {stage.name} is over {MAX_BYTES // 1024} KB")
    return text


def _pages(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many rows at once as memory holds easily: inputs may be large."""
    some: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += len(row["input"])
        if len(some) == 1_000 or size > 1_000_000:
            yield some
            some, size = [], 0
    if some:
        yield some


def _page(task: Task, stage: Stage[Any]) -> Page:
    """The first items that are left to do, in batches that are spread over all who may be in flight."""
    with database.connection() as session:
        ordinals = store.list_open(session, task.task_id, stage.name, PAGE_BATCHES * stage.batch)
    size = min(stage.batch, max(1, math.ceil(len(ordinals) / stage.in_flight)))
    functions = settings.of(settings.StepFunctions).step_functions
    if stage.function not in functions:
        raise WorkloadChanged(f"stage {stage.name} runs in {stage.function}, which this deployment does not have")
    return Page(
        next="run",
        stage=stage.name,
        function=functions[stage.function],
        in_flight=stage.in_flight,
        batches=[
            Range(first=some[0], last=some[-1])
            for some in (ordinals[start : start + size] for start in range(0, len(ordinals), size))
        ][:PAGE_BATCHES],
    )


def _check_version(workload: Workload[Any], counts: dict[str, StageCount]) -> None:
    unknown = sorted(counts.keys() - {stage.name for stage in workload.work} - {APPROVAL})
    if unknown:
        raise WorkloadChanged(
            f"the task was planned with the stage {unknown[0]}, which {workload.name} no longer has; nothing of it was "
            "skipped: submit a new task, or deploy the version that has it and retry"
        )


def _check_failures(task: Task, stage: Stage[Any], tolerate: float) -> None:
    """Raises TooManyFailures, which names the first."""
    with database.connection() as session:
        count = count_stages(session, task.task_id)[stage.name]
        if count.failed <= tolerate * count.planned:
            return
        first = store.list_failures(session, task.task_id, stage.name, NAMED_FAILURES)
    named = "; ".join(f"{label}: {message}" for label, message in first)
    more = f"; and {count.failed - len(first)} more" if count.failed > len(first) else ""
    allowed = f"{tolerate:.0%} may fail" if tolerate else "none may fail"
    raise TooManyFailures(
        f"{count.failed} of {count.planned} items of stage {stage.name} failed ({allowed}): {named}{more}"
    )


def _approve(task: Task, approval: Approval) -> None:
    """Pause the task for a person, once; a task that runs although it was paused for that was resumed: approved."""
    planned = PlannedStep(approval.key, APPROVAL, approval.question[:200])
    run = Step(task.task_id, task.attempt, planned)
    run.begin()
    if run.done:
        return
    reason = TaskError("awaiting_approval", f"{planned.label} (resume the task to approve, cancel it to refuse)")
    pause_unless(task, reason, lambda tx: not store.ask_approval(tx, task.task_id, planned.key))
    run.complete({"approved": True})
