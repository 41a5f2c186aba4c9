"""The rows of tasks, by the statements of queries.sql: put there, read, and their progress written."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from longhaul import queries
from longhaul.database import Session
from longhaul.live import LiveItem
from longhaul.tasks.model import Task, aware

_queries = queries.load(__file__)

MESSAGE_CHARACTERS = 2000


def dumps(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def now(session: Session) -> datetime:
    """The database's clock, by which tasks start and are overdue."""
    moment: datetime = aware(_queries.fetch_time(session))
    return moment


def insert(session: Session, *, params: dict[str, Any], **values: Any) -> bool:
    """Whether the lane had room. Raises pymysql.IntegrityError for a key that is taken."""
    return bool(_queries.insert_task(session, params=dumps(params), **values))


def fetch(session: Session, task_id: str) -> Task | None:
    return _task(_queries.fetch_task(session, task_id=task_id))


def fetch_for_tenant(session: Session, task_id: str, tenant_id: str) -> Task | None:
    task = _task(_queries.fetch_tenant_task(session, task_id=task_id, tenant_id=tenant_id))
    return task if task and task.task_id == task_id else None  # to MySQL, a space behind it makes no difference


def fetch_all(session: Session, ids: Sequence[int]) -> list[Task]:
    """Those with these row ids, in no order."""
    return [Task.from_row(row) for row in _queries.fetch_tasks(session, ids=list(ids))] if ids else []


def fetch_by_key(session: Session, tenant_id: str, idempotency_key: str) -> Task | None:
    return _task(_queries.fetch_task_by_key(session, tenant_id=tenant_id, idempotency_key=idempotency_key))


def fetch_open(session: Session, tenant_id: str, open_key: str) -> Task | None:
    """The tenant's task that has this key and has not ended."""
    return _task(_queries.fetch_open_task(session, tenant_id=tenant_id, open_key=open_key))


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


def _task(row: dict[str, Any] | None) -> Task | None:
    return Task.from_row(row) if row else None
