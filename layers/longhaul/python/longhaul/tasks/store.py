"""The rows of the task core, read and written by the statements of queries.sql."""

import json
from collections.abc import Sequence
from typing import Any

from longhaul import queries
from longhaul.database import Session
from longhaul.live import LiveItem
from longhaul.tasks.model import TRANSITIONS, Task, TaskError, Transition

_queries = queries.load(__file__)

MESSAGE_CHARACTERS = 2000


def dumps(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def insert(session: Session, *, params: dict[str, Any], **values: Any) -> bool:
    """Whether the lane had room. Raises pymysql.IntegrityError for a key that is taken."""
    return bool(_queries.insert_task(session, params=dumps(params), **values))


def fetch(session: Session, task_id: str) -> Task | None:
    return _task(_queries.fetch_task(session, task_id=task_id))


def fetch_for_tenant(session: Session, task_id: str, tenant_id: str) -> Task | None:
    task = _task(_queries.fetch_tenant_task(session, task_id=task_id, tenant_id=tenant_id))
    return task if task and task.task_id == task_id else None  # to MySQL, a space behind it makes no difference


def fetch_by_key(session: Session, tenant_id: str, idempotency_key: str) -> Task | None:
    return _task(_queries.fetch_task_by_key(session, tenant_id=tenant_id, idempotency_key=idempotency_key))


def create_lane(session: Session, kind: str, max_concurrent: int, max_queued: int) -> None:
    _queries.create_lane(session, kind=kind, max_concurrent=max_concurrent, max_queued=max_queued)


def lock_lane(tx: Session, kind: str) -> int:
    """How many more tasks of the kind may run; 0 when the lane is paused. Holds the lane until the transaction ends."""
    lane = _queries.lock_lane(tx, kind=kind)
    if lane is None or lane["paused"]:
        return 0
    free: int = lane["max_concurrent"] - _queries.count_running(tx, kind=kind)
    return max(0, free)


def pick_pending(tx: Session, kind: str, limit: int) -> list[Task]:
    return [Task.from_row(row) for row in _queries.pick_pending(tx, kind=kind, limit=limit)]


def start(tx: Session, tasks: Sequence[Task], *, execution_prefix: str, seconds_allowed: int) -> None:
    """PENDING -> RUNNING for tasks this transaction has picked, each with its next attempt."""
    _queries.start_tasks(
        tx,
        ids=[task.id for task in tasks],
        sources=_sources(Transition.START),
        execution_prefix=execution_prefix,
        seconds_allowed=seconds_allowed,
    )
    record(tx, [task.task_id for task in tasks], Transition.START)


def requeue(tx: Session, task: Task, *, error: TaskError, delay: float) -> bool:
    """RUNNING -> PENDING for this attempt, to be picked again in `delay` seconds; failed steps are tried anew."""
    moved = _queries.requeue_task(
        tx,
        task_id=task.task_id,
        attempt=task.attempt,
        sources=_sources(Transition.REQUEUE),
        delay_microseconds=int(delay * 1_000_000),
        error_code=error.code,
        error_message=error.message[:MESSAGE_CHARACTERS],
    )
    if moved:
        _queries.reset_failed_steps(tx, task_id=task.task_id)
        record(tx, [task.task_id], Transition.REQUEUE, {"error": error.message, "delay_seconds": delay})
    return bool(moved)


def finish(
    tx: Session,
    task: Task,
    transition: Transition,
    *,
    progress: int,
    statistics: dict[str, Any],
    result: dict[str, Any] | None,
    error: TaskError | None,
) -> bool:
    """To SUCCEEDED or FAILED for this attempt, if it is still the task's and the task is not at its end."""
    moved = _queries.finish_task(
        tx,
        task_id=task.task_id,
        attempt=task.attempt,
        target=TRANSITIONS[transition].target,
        sources=_sources(transition),
        progress=progress,
        statistics=dumps(statistics),
        result=dumps(result),
        error_code=error.code if error else None,
        error_message=error.message[:MESSAGE_CHARACTERS] if error else None,
    )
    if moved:
        record(tx, [task.task_id], transition, {"error": error.message} if error else None)
    return bool(moved)


def stop(tx: Session, task: Task, transition: Transition, *, progress: int, statistics: dict[str, Any]) -> bool:
    """To CANCELLED or PAUSED, if its status still allows it."""
    moved = _queries.stop_task(
        tx,
        task_id=task.task_id,
        tenant_id=task.tenant_id,
        target=TRANSITIONS[transition].target,
        sources=_sources(transition),
        progress=progress,
        statistics=dumps(statistics),
    )
    if moved:
        record(tx, [task.task_id], transition)
    return bool(moved)


def resume(tx: Session, task: Task) -> bool:
    """PAUSED -> PENDING, to be picked at once; failed steps are tried anew."""
    moved = _queries.resume_task(
        tx, task_id=task.task_id, tenant_id=task.tenant_id, sources=_sources(Transition.RESUME)
    )
    if moved:
        _queries.reset_failed_steps(tx, task_id=task.task_id)
        record(tx, [task.task_id], Transition.RESUME)
    return bool(moved)


def record(tx: Session, task_ids: Sequence[str], transition: Transition, detail: dict[str, Any] | None = None) -> None:
    """The history of what happened, in the transaction in which it happened."""
    _queries.insert_events(tx, task_ids=list(task_ids), event=transition, detail=dumps(detail))


def write_progress(session: Session, seen: LiveItem) -> bool:
    """Whether the row was behind what was counted."""
    return bool(
        _queries.write_progress(
            session,
            task_id=seen.task_id,
            attempt=seen.attempt,
            progress=seen.progress,
            steps_done=seen.steps_done,
            stage=seen.stage,
            current_step=seen.current_step,
            statistics=dumps(seen.statistics),
        )
    )


def beat(session: Session, task_ids: Sequence[str]) -> int:
    """How many of these tasks are RUNNING."""
    return int(_queries.beat(session, task_ids=list(task_ids)))


def list_quiet(session: Session, seconds: int, limit: int) -> list[Task]:
    """RUNNING tasks whose row has not been written for so many seconds."""
    return [Task.from_row(row) for row in _queries.list_quiet(session, seconds=seconds, limit=limit)]


def list_overdue(session: Session, limit: int) -> list[Task]:
    return [Task.from_row(row) for row in _queries.list_overdue(session, limit=limit)]


def _sources(transition: Transition) -> list[str]:
    return list(TRANSITIONS[transition].sources)


def _task(row: dict[str, Any] | None) -> Task | None:
    return Task.from_row(row) if row else None
