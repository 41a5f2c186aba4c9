"""What is looked for, and what is found: rows without the params, which may hold a thousand leads."""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from longhaul.tasks.model import Priority, Status, StepStatus, TaskError, aware


class Sort(StrEnum):
    """What a list is sorted by; equal ones by their ids."""

    created_at = "created_at"
    updated_at = "updated_at"
    priority = "priority"
    progress = "progress"


class Order(StrEnum):
    asc = "asc"
    desc = "desc"


@dataclass(frozen=True)
class Filters:
    """Which of a tenant's tasks; what is left out selects all. `title` is text within it; times are aware."""

    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    title: str | None = None


@dataclass(frozen=True)
class Question:
    """Which tasks, in which order."""

    tenant_id: str
    filters: Filters = Filters()
    sort: Sort = Sort.created_at
    order: Order = Order.desc


@dataclass(frozen=True)
class Place:
    """A row's place in an order: the value it is sorted by (a time is UTC without a zone), and its id."""

    value: datetime | int
    id: int


@dataclass(frozen=True)
class FoundTask:
    """A row of `tasks`, but for its params and what only the task core looks at. Times are aware, UTC."""

    id: int
    task_id: str
    tenant_id: str
    kind: str
    title: str
    status: Status
    priority: Priority
    progress: int
    steps_done: int
    stage: str | None
    current_step: str | None
    statistics: dict[str, Any]
    result: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    attempt: int
    run_after: datetime
    deadline: datetime | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {field.name: aware(row[field.name]) for field in fields(cls)}
        return cls(
            **values
            | {
                "status": Status(row["status"]),
                "priority": Priority(row["priority"]),
                "statistics": json.loads(row["statistics"] or "{}"),
                "result": json.loads(row["result"]) if row["result"] else None,
            }
        )

    @property
    def error(self) -> TaskError | None:
        return TaskError(self.error_code, self.error_message or "") if self.error_code else None

    @property
    def log_context(self) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt, "kind": self.kind}

    def place(self, sort: Sort) -> Place:
        value = getattr(self, sort)
        return Place(value.replace(tzinfo=None) if isinstance(value, datetime) else int(value), self.id)


@dataclass(frozen=True)
class FoundStep:
    """A row of `task_steps`, but for its output. Times are aware, UTC."""

    key: str
    level: str
    label: str
    status: StepStatus
    attempt: int
    units: int
    error: TaskError | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class FoundEvent:
    """A row of `task_events`: what happened to a task, and when (aware, UTC)."""

    id: int
    event: str
    status: Status
    attempt: int
    detail: dict[str, Any]
    at: datetime
