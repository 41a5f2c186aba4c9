"""Submitting a task: one insert, counted with it, then one message as a hint. The database is the queue of record.

A kind may say that there is one open task at most for a thing (`Kind.open_key`). A unique key of the table keeps that,
so of any number who submit at once one makes the task and all are given it.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pymysql
from pydantic import ValidationError

from longhaul import database, tracing
from longhaul.database import queries
from longhaul.errors import DatabaseUnavailable, FieldError, InvalidRequest, KeyReused, LaneFull, LonghaulError
from longhaul.tasks import callbacks, lifecycle, store
from longhaul.tasks.callbacks import Callback
from longhaul.tasks.changes import Wish, checked_times, too_many_scheduled
from longhaul.tasks.kinds import Kind, kind_named
from longhaul.tasks.model import Priority, Status, Task, aware
from longhaul.tasks.notices import Channel

_queries = queries.load(__file__)

MAX_SLUG_CHARACTERS = 60
RETRY_AFTER_LANE_FULL = 30.0  # seconds
TRIES = 3  # of an insert that another task made fail which has ended by the time one looks


@dataclass(frozen=True)
class Submission:
    """What a caller asks for. `idempotency_key` is the tenant's own and holds as long as its task is kept.

    `run_after` and `deadline` are UTC: before when it is not to start (None or past: at once), and when it fails
    unless it has ended (None: so long after its first start as its kind allows). `callbacks` are told of the task
    alone; one that is open already keeps its own.
    """

    tenant_id: str
    user_id: str
    kind: str
    params: dict[str, Any]
    priority: Priority = Priority.normal
    title: str | None = None
    idempotency_key: str | None = None
    run_after: datetime | None = None
    deadline: datetime | None = None
    callbacks: Sequence[Callback] = ()


@dataclass(frozen=True)
class NewTask:
    """The row that a submission makes: checked and named, but for what only the database knows."""

    task_id: str
    tenant_id: str
    user_id: str
    kind: str
    title: str
    params: dict[str, Any]
    priority: Priority
    max_retries: int
    idempotency_key: str | None
    request_digest: str
    open_key: str | None  # while it is open no other of its tenant has it
    run_after: datetime | None  # None: at once
    deadline: datetime | None
    traceparent: str | None  # of the request that submits it
    callbacks: str | None  # as JSON

    @property
    def wish(self) -> Wish:
        """What it wants of the open task that stands for it."""
        return Wish(self.priority, run_after=self.run_after)


@dataclass(frozen=True)
class Submitted:
    """A task that was submitted.

    `deduplicated`: it was open already, for the same thing. `replayed`: the same Idempotency-Key made it before.
    `heard`: whether a socket listens to its tenant, if that was read with it.
    """

    task: Task
    deduplicated: bool = False
    replayed: bool = False
    heard: bool | None = None


def submit(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> Submitted:
    """The new task, or the one that this Idempotency-Key made before, or the one that is open for the same thing.

    Raises UnknownKind, InvalidRequest (with its places in the body), KeyReused, LaneFull, TooManyScheduled,
    DatabaseUnavailable.
    """
    submitted = _insert(prepare(submission, new_id=new_id))
    # Also of a replayed one that still waits: its first process may have died before this. Hastening has called it.
    if submitted.task.status == Status.PENDING and not submitted.deduplicated:
        lifecycle.after_change([submitted.task], heard=submitted.heard)
    return submitted


def find_made(tenant_id: str, idempotency_key: str | None) -> Task | None:
    """The task that this key made."""
    if idempotency_key is None:
        return None
    with database.connection() as session:
        return store.fetch_by_key(session, tenant_id, idempotency_key)


def database_clock() -> datetime:
    """The clock by which tasks start and are overdue: ours may be minutes off. Raises DatabaseUnavailable."""
    with database.connection() as session:
        return store.now(session)


def prepare(
    submission: Submission,
    *,
    new_id: Callable[[str], str] | None = None,
    clock: Callable[[], datetime] = database_clock,
) -> NewTask:
    """Raises UnknownKind, InvalidRequest (with its places in the body). `clock` is asked only when times are given."""
    kind = kind_named(submission.kind)
    params = _validated(kind, submission.params)
    run_after, deadline = checked_times(submission.run_after, submission.deadline, clock)
    return NewTask(
        task_id=(new_id or public_id)(kind.slug(params)[:MAX_SLUG_CHARACTERS]),
        tenant_id=submission.tenant_id,
        user_id=submission.user_id,
        kind=kind.name,
        title=submission.title or kind.title(params),
        params=params.model_dump(mode="json"),
        priority=submission.priority,
        max_retries=kind.max_retries,
        idempotency_key=submission.idempotency_key,
        request_digest=_digest(submission),
        open_key=_open_key(kind, params),
        run_after=run_after,
        deadline=deadline,
        traceparent=tracing.current.get(),
        callbacks=callbacks.written(submission.callbacks),
    )


def public_id(slug: str) -> str:
    """`province_广东省_20231121_143052_1a2b3c4d`: what it is, when it was asked for (UTC), and 32 random bits."""
    return f"{slug}_{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"


def no_room(new: NewTask) -> LonghaulError:
    """Why the lane did not take it."""
    if new.run_after:
        return too_many_scheduled(new.kind)
    return LaneFull(f"the lane of {new.kind} is full", retry_after=RETRY_AFTER_LANE_FULL)


def _insert(new: NewTask) -> Submitted:
    """The task that was made, or the one that has its place."""
    for _ in range(TRIES):
        full = False
        try:
            if database.run_transaction(lambda tx: store.insert(tx, **vars(new))):
                return _stored(new)
            full = True
        except pymysql.IntegrityError:
            pass  # a key is taken: by the task that is looked for below
        except DatabaseUnavailable:
            with database.connection() as session:
                task = store.fetch(session, new.task_id)
            if task is None:
                raise
            return Submitted(task)  # the insert's answer was lost, not the insert
        if submitted := _known(new):
            return submitted
        if full and not _create_lane(new.kind):
            raise no_room(new)
    raise DatabaseUnavailable("another task was in the way each time; submit again")


def _create_lane(name: str) -> bool:
    """Give a kind that came after the last migration its lane: a workload that is new on a stack. False: it had one."""
    from longhaul.tasks.lanes import create_lane  # which no other submission needs

    kind = kind_named(name)
    with database.connection() as session:
        return create_lane(session, name, kind.max_concurrent, kind.max_queued)


def _stored(new: NewTask) -> Submitted:
    """The task that was just made of it, from the little that only the database knows."""
    with database.connection() as session:
        row = _queries.fetch_stored(session, task_id=new.task_id, tenant_id=new.tenant_id, channel=Channel.SOCKETS)
        if row and row["updated_at"] != row["created_at"] and (task := store.fetch(session, new.task_id)):
            return Submitted(task)  # it was started meanwhile
    if row is None:
        raise DatabaseUnavailable("the task was stored but cannot be read")
    heard = bool(row.pop("heard"))
    task = Task.submitted(
        **{name: aware(value) for name, value in row.items()},
        task_id=new.task_id,
        tenant_id=new.tenant_id,
        user_id=new.user_id,
        kind=new.kind,
        title=new.title,
        priority=new.priority,
        max_retries=new.max_retries,
        request_digest=new.request_digest,
        deadline=new.deadline,
        loaded_params=new.params,
    )
    return Submitted(task, heard=heard)


def _known(new: NewTask) -> Submitted | None:
    """The task that was made with the same key, else the one that is open for the same thing, hastened.

    Raises KeyReused.
    """
    with database.connection() as session:
        known = store.fetch_by_key(session, new.tenant_id, new.idempotency_key) if new.idempotency_key else None
        opened = store.fetch_open(session, new.tenant_id, new.open_key) if new.open_key and known is None else None
    if known is not None:
        if known.request_digest != new.request_digest:
            raise KeyReused(errors=[{"pointer": "header/Idempotency-Key", "detail": f"it made {known.task_id}"}])
        return Submitted(known, replayed=True)
    if opened is None or new.open_key is None:
        return None
    starts_later = opened.status == Status.PENDING and opened.run_after > opened.updated_at
    if new.priority <= opened.priority and not starts_later:
        return Submitted(opened, deduplicated=True)
    hastened = lifecycle.hasten(new.tenant_id, {new.open_key: [new.wish]}).get(new.open_key)
    return Submitted(hastened, deduplicated=True) if hastened else None  # None: it has ended meanwhile


def _validated(kind: Kind, params: dict[str, Any]) -> Any:
    try:
        return kind.params.model_validate(params)
    except ValidationError as error:
        errors: list[FieldError] = [
            {
                "pointer": "/params" + "".join(f"/{part}" for part in wrong["loc"]),
                "detail": wrong["msg"].removeprefix("Value error, "),
            }
            for wrong in error.errors()
        ]
        raise InvalidRequest(f"the params do not fit {kind.name}", errors=errors) from error


def _open_key(kind: Kind, params: Any) -> str | None:
    key = kind.open_key(params) if kind.open_key else None
    return None if key is None else hashlib.sha256(json.dumps([kind.name, key]).encode()).hexdigest()


def _digest(submission: Submission) -> str:
    """Tells one payload from another: SHA-256 over what was asked for, keys in order."""
    payload: list[Any] = [submission.kind, submission.params, submission.priority, submission.title]
    if submission.run_after or submission.deadline:
        payload += [moment and moment.isoformat() for moment in (submission.run_after, submission.deadline)]
    if submission.callbacks:
        payload.append({"callbacks": callbacks.written(submission.callbacks)})
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
