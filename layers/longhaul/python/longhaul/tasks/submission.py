"""Submitting a task: one insert, then one message as a hint. The database is the queue of record."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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


@dataclass(frozen=True)
class Submission:
    """What a caller asks for. `idempotency_key` is the tenant's own and holds as long as its task is kept."""

    tenant_id: str
    user_id: str
    kind: str
    params: dict[str, Any]
    priority: Priority = Priority.normal
    title: str | None = None
    idempotency_key: str | None = None


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


def submit(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> Task:
    """The new task, or the one that this Idempotency-Key made before.

    Raises UnknownKind, InvalidRequest (with the params' places), KeyReused, LaneFull, DatabaseUnavailable.
    """
    task = _insert(prepare(submission, new_id=new_id))
    scopes.changed(task)
    hints.hint_dispatch(task.kind)
    return task


def prepare(submission: Submission, *, new_id: Callable[[str], str] | None = None) -> NewTask:
    """Raises UnknownKind, InvalidRequest (with the params' places)."""
    kind = kind_named(submission.kind)
    params = _validated(kind, submission.params)
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
    asked = [submission.kind, submission.params, submission.priority, submission.title]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
