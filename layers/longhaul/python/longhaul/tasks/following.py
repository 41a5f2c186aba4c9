"""Following a task: how far it is, written as its steps finish, and read with what the live item knows beside the row.

The row is cached until somebody changes it; the live item is read each time. So a task that nobody changes is read
without the database.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache as remembered
from typing import Any

from pydantic import TypeAdapter

from longhaul import cache, database
from longhaul.cache import Cached, Namespace, Tier
from longhaul.errors import DatabaseUnavailable
from longhaul.observability import logger
from longhaul.tasks import lifecycle, live, progress, publication, store
from longhaul.tasks.changes import missing
from longhaul.tasks.live import LiveItem
from longhaul.tasks.model import Progress, Status, Task, task_tag
from longhaul.tasks.progress import Sample
from longhaul.tasks.steps import ProgressEvent

PROGRESS_UPDATE_INTERVAL = 5  # the row is written each time this many more steps have finished
MAX_DIFFERENCE = 10  # points of progress between row and live item that are still in sync

_ROWS = Namespace("task", 2, Tier.short)  # short: should a writer die between its commit and its word to the cache


@remembered
def _row() -> TypeAdapter[Task]:
    """Built when a task is read: no submission needs it."""
    return TypeAdapter(Task)


class SyncStatus(StrEnum):
    """How the live item agrees with the row."""

    synced = "synced"
    out_of_sync = "out_of_sync"
    cache_miss = "cache_miss"
    unknown = "unknown"


@dataclass(frozen=True)
class TaskView:
    """A task as it is served. `task` is None when the database did not answer: then the live item is all there is."""

    sync: SyncStatus
    task: Task | None
    item: LiveItem | None
    queue_position: int | None = None  # of one that waits: 1 is started next


def record_progress(events: Sequence[ProgressEvent]) -> None:
    """Count the work of the running task that these events are of: the row in its turn, the live item each time.

    The row comes first: a reader between the two never finds the item further ahead than a turn. Events of an attempt
    that the task no longer runs change nothing. Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        task = store.fetch(session, events[-1].task_id)
        fresh = [event for event in events if task and event.attempt == task.attempt]
        if task is None or task.status != Status.RUNNING or not fresh:
            return
        now = progress.count(session, task)
        stage, current_step = fresh[-1].level, fresh[-1].label
        turn = now.steps_done // PROGRESS_UPDATE_INTERVAL > task.steps_done // PROGRESS_UPDATE_INTERVAL
        due = now.complete or turn
        if due:
            store.write_progress(session, task, now, stage=stage, current_step=current_step)
            lifecycle.after_change([task])
    seen = replace(
        task,
        steps_done=now.steps_done,
        progress=max(task.progress, now.percent),
        stage=stage,
        current_step=current_step,
        statistics=now.statistics,
        updated_at=datetime.now(UTC),
    )
    live.write(replace(live.item_of(seen), pace=_samples(task, now)))
    if due:
        publication.announce_progress(seen)


def read_task(task_id: str, tenant_id: str, *, fresh: bool = False) -> TaskView:
    """The row with the fresher progress of its live item. The row may come from the cache unless it is to be `fresh`.

    Raises NotFound, and DatabaseUnavailable when neither the row nor the item is to be had.
    """
    item = live.read(task_id)
    if item is not None and item.tenant_id != tenant_id:
        raise missing(task_id)
    try:
        return _read_and_compare(task_id, tenant_id, item, fresh=fresh)
    except DatabaseUnavailable:
        if item is None:
            raise
        return TaskView(SyncStatus.unknown, None, item)


def with_position(view: TaskView) -> TaskView:
    """The view with the place in its lane of a task that waits: one statement more, and none for any other task."""
    if view.task is None or view.task.status != Status.PENDING:
        return view
    try:
        with database.connection() as session:
            return replace(view, queue_position=store.find_position(session, view.task.kind, view.task.id))
    except DatabaseUnavailable:
        return view


def task_row(task_id: str) -> Task:
    """The task, for a step of its own workflow. Raises NotFound."""
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None:
        raise missing(task_id)
    return task


def _samples(task: Task, now: Progress) -> tuple[Sample, ...]:
    """What the item that is replaced knew of this attempt's rate, and how far it is now."""
    before = live.read(task.task_id)
    known = before.pace if before and before.attempt == task.attempt else ()
    return progress.extended(known, Sample(time.time(), now.share))


def _read_and_compare(task_id: str, tenant_id: str, item: LiveItem | None, *, fresh: bool) -> TaskView:
    found = _read_row(task_id, tenant_id, fresh=fresh)
    view = _compared(found.value, item)
    if view.sync != SyncStatus.out_of_sync or item is None:
        return view
    if found.hit:  # the cached row may be the one that is behind: only what the database says repairs anything
        return _read_and_compare(task_id, tenant_id, item, fresh=True)
    task = found.value
    logger.warning("live item out of sync", extra=task.log_context | {"row": task.progress, "live": item.progress})
    live.overwrite([live.item_of(task)])
    return view


def _read_row(task_id: str, tenant_id: str, *, fresh: bool) -> Cached[Task]:
    """The row, from the cache unless it is to be `fresh`. Raises NotFound, DatabaseUnavailable."""

    def load() -> Any:
        with database.connection() as session:
            task = store.fetch_to_show(session, task_id, tenant_id)
        if task is None:
            raise missing(task_id)
        return _row().dump_python(task, mode="json")

    key = json.dumps([tenant_id, task_id], ensure_ascii=False)
    return cache.read(_ROWS, key, task_tag(task_id), load, parse=_row().validate_python, fresh=fresh)


def _compared(task: Task, item: LiveItem | None) -> TaskView:
    if item is None:
        return TaskView(SyncStatus.cache_miss, task, None)
    running = item.attempt == task.attempt and task.status == Status.RUNNING
    ahead = item.steps_done - task.steps_done if running else 0
    in_turn = 0 < ahead < PROGRESS_UPDATE_INTERVAL  # the row is not due yet, however many points a step is
    if not in_turn and (abs(task.progress - item.progress) > MAX_DIFFERENCE or item.attempt > task.attempt):
        return TaskView(SyncStatus.out_of_sync, task, None)
    if ahead < 0 or not running:  # with as many steps done, the item may tell of the stage that has begun since
        return TaskView(SyncStatus.synced, task, item)
    shown = replace(
        task,
        progress=max(task.progress, item.progress),
        stage=item.stage,
        current_step=item.current_step,
        statistics=item.statistics,
        updated_at=datetime.fromtimestamp(item.updated_at, UTC),
    )
    return TaskView(SyncStatus.synced, shown, item)
