"""The rows that are found, by the statements of queries.sql."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.finding.model import Filters, FoundEvent, FoundStep, FoundTask, Order, Place, Question, Sort
from longhaul.tasks.model import Status, StepStatus, TaskError, aware

_queries = queries.load(__file__)

# The end of MySQL's times and of ours: no row lies beyond.
BEGINNING, END = datetime(1000, 1, 1), datetime(9999, 12, 31)
HIGHEST_ID = 2**63 - 1


def fetch(session: Session, task_id: str, tenant_id: str) -> FoundTask | None:
    row = _queries.fetch_found_task(session, task_id=task_id, tenant_id=tenant_id)
    return (
        FoundTask.from_row(row) if row and row["task_id"] == task_id else None
    )  # to MySQL, a space behind is the same


def list_tasks(
    session: Session, question: Question, *, limit: int, offset: int = 0, after: Place | None = None
) -> list[FoundTask]:
    """The tasks from the beginning, or after that place."""
    after = after or _before_all(question)
    rows = _queries.list_tasks(
        session,
        sort=question.sort,
        order=question.order,
        value=after.value,
        id=after.id,
        limit=limit,
        offset=offset,
        tenant_id=question.tenant_id,
        **_selection(question.filters),
    )
    return [FoundTask.from_row(row) for row in rows]


def count_tasks(session: Session, tenant_id: str, filters: Filters) -> int:
    return int(_queries.count_tasks(session, tenant_id=tenant_id, **_selection(filters)))


def list_active(session: Session, tenant_id: str, statuses: Iterable[Status], limit: int) -> list[FoundTask]:
    """Newest first."""
    rows = _queries.list_active_tasks(session, tenant_id=tenant_id, statuses=list(statuses), limit=limit)
    return [FoundTask.from_row(row) for row in rows]


def list_steps(
    session: Session,
    task_id: str,
    tenant_id: str,
    *,
    level: str | None,
    status: StepStatus | None,
    after: str,
    limit: int,
) -> list[FoundStep] | None:
    """By their keys, those after this one; None when the tenant has no such task."""
    rows = _queries.list_steps(
        session,
        task_id=task_id,
        tenant_id=tenant_id,
        any_level=level is None,
        level=level,
        any_status=status is None,
        status=status,
        after_key=after,
        limit=limit,
    )
    found = _of_task(rows, task_id, "step_key")
    return None if found is None else [_step(row) for row in found]


def list_events(session: Session, task_id: str, tenant_id: str, *, after: int, limit: int) -> list[FoundEvent] | None:
    """Oldest first, those after this id; None when the tenant has no such task."""
    rows = _queries.list_events(session, task_id=task_id, tenant_id=tenant_id, after_id=after, limit=limit)
    found = _of_task(rows, task_id, "id")
    return None if found is None else [_event(row) for row in found]


def _before_all(question: Question) -> Place:
    """Where the first page begins: beyond any row."""
    descending = question.order == Order.desc
    if question.sort in (Sort.created_at, Sort.updated_at):
        return Place(END, HIGHEST_ID) if descending else Place(BEGINNING, 0)
    return Place(127, HIGHEST_ID) if descending else Place(-1, 0)


def _selection(filters: Filters) -> dict[str, Any]:
    """The parameters of a selection. `IN ()` is no SQL, so a filter that is off has a value that no row has."""
    title = {"search": "off"}
    if filters.title is not None:
        title = {"search": "on", "title": f"%{_escaped(filters.title)}%"}
    return title | {
        "any_status": not filters.statuses,
        "statuses": [str(status) for status in filters.statuses] or [""],
        "any_kind": not filters.kinds,
        "kinds": list(filters.kinds) or [""],
        "any_priority": not filters.priorities,
        "priorities": [int(priority) for priority in filters.priorities] or [-1],
        "created_after": _naive(filters.created_after) if filters.created_after else BEGINNING,
        "created_before": _naive(filters.created_before) if filters.created_before else END,
    }


def _escaped(text: str) -> str:
    """For LIKE with ESCAPE '!', which works in every SQL mode, as a backslash does not."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _of_task(rows: list[dict[str, Any]], task_id: str, key: str) -> list[dict[str, Any]] | None:
    """The rows that have something; None when they are not of this task."""
    if not rows or rows[0]["task_id"] != task_id:
        return None
    return [row for row in rows if row[key] is not None]


def _step(row: dict[str, Any]) -> FoundStep:
    return FoundStep(
        key=row["step_key"],
        level=row["level"],
        label=row["label"],
        status=StepStatus(row["status"]),
        attempt=row["attempt"],
        units=row["units"],
        error=TaskError(row["error_code"], row["error_message"] or "") if row["error_code"] else None,
        created_at=aware(row["created_at"]),
        finished_at=aware(row["finished_at"]),
    )


def _event(row: dict[str, Any]) -> FoundEvent:
    return FoundEvent(
        id=row["id"],
        event=row["event"],
        status=Status(row["status"]),
        attempt=row["attempt"],
        detail=json.loads(row["detail"] or "{}"),
        at=aware(row["created_at"]),
    )
