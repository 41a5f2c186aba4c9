"""Notices: what happened to a task, as listeners receive it. One shape on every channel: a CloudEvent.

A notice may come twice, late or out of order. `sequence` orders them: of one task's notices the greatest is the newest.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and .../extensions/sequence.md
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from longhaul.tasks.model import Status, Task, aware

PREFIX, ALERT_PREFIX = "longhaul.task.", "longhaul.alert."
SUBMITTED, PROGRESS = f"{PREFIX}submitted", f"{PREFIX}progress"  # the types of hints
STATE = f"{PREFIX}state"  # what a task is at the moment at which someone begins to listen
ENDS = tuple(PREFIX + event for event in ("succeeded", "failed", "expired", "cancelled"))
IDS = 50  # tasks of one message
MAX_BYTES = 20_000  # of a notice
PER_MESSAGE = 10  # notices, of at most MAX_BYTES each: a message has 256 KB
OMITTED = {"omitted": "the detail was too large: read the task's events"}


class Channel(StrEnum):
    """A way of telling; the name of its queue in `settings.Channels` follows from it."""

    SOCKETS = "sockets"
    WEBHOOKS = "webhooks"
    MAIL = "mail"


class NoticeData(BaseModel):
    """The task as it was then. `detail` is that of its event (`GET /api/v1/tasks/{id}/events`)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    task_id: str
    kind: str
    title: str
    status: Status
    attempt: int
    progress: int = Field(description="Per cent.")
    stage: str | None = None
    current_step: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


class AlertData(BaseModel):
    """An alert as it was then (`GET /api/v1/alerts/{id}`)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    alert_id: str
    rule: str
    severity: str
    state: str
    message: str
    value: float
    threshold: float
    title: str
    task_id: str | None = None
    kind: str | None = None


class Notice(BaseModel):
    """A CloudEvent in its JSON form. Later ones of a task, or an alert, have a greater `sequence`, compared as text.

    That of an alert's is smaller than that of any task's: who keeps the greatest of all misses nothing by it.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="The same each time this notice is told.", examples=["0000000000004711.00000000"])
    source: Literal["/api/v1/tasks", "/api/v1/alerts"] = "/api/v1/tasks"
    type: str = Field(examples=["longhaul.task.succeeded"])
    subject: str = Field(description="The task's id, or the alert's.")
    time: str = Field(description="RFC 3339, UTC.", examples=["2026-12-01T02:00:00.123Z"])
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str
    traceparent: str | None = Field(None, description="The trace of the request that submitted the task.")
    data: NoticeData | AlertData

    @property
    def is_end(self) -> bool:
        return self.type in ENDS


class Addressed(BaseModel):
    """A notice on its way within Longhaul, with the tenant whose task it is of."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    tenant_id: str
    notice: Notice


class Announcement(BaseModel):
    """To `publish_notices`: these tasks may have unsent notices; and hints, which are delivered as they are."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    task_ids: list[str] = Field(default_factory=list, max_length=IDS)
    hints: list[Addressed] = Field(default_factory=list, max_length=PER_MESSAGE)


class Delivery(BaseModel):
    """To a channel's function: notices to be delivered."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    notices: list[Addressed] = Field(min_length=1, max_length=PER_MESSAGE)


def sequence_of(event_id: int, steps_done: int = 0) -> str:
    """A transition is newer than all before it; between two of them, more steps done are newer."""
    return f"{event_id:016d}.{steps_done:08d}"


def event_of(sequence: str) -> int:
    """The transition's event that a `sequence` names. Raises ValueError for what is none."""
    number, _, steps = sequence.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) == 16 and steps.isascii() and steps.isdigit()):
        raise ValueError(f"{sequence!r} is no sequence of a notice")
    return int(number)


def alert(event_id: int, event: str, at: datetime, data: AlertData) -> Notice:
    """The notice of an alert's event."""
    return Notice(
        id=f"alert.{event_id:016d}",
        source="/api/v1/alerts",
        type=ALERT_PREFIX + event,
        subject=data.alert_id,
        time=_time(at),
        sequence=sequence_of(0, event_id),
        traceparent=None,
        data=data,
    )


def hint(kind: str, task: Task, last_event: int, traceparent: str | None) -> Addressed:
    """What the row says of a task now, behind its last event."""
    sequence = sequence_of(last_event, task.steps_done)
    data = NoticeData(
        task_id=task.task_id,
        kind=task.kind,
        title=task.title,
        status=task.status,
        attempt=task.attempt,
        progress=task.progress,
        stage=task.stage,
        current_step=task.current_step,
    )
    notice = Notice(
        id=sequence,
        type=kind,
        subject=task.task_id,
        time=_time(task.updated_at),
        sequence=sequence,
        traceparent=traceparent,
        data=data,
    )
    return Addressed(tenant_id=task.tenant_id, notice=notice)


def addressed(row: dict[str, Any]) -> Addressed:
    """The notice of an event's row, with what is read of its task beside it (`list_unsent`).

    A detail that has no room in MAX_BYTES is left out, and said to be.
    """
    sequence = sequence_of(row["id"])
    data = NoticeData(
        task_id=row["task_id"],
        kind=row["kind"],
        title=row["title"],
        status=Status(row["status"]),
        attempt=row["attempt"],
        progress=row["progress"] or 0,
        stage=row["stage"],
        current_step=row["current_step"],
        detail=json.loads(row["detail"] or "{}"),
    )
    notice = Notice(
        id=sequence,
        type=PREFIX + row["event"],
        subject=row["task_id"],
        time=_time(aware(row["created_at"])),
        sequence=sequence,
        traceparent=row["traceparent"],
        data=data,
    )
    if len(notice.model_dump_json(exclude_none=True).encode()) > MAX_BYTES:
        notice = notice.model_copy(update={"data": data.model_copy(update={"detail": OMITTED})})
    return Addressed(tenant_id=row["tenant_id"], notice=notice)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
