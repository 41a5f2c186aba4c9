"""Reading tasks: one with the sync check between its row and its live item, and pages of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from longhaul import database, live
from longhaul.errors import DatabaseUnavailable, NotFound
from longhaul.live import LiveItem
from longhaul.observability import logger
from longhaul.tasks import store
from longhaul.tasks.kinds import kinds
from longhaul.tasks.lanes import store as lane_store
from longhaul.tasks.model import ACTIVE, Status, Task
from longhaul.tasks.tally import PROGRESS_UPDATE_INTERVAL

SYNCED_WITHIN = 10  # points of progress (seed 002)


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


def read_task(task_id: str, tenant_id: str) -> TaskView:
    """The row with the fresher progress of its live item.

    Raises NotFound, and DatabaseUnavailable when neither the row nor the item is to be had.
    """
    item = live.read(task_id)
    if item is not None and item.tenant_id != tenant_id:
        raise NotFound(f"there is no task {task_id}")
    try:
        with database.connection() as session:
            task = store.fetch_for_tenant(session, task_id, tenant_id)
            position = lane_store.find_position(session, task) if task and task.status == Status.PENDING else None
    except DatabaseUnavailable:
        if item is None:
            raise
        return TaskView(SyncStatus.unknown, None, item)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return replace(_checked(task, item), queue_position=position)


def task_params(task_id: str) -> dict[str, Any]:
    """What the task was submitted with, for the first step of its workflow. Raises NotFound."""
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task.params


def list_page(
    tenant_id: str, statuses: Sequence[Status], names: Sequence[str], *, limit: int, offset: int
) -> tuple[list[Task], int]:
    """A tenant's tasks, newest first, and how many there are in all. Empty filters mean every status, every kind."""
    wanted, known = statuses or list(Status), names or sorted(kinds())
    with database.connection() as session:
        tasks = store.list_page(session, tenant_id, wanted, known, limit=limit, offset=offset)
        return tasks, store.count(session, tenant_id, wanted, known)


def list_active(tenant_id: str, limit: int) -> list[Task]:
    """A tenant's tasks that have not ended, newest first, at most `limit`."""
    with database.connection() as session:
        return store.list_page(session, tenant_id, ACTIVE, sorted(kinds()), limit=limit)


def _checked(task: Task, item: LiveItem | None) -> TaskView:
    if item is None:
        return TaskView(SyncStatus.cache_miss, task, None)
    ahead = item.steps_done - task.steps_done if item.attempt == task.attempt and task.status == Status.RUNNING else 0
    in_turn = 0 < ahead < PROGRESS_UPDATE_INTERVAL  # the row is not due yet, however many points a step is
    if not in_turn and (abs(task.progress - item.progress) > SYNCED_WITHIN or item.attempt > task.attempt):
        logger.warning("live item out of sync", extra=task.log_context | {"row": task.progress, "live": item.progress})
        live.overwrite(live.item_of(task))
        return TaskView(SyncStatus.out_of_sync, task, None)
    if ahead <= 0:
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
