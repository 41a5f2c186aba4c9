"""What lists hold, as it is on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import PageCursor, PageNumber, PageSize, Timestamp
from longhaul.http.pages import Cursor, Limit
from longhaul.tasks.filtering import PriorityName, TaskFilter
from longhaul.tasks.listing import Order, Question, Sort
from longhaul.tasks.model import EventRow, Priority, Status, StepRow, StepStatus, Task
from longhaul.workloads.store import OutputRow
from tasks.wire import ErrorDocument, TaskDocument


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ListQuery(TaskFilter):
    """How a list of tasks is asked for: the query parameters that its routes share."""

    sort_by: Sort = Field(
        Sort.created_at,
        description="What to sort by; equal ones by the order in which they came.",
        examples=["created_at"],
    )
    sort_order: Order = Field(Order.desc, description="Upwards or downwards.", examples=["desc"])

    def question(self, tenant_id: str) -> Question:
        """The same however its values are ordered or repeated: a cursor and a cached page belong to it."""
        values = {name: getattr(self, name) for name in TaskFilter.model_fields}
        values["status"], values["kind"] = sorted(set(self.status)), sorted(set(self.kind))
        values["error_code"] = sorted(set(self.error_code))
        values["priority"] = sorted(set(self.priority), key=lambda name: Priority[name])
        return Question(tenant_id, TaskFilter.model_construct(**values), self.sort_by, self.sort_order)


class PageQuery(ListQuery):
    """A page by its number, or after a cursor."""

    page: PageNumber = 1
    page_size: PageSize = 20
    cursor: PageCursor = None


class CursorQuery(ListQuery):
    """A page after the one before."""

    cursor: Cursor = None
    limit: Limit = 20


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
    more: bool = Field(False, description="There are more than these: ask by cursor, by status.")


class StepDocument(_View):
    """A unit of a task's work that is done once and remembered."""

    key: str = Field(examples=["district/440104"])
    level: str = Field(examples=["district"])
    label: str = Field(examples=["越秀区"])
    status: StepStatus = Field(description="RUNNING: a worker has taken it, and the task still runs that attempt.")
    attempt: int = Field(description="The task's attempt that finished it, took it or planned it.")
    attempts: int = Field(0, description="How often a worker has taken it, in all attempts of the task.", examples=[1])
    units: int = Field(description="What it counted, such as hospitals.", examples=[18])
    error: ErrorDocument | None = None
    created_at: Timestamp
    started_at: Timestamp | None = Field(None, description="When a worker last took it; null while it waits.")
    finished_at: Timestamp | None = None
    duration_seconds: float | None = Field(None, description="How long its last try took.", examples=[4.25])


class ResultDocument(_View):
    """An item of a code-first workload's task, and what it came to."""

    key: str = Field(description="Its stage and its key.", examples=["summarise/text/00017"])
    stage: str = Field(examples=["summarise"])
    label: str = Field(examples=["text 17"])
    status: StepStatus
    output: dict[str, Any] = Field(
        default_factory=dict,
        description="What its step returned; empty unless it SUCCEEDED.",
        examples=[{"summary": "A short text."}],
    )
    error: ErrorDocument | None = None
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


def summary(task: Task) -> TaskSummary:
    return TaskSummary.model_validate(
        {name: getattr(task, name) for name in TaskSummary.model_fields} | {"priority": task.priority.name}
    )


def step_document(step: StepRow) -> StepDocument:
    error = ErrorDocument(code=step.error.code, message=step.error.message) if step.error else None
    return StepDocument.model_validate(
        {name: getattr(step, name) for name in StepDocument.model_fields} | {"error": error}
    )


def result_document(row: OutputRow) -> ResultDocument:
    error = ErrorDocument(code=row.error.code, message=row.error.message) if row.error else None
    return ResultDocument.model_validate(
        {name: getattr(row, name) for name in ResultDocument.model_fields} | {"error": error}
    )


def event_document(event: EventRow) -> EventDocument:
    return EventDocument.model_validate({name: getattr(event, name) for name in EventDocument.model_fields})
