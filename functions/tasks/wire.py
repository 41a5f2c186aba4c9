"""A task on the wire: what a caller sends and what comes back."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self, cast
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from longhaul.http import Caller, Moment, Timestamp
from longhaul.tasks import progress
from longhaul.tasks.callbacks import MAX_CALLBACKS, Callback, distinct
from longhaul.tasks.changes import Wish
from longhaul.tasks.filtering import PriorityName
from longhaul.tasks.following import SyncStatus, TaskView
from longhaul.tasks.live import LiveItem
from longhaul.tasks.model import ACTIONS, Priority, Status, Task, allowed_actions
from longhaul.tasks.submission import Submission

Title = Annotated[str, Field(min_length=1, max_length=200, description="What people call it.")]


class SubmitRequest(BaseModel):
    """A task to be run: its kind, what the kind needs to know, and how it goes before others."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"kind": "hospital_province_refresh", "params": {"province": "广东省"}}],
            "x-params-of-kind": True,  # the document then says what each kind's params are
        },
    )

    kind: str = Field(min_length=1, max_length=64, description="What is to be done.")
    params: dict[str, Any] = Field(default_factory=dict, description="What the kind needs to know.")
    priority: PriorityName = Field("normal", description="Higher ones of a kind are started first.")
    title: Title | None = None
    run_after: Moment | None = Field(
        None, description="It starts no earlier; at most 30 days ahead.", examples=["2026-12-01T02:00:00Z"]
    )
    deadline: Moment | None = Field(
        None,
        description="It fails unless it has ended by then: later than run_after, at most 37 days ahead. When left out, "
        "so long after its first start as its kind allows.",
        examples=["2026-12-01T06:00:00Z"],
    )
    callbacks: Annotated[list[Callback], AfterValidator(distinct)] = Field(
        default_factory=list,
        max_length=MAX_CALLBACKS,
        description="Addresses that are told of this task, signed with the secret of `/api/v1/webhooks/secret`. A task "
        "that is open already for the same thing keeps its own.",
    )

    def submission(self, who: Caller, idempotency_key: str | None) -> Submission:
        """As the task core takes it."""
        return Submission(
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            kind=self.kind,
            params=self.params,
            priority=Priority[self.priority],
            title=self.title,
            idempotency_key=idempotency_key,
            run_after=self.run_after,
            deadline=self.deadline,
            callbacks=self.callbacks,
        )


class ChangeRequest(BaseModel):
    """What is to be different about a task; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"priority": "urgent"}]})

    priority: PriorityName | None = Field(None, description="Of one that has ended it cannot be changed.")
    title: Title | None = None
    run_after: Moment | None = Field(
        None, description="Of a PENDING one, at most 30 days ahead; null: now.", examples=["2026-12-01T02:00:00Z"]
    )

    @model_validator(mode="after")
    def something_changes(self) -> Self:
        if self.priority is None and self.title is None and "run_after" not in self.model_fields_set:
            raise ValueError("priority, title or run_after should be given")
        return self

    def wish(self) -> Wish:
        """As the task core takes it."""
        at_once = "run_after" in self.model_fields_set and self.run_after is None
        return Wish(Priority[self.priority] if self.priority else None, self.title, self.run_after, at_once)


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
    params: dict[str, Any] | None = Field(
        None, description="Of a task that is read alone, as its kind took them; null when they are over 64 KB."
    )
    progress: int = Field(ge=0, le=100, description="Per cent.")
    stage: str | None = Field(None, description="The level of steps it is at.", examples=["district"])
    current_step: str | None = Field(None, examples=["正在获取区县数据：越秀区"])
    statistics: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: ErrorDocument | None = None
    attempt: int = Field(description="Which run of its workflow this is; 0 before the first.")
    run_after: Timestamp | None = Field(None, description="When it may start, while that is still to come.")
    deadline: Timestamp | None = Field(None, description="When it fails unless it has ended.")
    queue_position: int | None = Field(
        None,
        description="Of one that waits, when it alone is read: 1 is started next, if no other comes.",
        examples=[3],
    )
    eta_seconds: int | None = Field(
        None,
        description="Of one that runs: the rest at the rate of its last steps, from updated_at on.",
        examples=[95],
    )
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    cache_sync_status: SyncStatus | None = Field(None, description="How the live item agrees with the database.")
    allowed_actions: list[str] = Field(description="What may be asked of it now.", examples=[["cancel", "pause"]])
    links: dict[str, str]


def document(
    task: Task,
    sync: SyncStatus | None = None,
    *,
    params: dict[str, Any] | None = None,
    queue_position: int | None = None,
    eta_seconds: int | None = None,
) -> TaskDocument:
    waits = task.status == Status.PENDING and task.run_after > datetime.now(UTC)
    return TaskDocument(
        task_id=task.task_id,
        kind=task.kind,
        title=task.title,
        status=task.status,
        priority=cast(PriorityName, task.priority.name),
        params=params,
        progress=task.progress,
        stage=task.stage,
        current_step=task.current_step,
        statistics=task.statistics,
        result=task.result,
        error=ErrorDocument(code=task.error.code, message=task.error.message) if task.error else None,
        attempt=task.attempt,
        run_after=task.run_after if waits else None,
        deadline=task.deadline,
        queue_position=queue_position,
        eta_seconds=eta_seconds,
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
        return document(
            view.task,
            view.sync,
            params=view.task.loaded_params,
            queue_position=view.queue_position,
            eta_seconds=_eta(view.item, view.task),
        )
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
            "eta_seconds": _eta(item),
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "cache_sync_status": sync,
            "allowed_actions": allowed_actions(Status(item.status)),
            "links": _links(item.task_id),
        }
    )


def _eta(item: LiveItem | None, task: Task | None = None) -> int | None:
    """None unless the item is of the attempt that runs."""
    if item is None or item.status != Status.RUNNING:
        return None
    if task is not None and (task.status, task.attempt) != (item.status, item.attempt):
        return None
    return progress.eta_seconds(item.pace)


def location(task_id: str) -> str:
    """The task's path; its id may hold Chinese, so it is percent-encoded."""
    return f"/api/v1/tasks/{quote(task_id)}"


def _links(task_id: str) -> dict[str, str]:
    return {"self": location(task_id)} | {action: f"{location(task_id)}/{action}" for action in ACTIONS}
