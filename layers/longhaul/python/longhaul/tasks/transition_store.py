"""A task's status changed: each change is one guarded UPDATE of queries.sql, with the event it leaves."""

from collections.abc import Sequence
from typing import Any

import pymysql

from longhaul import queries
from longhaul.database import Session
from longhaul.errors import AlreadyOpen
from longhaul.tasks.model import CHANGED, TRANSITIONS, Priority, Task, TaskError, Transition
from longhaul.tasks.store import MESSAGE_CHARACTERS, dumps

_queries = queries.load(__file__)


def start(tx: Session, tasks: Sequence[Task], *, execution_prefix: str, seconds_allowed: int) -> None:
    """PENDING -> RUNNING for tasks this transaction has locked, each with its next attempt."""
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
    stage: str | None = None,
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
        stage=stage,
    )
    if moved:
        record(tx, [task.task_id], transition, {"error": error.message} if error else None)
    return bool(moved)


def stop(
    tx: Session,
    task: Task,
    transition: Transition,
    *,
    progress: int,
    statistics: dict[str, Any],
    reason: TaskError | None = None,
) -> bool:
    """To CANCELLED or PAUSED, if its status still allows it; `reason` is told where nobody asked for it."""
    moved = _queries.stop_task(
        tx,
        task_id=task.task_id,
        tenant_id=task.tenant_id,
        target=TRANSITIONS[transition].target,
        sources=_sources(transition),
        progress=progress,
        statistics=dumps(statistics),
        error_code=reason.code if reason else None,
        error_message=reason.message[:MESSAGE_CHARACTERS] if reason else None,
    )
    if moved:
        record(tx, [task.task_id], transition, {"reason": reason.message} if reason else None)
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


def retry(tx: Session, task: Task) -> bool:
    """FAILED -> PENDING as a caller asks for it, as if it had never been tried, but that finished steps stay so.

    Raises AlreadyOpen when another task has taken its place (`Kind.open_key`).
    """
    sources = _sources(Transition.RETRY)
    try:
        moved = _queries.retry_task(tx, task_id=task.task_id, tenant_id=task.tenant_id, sources=sources)
    except pymysql.IntegrityError as error:
        rival = _queries.find_rival(tx, task_id=task.task_id)
        raise AlreadyOpen(f"{rival} is open for the same thing", open_task_id=rival) from error
    if moved:
        _queries.reset_failed_steps(tx, task_id=task.task_id)
        record(tx, [task.task_id], Transition.RETRY)
    return bool(moved)


def lock(tx: Session, task_id: str, tenant_id: str) -> Task | None:
    """The task, nobody else's to change until the transaction ends."""
    row = _queries.lock_task(tx, task_id=task_id, tenant_id=tenant_id)
    task = Task.from_row(row) if row else None
    return task if task and task.task_id == task_id else None


def change(tx: Session, task: Task, *, priority: Priority, title: str, detail: dict[str, list[str]]) -> None:
    """Give the locked task this priority and title; `detail` says what they were and are."""
    _queries.change_task(tx, id=task.id, priority=priority, title=title)
    record(tx, [task.task_id], CHANGED, detail)


def record(tx: Session, task_ids: Sequence[str], event: str, detail: dict[str, Any] | None = None) -> None:
    """The history of what happened (a Transition or CHANGED), in the transaction in which it happened."""
    _queries.insert_events(tx, task_ids=list(task_ids), event=event, detail=dumps(detail))


def _sources(transition: Transition) -> list[str]:
    return list(TRANSITIONS[transition].sources)
