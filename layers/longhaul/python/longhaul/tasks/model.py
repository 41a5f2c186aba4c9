"""What a task is: its states, the one table of transitions between them, and its row."""

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Self


class Status(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ACTIVE = (Status.PENDING, Status.RUNNING, Status.PAUSED)
TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


class Priority(IntEnum):
    low = 0
    normal = 1
    high = 2
    urgent = 3


class StepStatus(StrEnum):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Transition(StrEnum):
    """What can happen to a task; the value is the name of the event it leaves in `task_events`."""

    START = "started"
    SUCCEED = "succeeded"
    FAIL = "failed"
    EXPIRE = "expired"
    CANCEL = "cancelled"
    PAUSE = "paused"
    RESUME = "resumed"
    RETRY = "retried"
    REQUEUE = "requeued"


CHANGED = "changed"  # the event of a change that is no transition: of a task's priority or title


@dataclass(frozen=True)
class Move:
    sources: tuple[Status, ...]
    target: Status


# Every change of a task's status is one of these, made by one UPDATE guarded by `sources`.
TRANSITIONS: dict[Transition, Move] = {
    Transition.START: Move((Status.PENDING,), Status.RUNNING),
    Transition.SUCCEED: Move((Status.RUNNING,), Status.SUCCEEDED),
    # Only from RUNNING: news of a dead execution may come late, when the task already waits for its next attempt.
    Transition.FAIL: Move((Status.RUNNING,), Status.FAILED),
    # Its deadline passed, also while it waited or was paused.
    Transition.EXPIRE: Move((Status.RUNNING, Status.PENDING, Status.PAUSED), Status.FAILED),
    Transition.CANCEL: Move((Status.PENDING, Status.RUNNING, Status.PAUSED), Status.CANCELLED),
    # Pausing ends the attempt and keeps its steps; what is resumed waits for its next attempt like any other.
    Transition.PAUSE: Move((Status.RUNNING,), Status.PAUSED),
    Transition.RESUME: Move((Status.PAUSED,), Status.PENDING),
    # A caller asks for what failed to be tried anew, with the retries and the time that a new task has.
    Transition.RETRY: Move((Status.FAILED,), Status.PENDING),
    # The attempt came to nothing (not started, died, transient failure): the next one goes on from its steps.
    Transition.REQUEUE: Move((Status.RUNNING,), Status.PENDING),
}

# What a caller may ask for, by the transition it makes.
ACTIONS: dict[str, Transition] = {
    "cancel": Transition.CANCEL,
    "pause": Transition.PAUSE,
    "resume": Transition.RESUME,
    "retry": Transition.RETRY,
}
PRIORITISE = "prioritise"  # asked for as a change of the task (PATCH): it is no transition


def allowed_actions(status: Status) -> list[str]:
    """What a caller may ask of a task in this status."""
    allowed = [action for action, transition in ACTIONS.items() if status in TRANSITIONS[transition].sources]
    return [*allowed, PRIORITISE] if status in ACTIVE else allowed


@dataclass(frozen=True)
class TaskError:
    code: str
    message: str


@dataclass(frozen=True)
class Tally:
    """How far a task is. `progress` is 0..99: only a task that has closed is at 100; `share`, 0..1, is exact.

    `complete`: nothing is left.
    """

    progress: int
    share: float
    steps_done: int
    complete: bool
    statistics: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A row of `tasks`. Times are aware, UTC."""

    id: int
    task_id: str
    tenant_id: str
    user_id: str
    kind: str
    title: str
    params: dict[str, Any]
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
    retries: int
    max_retries: int
    run_after: datetime
    deadline: datetime | None
    heartbeat_at: datetime | None
    execution_arn: str | None
    request_digest: str
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
                "params": json.loads(row["params"]),
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


def aware(value: Any) -> Any:
    """MySQL's DATETIME has no zone; ours are all UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
