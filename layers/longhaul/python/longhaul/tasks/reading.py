"""Reading a task, with the sync check between its row and its live item.

The row is cached until somebody changes it; the live item is read each time. So a task that nobody changes is read
without the database.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from longhaul import cache, database, live
from longhaul.cache import Cached, Namespace, Tier
from longhaul.errors import DatabaseUnavailable, NotFound
from longhaul.live import LiveItem
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.finding import store
from longhaul.tasks.finding.model import FoundTask
from longhaul.tasks.lanes import store as lane_store
from longhaul.tasks.model import Status, Task
from longhaul.tasks.scopes import scope_of_task
from longhaul.tasks.tally import PROGRESS_UPDATE_INTERVAL

SYNCED_WITHIN = 10  # points of progress (seed 002)

_ROWS = Namespace("task", 1, Tier.short)  # short: should a writer die between its commit and its word to the cache
_ROW = TypeAdapter(FoundTask)


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
    task: FoundTask | None
    item: LiveItem | None
    queue_position: int | None = None  # of one that waits: 1 is started next


def read_task(task_id: str, tenant_id: str, *, fresh: bool = False) -> TaskView:
    """The row with the fresher progress of its live item. The row may come from the cache unless it is to be `fresh`.

    Raises NotFound, and DatabaseUnavailable when neither the row nor the item is to be had.
    """
    item = live.read(task_id)
    if item is not None and item.tenant_id != tenant_id:
        raise NotFound(f"there is no task {task_id}")
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
            return replace(view, queue_position=lane_store.find_position(session, view.task.kind, view.task.id))
    except DatabaseUnavailable:
        return view


def _read_and_compare(task_id: str, tenant_id: str, item: LiveItem | None, *, fresh: bool) -> TaskView:
    found = _read_row(task_id, tenant_id, fresh=fresh)
    view = _compared(found.value, item)
    if view.sync != SyncStatus.out_of_sync or item is None:
        return view
    if found.hit:  # the cached row may be the one that is behind: only what the database says repairs anything
        return _read_and_compare(task_id, tenant_id, item, fresh=True)
    task = found.value
    logger.warning("live item out of sync", extra=task.log_context | {"row": task.progress, "live": item.progress})
    live.overwrite(live.item_of(task))
    return view


def task_params(task_id: str) -> dict[str, Any]:
    """What the task was submitted with. Raises NotFound."""
    return task_row(task_id).params


def task_row(task_id: str) -> Task:
    """The task, for a step of its own workflow. Raises NotFound."""
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task


def _read_row(task_id: str, tenant_id: str, *, fresh: bool) -> Cached[FoundTask]:
    """The row, from the cache unless it is to be `fresh`. Raises NotFound, DatabaseUnavailable."""

    def load() -> Any:
        with database.connection() as session:
            task = store.fetch(session, task_id, tenant_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        return _ROW.dump_python(task, mode="json")

    key = json.dumps([tenant_id, task_id], ensure_ascii=False)
    found = cache.read(_ROWS, key, scope_of_task(task_id), load, fresh=fresh)
    return Cached(_ROW.validate_python(found.value), found.hit)


def _compared(task: FoundTask, item: LiveItem | None) -> TaskView:
    if item is None:
        return TaskView(SyncStatus.cache_miss, task, None)
    running = item.attempt == task.attempt and task.status == Status.RUNNING
    ahead = item.steps_done - task.steps_done if running else 0
    in_turn = 0 < ahead < PROGRESS_UPDATE_INTERVAL  # the row is not due yet, however many points a step is
    if not in_turn and (abs(task.progress - item.progress) > SYNCED_WITHIN or item.attempt > task.attempt):
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
