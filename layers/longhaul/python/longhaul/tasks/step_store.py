"""The rows of a task's steps, by the statements of queries.sql."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.model import TaskError
from longhaul.tasks.store import MESSAGE_CHARACTERS, dumps

_queries = queries.load(__file__)


class StepCount(NamedTuple):
    """How many steps of a level have a status, and the units (hospitals) they counted."""

    level: str
    status: str
    steps: int
    units: int


def begin_step(session: Session, task_id: str, step_key: str) -> dict[str, Any] | None:
    """{task_status, attempt, step_status, output}; the step's two are None when it is not planned."""
    row: dict[str, Any] | None = _queries.begin_step(session, task_id=task_id, step_key=step_key)
    return row


def plan_steps(tx: Session, task_id: str, attempt: int, steps: Sequence[dict[str, Any]]) -> None:
    """Steps of {step_key, level, label}."""
    if steps:
        _queries.plan_steps(tx, task_id=task_id, attempt=attempt, steps=dumps(steps))


def finish_step(
    tx: Session,
    task_id: str,
    attempt: int,
    step_key: str,
    *,
    status: str,
    units: int = 0,
    output: dict[str, Any] | None = None,
    error: TaskError | None = None,
) -> bool:
    """Whether this attempt finished the step: not when a twin has, nor when the task no longer runs this attempt."""
    return bool(
        _queries.finish_step(
            tx,
            task_id=task_id,
            attempt=attempt,
            step_key=step_key,
            status=status,
            units=units,
            output=dumps(output),
            error_code=error.code if error else None,
            error_message=error.message[:MESSAGE_CHARACTERS] if error else None,
        )
    )


def count_steps(session: Session, task_id: str) -> list[StepCount]:
    rows = _queries.count_steps(session, task_id=task_id)
    return [StepCount(row["level"], row["status"], int(row["steps"]), int(row["units"] or 0)) for row in rows]


def list_failed_steps(session: Session, task_id: str, limit: int) -> list[dict[str, Any]]:
    """[{step_key, level, label, error_code, error_message}]"""
    rows: list[dict[str, Any]] = _queries.list_failed_steps(session, task_id=task_id, limit=limit)
    return rows
