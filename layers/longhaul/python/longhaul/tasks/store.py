"""The rows of tasks: read, locked, put there, and moved by guarded statements.

A change of status is guarded by the statuses it may come from and, where an attempt makes it, by the attempt. Each
leaves its event in the same transaction. What must happen behind the commit is `lifecycle.after_change`.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.tasks import rollups
from longhaul.tasks.model import CHANGED, RECOVERED, TRANSITIONS, Priority, Progress, Task, TaskError, Transition, aware

_queries = queries.load(__file__)

MAX_MESSAGE_CHARACTERS = 2000
MAX_PARAMS_BYTES = 65_536  # of a task that is read again and again while it is followed
TOKEN_BYTES = 8  # of an execution's name: no two starts ever have the same


@dataclass(frozen=True)
class Values:
    """What a row is to hold after a change that is no transition. `detail`: of each field, what was and is."""

    priority: Priority
    title: str
    run_after: datetime
    detail: dict[str, list[str | None]]


def dumps(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sql_time(moment: datetime | None) -> str | None:
    """As MySQL writes it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if moment else None


def now(session: Session) -> datetime:
    """The database's clock, by which tasks start and are overdue."""
    moment: datetime = aware(_queries.fetch_time(session))
    return moment


def insert(tx: Session, *, params: dict[str, Any], **values: Any) -> bool:
    """Whether the lane had room; the task is counted then. Raises pymysql.IntegrityError for a key that is taken."""
    inserted = bool(_queries.insert_task(tx, later=values["run_after"] is not None, params=dumps(params), **values))
    if inserted:
        rollups.count_submitted(tx, [values["task_id"]])
    return inserted


def fetch(session: Session, task_id: str) -> Task | None:
    return _task(_queries.fetch_task(session, task_id=task_id))


def fetch_for_tenant(session: Session, task_id: str, tenant_id: str) -> Task | None:
    return _task(_queries.fetch_tenant_task(session, task_id=task_id, tenant_id=tenant_id))


def fetch_to_show(session: Session, task_id: str, tenant_id: str) -> Task | None:
    """As `fetch_for_tenant`, without params of more than MAX_PARAMS_BYTES."""
    row = _queries.fetch_task_to_show(session, task_id=task_id, tenant_id=tenant_id, max_params_bytes=MAX_PARAMS_BYTES)
    return _task(row)


def fetch_all(session: Session, ids: Sequence[int]) -> list[Task]:
    """Those with these row ids, without their params, in no order."""
    return _tasks(_queries.fetch_tasks(session, ids=list(ids))) if ids else []


def fetch_by_key(session: Session, tenant_id: str, idempotency_key: str) -> Task | None:
    return _task(_queries.fetch_task_by_key(session, tenant_id=tenant_id, idempotency_key=idempotency_key))


def fetch_open(session: Session, tenant_id: str, open_key: str) -> Task | None:
    """The tenant's task that has this key and has not ended."""
    return _task(_queries.fetch_open_task(session, tenant_id=tenant_id, open_key=open_key))


def list_quiet(session: Session, seconds: int, limit: int) -> list[Task]:
    """RUNNING tasks whose row has not been written for `seconds`."""
    return _tasks(_queries.list_quiet(session, seconds=seconds, limit=limit))


def list_overdue(session: Session, limit: int) -> list[Task]:
    return _tasks(_queries.list_overdue(session, limit=limit))


def find_rival(session: Session, task_id: str) -> str | None:
    """The id of the task that is open for the same thing as this one, which has ended."""
    rival: str | None = _queries.find_rival(session, task_id=task_id)
    return rival


def find_position(session: Session, kind: str, row_id: int) -> int | None:
    """How many tasks of a lane will have started when this one has; None when it may not start now."""
    position: int | None = _queries.find_position(session, kind=kind, id=row_id)
    return position


def count_free_to_schedule(session: Session, kind: str, tenant_id: str) -> int:
    """How many more of the tenant's tasks of this kind may wait for a later start."""
    return int(_queries.count_free_to_schedule(session, kind=kind, tenant_id=tenant_id) or 0)


def lock(tx: Session, task_id: str, tenant_id: str) -> Task | None:
    """The task, nobody else's to change until the transaction ends."""
    return _task(_queries.lock_task(tx, task_id=task_id, tenant_id=tenant_id))


def lock_many(tx: Session, tenant_id: str, task_ids: Sequence[str]) -> dict[str, Task]:
    """As `lock`, by their ids; those that are not there are left out."""
    rows = _queries.lock_tasks(tx, tenant_id=tenant_id, task_ids=list(task_ids))
    return {row["task_id"]: Task.from_row(row) for row in rows}


def lock_open(tx: Session, tenant_id: str, open_keys: Sequence[str]) -> dict[str, Task]:
    """The open tasks with these keys, by them; nobody else's to change until the transaction ends."""
    rows = _queries.lock_open_tasks(tx, tenant_id=tenant_id, open_keys=list(open_keys))
    return {row["open_key"]: Task.from_row(row) for row in rows}


def start(tx: Session, tasks: Sequence[Task], *, execution_prefix: str, seconds_allowed: int) -> None:
    """PENDING -> RUNNING for tasks this transaction has locked, each with its next attempt."""
    _queries.start_tasks(
        tx,
        ids=[task.id for task in tasks],
        sources=_sources(Transition.START),
        execution_prefix=execution_prefix,
        token=secrets.token_hex(TOKEN_BYTES),
        seconds_allowed=seconds_allowed,
    )
    record(tx, Transition.START, {task.id: None for task in tasks})


def requeue(tx: Session, task: Task, error: TaskError, delay: float) -> bool:
    """RUNNING -> PENDING for this attempt, to be picked again in `delay` seconds; failed steps are tried anew."""
    moved = _queries.requeue_task(
        tx,
        id=task.id,
        attempt=task.attempt,
        sources=_sources(Transition.REQUEUE),
        delay_microseconds=int(delay * 1_000_000),
        **_error(error),
    )
    if moved:
        _queries.reset_failed_steps(tx, task_ids=[task.task_id])
        reason = f"{error.message or error.code}; the next attempt follows in {delay:g} s"
        detail = Transition.REQUEUE.detail(error) | {"delay_seconds": delay, "reason": reason}
        record(tx, Transition.REQUEUE, {task.id: detail})
    return bool(moved)


def finish(
    tx: Session,
    task: Task,
    transition: Transition,
    progress: Progress,
    *,
    result: dict[str, Any] | None,
    error: TaskError | None,
    stage: str | None,
) -> bool:
    """To SUCCEEDED or FAILED for this attempt, if it is still the task's and the task is not at its end."""
    moved = _queries.finish_task(
        tx,
        id=task.id,
        attempt=task.attempt,
        target=TRANSITIONS[transition].target,
        sources=_sources(transition),
        progress=progress.percent,
        statistics=dumps(progress.statistics),
        result=dumps(result),
        stage=stage,
        **_error(error),
    )
    if moved:
        units = rollups.units_of(task.kind, progress) if transition == Transition.SUCCEED else 0
        record(tx, transition, {task.id: transition.detail(error)}, units)
    return bool(moved)


def stop(
    tx: Session,
    tenant_id: str,
    transition: Transition,
    reached: Mapping[int, Progress | None],
    reason: TaskError | None = None,
) -> int:
    """To CANCELLED or PAUSED for tasks this transaction has locked: row ids, with how far each is (None: as it was).

    How many were moved. `reason` is the task's error where its own work asked for this.
    """
    rows = (
        {
            "id": row_id,
            "progress": progress.percent if progress else 0,
            "statistics": dumps(progress.statistics) if progress else None,
        }
        for row_id, progress in reached.items()
    )
    target, sources = TRANSITIONS[transition].target, _sources(transition)
    moved = sum(
        int(_queries.stop_tasks(tx, tenant_id=tenant_id, rows=some, target=target, sources=sources, **_error(reason)))
        for some in arrays(rows)
    )
    if moved:
        record(tx, transition, dict.fromkeys(reached, transition.detail(reason)))
    return moved


def reopen(tx: Session, tenant_id: str, transition: Transition, tasks: Sequence[Task]) -> list[Task]:
    """To PENDING, resumed or to be retried, for tasks this transaction has locked; their failed steps are tried anew.

    Gives those that were moved: not those whose place another task has taken (`Kind.open_key`).
    """
    write = _queries.resume_tasks if transition == Transition.RESUME else _queries.retry_tasks
    ids = [task.id for task in tasks]
    moved = write(tx, tenant_id=tenant_id, ids=ids, sources=_sources(transition))
    if not moved:
        return []
    waiting = {row["id"] for row in _queries.list_waiting(tx, ids=ids)}
    reopened = [task for task in tasks if task.id in waiting]
    _queries.reset_failed_steps(tx, task_ids=[task.task_id for task in reopened])
    record(tx, transition, {task.id: transition.detail(task.error) for task in reopened})
    return reopened


def change(tx: Session, values: Mapping[int, Values]) -> None:
    """Give the tasks with these row ids, which this transaction has locked, these values, each with its event."""
    rows = (
        {"id": row_id, "priority": new.priority, "title": new.title, "run_after": sql_time(new.run_after)}
        for row_id, new in values.items()
    )
    for some in arrays(rows):
        _queries.change_tasks(tx, rows=some)
    record(tx, CHANGED, {row_id: new.detail for row_id, new in values.items()})


def restart(tx: Session, task: Task, reason: str) -> bool:
    """Record that this attempt's execution is started again, if it is the task's; its steps wait to be taken again."""
    runs = _queries.beat_attempt(tx, id=task.id, attempt=task.attempt)
    if runs:
        _queries.release_steps(tx, task_id=task.task_id)
        record(tx, RECOVERED, {task.id: {"reason": reason}})
    return bool(runs)


def record(tx: Session, event: str, details: Mapping[int, Mapping[str, Any] | None], units: int = 0) -> None:
    """What happened to the tasks with these row ids, in the transaction in which it happened; and count it."""
    for some in arrays({"id": row_id, "detail": dumps(detail)} for row_id, detail in details.items()):
        _queries.insert_events(tx, event=event, rows=some)
    rollups.count(tx, event, details, units)


def write_progress(session: Session, task: Task, progress: Progress, *, stage: str, current_step: str) -> bool:
    """Whether the row was behind what was counted."""
    return bool(
        _queries.write_progress(
            session,
            id=task.id,
            attempt=task.attempt,
            progress=progress.percent,
            steps_done=progress.steps_done,
            stage=stage,
            current_step=current_step,
            statistics=dumps(progress.statistics),
        )
    )


def beat(session: Session, task_ids: Sequence[str]) -> int:
    """How many of these tasks are RUNNING."""
    return int(_queries.beat(session, task_ids=list(task_ids)))


def _task(row: dict[str, Any] | None) -> Task | None:
    return Task.from_row(row) if row else None


def _tasks(rows: Sequence[dict[str, Any]]) -> list[Task]:
    return [Task.from_row(row) for row in rows]


def _error(error: TaskError | None) -> dict[str, str | None]:
    return {
        "error_code": error.code if error else None,
        "error_message": error.message[:MAX_MESSAGE_CHARACTERS] if error else None,
    }


def _sources(transition: Transition) -> list[str]:
    return list(TRANSITIONS[transition].sources)
