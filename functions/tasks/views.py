"""What lists hold, as it is on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import Timestamp
from longhaul.tasks.finding.model import FoundEvent, FoundStep, FoundTask
from longhaul.tasks.model import Status, StepStatus
from tasks.documents import ErrorDocument, PriorityName, TaskDocument


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class TaskSummary(_View):
    """A task's small fields."""

    task_id: str = Field(examples=["province_广东省_20261122_143052_1a2b3c4d"])
    kind: str = Field(examples=["hospital_province_refresh"])
    title: str = Field(examples=["广东省刷新"])
    status: Status
    priority: PriorityName
    progress: int = Field(ge=0, le=100, description="Per cent.")
    created_at: Timestamp
    updated_at: Timestamp


class ActiveTasks(_View):
    """The tasks that have not ended, newest first."""

    items: list[TaskDocument]


class StepDocument(_View):
    """A unit of a task's work that is done once and remembered."""

    key: str = Field(examples=["district/440104"])
    level: str = Field(examples=["district"])
    label: str = Field(examples=["越秀区"])
    status: StepStatus
    attempt: int = Field(description="The attempt that finished it, or planned it.")
    units: int = Field(description="What it counted, such as hospitals.", examples=[18])
    error: ErrorDocument | None = None
    created_at: Timestamp
    finished_at: Timestamp | None = None


class EventDocument(_View):
    """What happened to a task."""

    event: str = Field(examples=["started"])
    status: Status = Field(description="The task's, after it.")
    attempt: int
    detail: dict[str, Any] = Field(default_factory=dict)
    at: Timestamp


class CursorPage[T](_View):
    """Some of a list, and where the rest begins."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Ask with it for the next page; null at the end.")


def summary(task: FoundTask) -> TaskSummary:
    return TaskSummary.model_validate(
        {name: getattr(task, name) for name in TaskSummary.model_fields} | {"priority": task.priority.name}
    )


def step_document(step: FoundStep) -> StepDocument:
    error = ErrorDocument(code=step.error.code, message=step.error.message) if step.error else None
    return StepDocument.model_validate(
        {name: getattr(step, name) for name in StepDocument.model_fields} | {"error": error}
    )


def event_document(event: FoundEvent) -> EventDocument:
    return EventDocument.model_validate({name: getattr(event, name) for name in EventDocument.model_fields})
