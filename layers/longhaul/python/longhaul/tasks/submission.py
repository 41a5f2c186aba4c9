"""Submitting a task: one insert, then one message as a hint. The database is the queue of record.

A kind may say that there is one open task at most for a thing (`Kind.open_key`). A unique key of the table keeps that,
so of any number who submit at once one makes the task and all are given it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pymysql

from longhaul import database
from longhaul.database import Session
from longhaul.errors import DatabaseUnavailable, KeyReused, LaneFull
from longhaul.tasks import hints, scopes, store
from longhaul.tasks.model import Task
from longhaul.tasks.preparing import NewTask, Submission, prepare

__all__ = ["Placed", "Submission", "hint_start", "lane_full", "place", "submit"]

RETRY_AFTER_LANE_FULL = 30.0  # seconds
TRIES = 3  # of an insert that another task made fail which has ended by the time one looks


@dataclass(frozen=True)
class Placed:
    """A task that was submitted. `joined`: it was open already, for the same thing."""

    task: Task
    joined: bool = False


def submit(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> Task:
    """As `place`, for who does not care whether the task was open already."""
    return place(submission, new_id=new_id).task


def place(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> Placed:
    """The new task, or the one that this Idempotency-Key made before, or the one that is open for the same thing.

    Raises UnknownKind, InvalidRequest (with its places in the body), KeyReused, LaneFull, DatabaseUnavailable.
    """
    placed = _insert(prepare(submission, new_id=new_id))
    if not placed.joined:  # one that is open was told of when it was made
        scopes.changed(placed.task)
        hint_start(placed.task)
    return placed


def hint_start(task: Task) -> None:
    """Wake the dispatcher when the task may start; later than a message can wait, the minute's sweep finds it."""
    delay = (task.run_after - task.updated_at).total_seconds()  # both are the database's
    if delay <= hints.LONGEST_DELAY:
        hints.hint_dispatch(task.kind, delay=max(0.0, delay))


def lane_full(kind: str) -> LaneFull:
    return LaneFull(f"the lane of {kind} is full", retry_after=RETRY_AFTER_LANE_FULL)


def _insert(new: NewTask) -> Placed:
    """The task that was made, or the one that has its place. Raises KeyReused, LaneFull, DatabaseUnavailable."""
    for _ in range(TRIES):
        try:
            with database.connection() as session:
                if store.insert(session, **vars(new)):
                    return Placed(_stored(session, new))
            full = True
        except pymysql.IntegrityError:
            full = False
        except DatabaseUnavailable:
            if (task := _find(new.task_id)) is not None:  # the insert's answer was lost, not the insert
                return Placed(task)
            raise
        if placed := _known(new):
            return placed
        if full:
            raise lane_full(new.kind)
    raise DatabaseUnavailable("another task was in the way each time; submit again")


def _stored(session: Session, new: NewTask) -> Task:
    task = store.fetch(session, new.task_id)
    if task is None:
        raise DatabaseUnavailable("the task was stored but cannot be read")
    return task


def _known(new: NewTask) -> Placed | None:
    """The task that was made with the same key, else the one that is open for the same thing. Raises KeyReused."""
    with database.connection() as session:
        known = store.fetch_by_key(session, new.tenant_id, new.idempotency_key) if new.idempotency_key else None
        opened = store.fetch_open(session, new.tenant_id, new.open_key) if new.open_key and known is None else None
    if known is None:
        return Placed(opened, joined=True) if opened else None
    if known.request_digest != new.request_digest:
        raise KeyReused(errors=[{"pointer": "header/Idempotency-Key", "detail": f"it made {known.task_id}"}])
    return Placed(known)


def _find(task_id: str) -> Task | None:
    with database.connection() as session:
        return store.fetch(session, task_id)
