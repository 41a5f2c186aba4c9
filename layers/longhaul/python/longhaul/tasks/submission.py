"""Submitting a task: one insert, then one message as a hint. The database is the queue of record."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql
from pydantic import ValidationError

from longhaul import database
from longhaul.errors import DatabaseUnavailable, FieldError, InvalidRequest, KeyReused, LaneFull
from longhaul.tasks import hints, scopes, store
from longhaul.tasks.kinds import Kind, kind_named
from longhaul.tasks.model import Priority, Task

SLUG_CHARACTERS = 60
RETRY_AFTER_LANE_FULL = 30.0  # seconds
FURTHEST_START = timedelta(days=30)
FURTHEST_DEADLINE = timedelta(days=37)  # a week after the furthest start


@dataclass(frozen=True)
class Submission:
    """What a caller asks for. `idempotency_key` is the tenant's own and holds as long as its task is kept.

    `run_after` and `deadline` are UTC: before when it is not to start (None or past: at once), and when it fails
    unless it has ended (None: so long after its first start as its kind allows).
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
    run_after: datetime | None  # None: at once
    deadline: datetime | None


def database_clock() -> datetime:
    """The clock by which tasks start and are overdue: ours may be minutes off. Raises DatabaseUnavailable."""
    with database.connection() as session:
        return store.now(session)


def submit(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> Task:
    """The new task, or the one that this Idempotency-Key made before.

    Raises UnknownKind, InvalidRequest (with its places in the body), KeyReused, LaneFull, DatabaseUnavailable.
    """
    task = _insert(prepare(submission, new_id=new_id))
    scopes.changed(task)
    hint_start(task)
    return task


def hint_start(task: Task) -> None:
    """Wake the dispatcher when the task may start; later than a message can wait, the minute's sweep finds it."""
    delay = (task.run_after - task.updated_at).total_seconds()  # both are the database's
    if delay <= hints.LONGEST_DELAY:
        hints.hint_dispatch(task.kind, delay=max(0.0, delay))


def prepare(
    submission: Submission,
    *,
    new_id: Callable[[str], str] | None = None,
    clock: Callable[[], datetime] = database_clock,
) -> NewTask:
    """Raises UnknownKind, InvalidRequest (with its places in the body). `clock` is asked only when times are given."""
    kind = kind_named(submission.kind)
    params = _validated(kind, submission.params)
    run_after, deadline = _times(submission, clock)
    return NewTask(
        task_id=(new_id or public_id)(kind.slug(params)[:SLUG_CHARACTERS]),
        tenant_id=submission.tenant_id,
        user_id=submission.user_id,
        kind=kind.name,
        title=submission.title or kind.title(params),
        params=params.model_dump(mode="json"),
        priority=submission.priority,
        max_retries=kind.max_retries,
        idempotency_key=submission.idempotency_key,
        request_digest=_digest(submission),
        run_after=run_after,
        deadline=deadline,
    )


def lane_full(kind: str) -> LaneFull:
    return LaneFull(f"the lane of {kind} is full", retry_after=RETRY_AFTER_LANE_FULL)


def public_id(slug: str) -> str:
    """`province_广东省_20231121_143052_1a2b3c4d`: what it is, when it was asked for, and 32 random bits (seed 004)."""
    return f"{slug}_{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"


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


def _times(submission: Submission, clock: Callable[[], datetime]) -> tuple[datetime | None, datetime | None]:
    """Its start and its deadline. Raises InvalidRequest when they are too far off, or the deadline too early."""
    run_after, deadline = submission.run_after, submission.deadline
    if run_after is None and deadline is None:
        return None, None
    now = clock()
    if run_after is not None and run_after <= now:
        run_after = None
    errors: list[FieldError] = []
    if run_after and run_after > now + FURTHEST_START:
        errors.append({"pointer": "/run_after", "detail": f"is more than {FURTHEST_START.days} days ahead"})
    if deadline and deadline <= (run_after or now):
        errors.append({"pointer": "/deadline", "detail": "is not after run_after" if run_after else "is past"})
    elif deadline and deadline > now + FURTHEST_DEADLINE:
        errors.append({"pointer": "/deadline", "detail": f"is more than {FURTHEST_DEADLINE.days} days ahead"})
    if errors:
        raise InvalidRequest("; ".join(f"{error['pointer']} {error['detail']}" for error in errors), errors=errors)
    return run_after, deadline


def _insert(new: NewTask) -> Task:
    with database.connection() as session:
        try:
            inserted = store.insert(session, **vars(new))
        except pymysql.IntegrityError:
            return _known(new)
        except DatabaseUnavailable:
            if (task := _find(new.task_id)) is not None:  # the insert's answer was lost, not the insert
                return task
            raise
        if not inserted:
            raise lane_full(new.kind)
        task = store.fetch(session, new.task_id)
    if task is None:
        raise DatabaseUnavailable("the task was stored but cannot be read")
    return task


def _known(new: NewTask) -> Task:
    with database.connection() as session:
        known = store.fetch_by_key(session, new.tenant_id, new.idempotency_key or "")
    if known is None:
        raise DatabaseUnavailable("two tasks were given the same id; submit again")
    if known.request_digest != new.request_digest:
        raise KeyReused(errors=[{"pointer": "header/Idempotency-Key", "detail": f"it made {known.task_id}"}])
    return known


def _find(task_id: str) -> Task | None:
    with database.connection() as session:
        return store.fetch(session, task_id)


def _digest(submission: Submission) -> str:
    """Tells one payload from another: SHA-256 over what was asked, keys in order."""
    asked: list[Any] = [submission.kind, submission.params, submission.priority, submission.title]
    if submission.run_after or submission.deadline:
        asked += [moment and moment.isoformat() for moment in (submission.run_after, submission.deadline)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
