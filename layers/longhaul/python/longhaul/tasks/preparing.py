"""From what a caller asks for to the row that it makes: checked, named, and told from others."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from longhaul import database
from longhaul.errors import FieldError, InvalidRequest
from longhaul.tasks import store, times
from longhaul.tasks.kinds import Kind, kind_named
from longhaul.tasks.model import Priority

SLUG_CHARACTERS = 60


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
    open_key: str | None  # while it is open no other of its tenant has it
    run_after: datetime | None  # None: at once
    deadline: datetime | None


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
    run_after, deadline = times.checked(submission.run_after, submission.deadline, clock)
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
        open_key=_open_key(kind, params),
        run_after=run_after,
        deadline=deadline,
    )


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


def _open_key(kind: Kind, params: Any) -> str | None:
    key = kind.open_key(params) if kind.open_key else None
    return None if key is None else hashlib.sha256(json.dumps([kind.name, key]).encode()).hexdigest()


def _digest(submission: Submission) -> str:
    """Tells one payload from another: SHA-256 over what was asked, keys in order."""
    asked: list[Any] = [submission.kind, submission.params, submission.priority, submission.title]
    if submission.run_after or submission.deadline:
        asked += [moment and moment.isoformat() for moment in (submission.run_after, submission.deadline)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
