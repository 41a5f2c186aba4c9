"""The rows of tasks that are purged, and of what hangs on them, by the statements of queries.sql."""

from collections.abc import Sequence
from typing import NamedTuple

from longhaul import queries
from longhaul.database import Session

_queries = queries.load(__file__)


class Doomed(NamedTuple):
    """A task that is to go; `tenant_id` is empty when it is nobody's already."""

    id: int
    task_id: str
    tenant_id: str
    kind: str


def lock_ended(tx: Session, days: int, statuses: Sequence[str], *, tenant_id: str | None, limit: int) -> list[Doomed]:
    """Tasks of this tenant, or of any, that ended so many days ago, but for those that somebody else has locked."""
    asked = {"days": days, "statuses": list(statuses), "limit": limit}
    if tenant_id is None:
        rows = _queries.lock_ended(tx, **asked)
    else:
        rows = _queries.lock_ended_of_tenant(tx, tenant_id=tenant_id, **asked)
    return [Doomed(**row) for row in rows]


def condemn(tx: Session, doomed: Sequence[Doomed]) -> None:
    """Take them from their tenants."""
    _queries.condemn(tx, ids=[task.id for task in doomed])


def list_condemned(session: Session, limit: int) -> list[Doomed]:
    return [Doomed(**row) for row in _queries.list_condemned(session, limit=limit)]


def delete_steps(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """How many were deleted; fewer than `limit`: none is left."""
    return int(_queries.delete_steps(session, task_ids=list(task_ids), limit=limit))


def delete_events(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """How many were deleted; fewer than `limit`: none is left."""
    return int(_queries.delete_events(session, task_ids=list(task_ids), limit=limit))


def delete_tasks(session: Session, doomed: Sequence[Doomed]) -> None:
    _queries.delete_tasks(session, ids=[task.id for task in doomed])
