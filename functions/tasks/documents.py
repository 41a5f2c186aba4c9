"""Tasks as they are on the wire: what a caller sends and what comes back."""

from typing import Any, Literal, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import Caller, Timestamp
from longhaul.live import LiveItem
from longhaul.tasks.model import ACTIONS, Priority, Status, Task, allowed_actions
from longhaul.tasks.reading import SyncStatus, TaskView
from longhaul.tasks.submission import Submission

type PriorityName = Literal["low", "normal", "high", "urgent"]


class SubmitRequest(BaseModel):
    """A task to be run: its kind, what the kind needs to know, and how it goes before others."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "hospital_province_refresh", "params": {"province": "广东省"}}]},
    )

    kind: str = Field(min_length=1, max_length=64, description="What is to be done.")
    params: dict[str, Any] = Field(default_factory=dict, description="What the kind needs to know.")
    priority: PriorityName = Field("normal", description="Higher ones of a kind are started first.")
    title: str | None = Field(None, min_length=1, max_length=200, description="What people call it.")

    def submission(self, who: Caller, idempotency_key: str | None) -> Submission:
        return Submission(
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            kind=self.kind,
            params=self.params,
            priority=Priority[self.priority],
            title=self.title,
            idempotency_key=idempotency_key,
        )


class ErrorDocument(BaseModel):
    """Why a task failed."""

    code: str = Field(examples=["too_many_failures"])
    message: str


class TaskDocument(BaseModel):
    """A task, as far as it has come."""

    model_config = ConfigDict(frozen=True)

    task_id: str = Field(examples=["province_广东省_20261122_143052_1a2b3c4d"])
    kind: str = Field(examples=["hospital_province_refresh"])
    title: str = Field(examples=["广东省刷新"])
    status: Status
    priority: PriorityName | None = None
    progress: int = Field(ge=0, le=100, description="Per cent.")
    stage: str | None = Field(None, description="The level of steps it is at.", examples=["district"])
    current_step: str | None = Field(None, examples=["正在获取区县数据：越秀区"])
    statistics: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: ErrorDocument | None = None
    attempt: int = Field(description="Which run of its workflow this is; 0 before the first.")
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    cache_sync_status: SyncStatus | None = Field(None, description="How the live item agrees with the database.")
    allowed_actions: list[str] = Field(description="What may be asked of it now.", examples=[["cancel", "pause"]])
    links: dict[str, str]


class ActiveTasks(BaseModel):
    """The tasks that have not ended, newest first."""

    items: list[TaskDocument]


def document(task: Task, sync: SyncStatus | None = None) -> TaskDocument:
    return TaskDocument(
        task_id=task.task_id,
        kind=task.kind,
        title=task.title,
        status=task.status,
        priority=cast(PriorityName, task.priority.name),
        progress=task.progress,
        stage=task.stage,
        current_step=task.current_step,
        statistics=task.statistics,
        result=task.result,
        error=ErrorDocument(code=task.error.code, message=task.error.message) if task.error else None,
        attempt=task.attempt,
        created_at=task.created_at,
        started_at=task.started_at,
        updated_at=task.updated_at,
        finished_at=task.finished_at,
        cache_sync_status=sync,
        allowed_actions=allowed_actions(task.status),
        links=_links(task.task_id),
    )


def view_document(view: TaskView) -> TaskDocument:
    """The task with its sync status; only what the live item knows when the database is away."""
    if view.task is not None:
        return document(view.task, view.sync)
    if view.item is None:
        raise ValueError("a view holds a row or a live item")
    return _item_document(view.item, view.sync)


def _item_document(item: LiveItem, sync: SyncStatus) -> TaskDocument:
    return TaskDocument.model_validate(
        {
            "task_id": item.task_id,
            "kind": item.kind,
            "title": item.title,
            "status": item.status,
            "progress": item.progress,
            "stage": item.stage,
            "current_step": item.current_step,
            "statistics": item.statistics,
            "attempt": item.attempt,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "cache_sync_status": sync,
            "allowed_actions": allowed_actions(Status(item.status)),
            "links": _links(item.task_id),
        }
    )


def location(task_id: str) -> str:
    """The task's path; its id may hold Chinese, so it is percent-encoded."""
    return f"/api/v1/tasks/{quote(task_id)}"


def _links(task_id: str) -> dict[str, str]:
    return {"self": location(task_id)} | {action: f"{location(task_id)}/{action}" for action in ACTIONS}
