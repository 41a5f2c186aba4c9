"""What a task is: its states, the one table of transitions between them, and its row."""

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Self

from longhaul.errors import LonghaulError, code_named


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
    """How a step stands. In the row of a RUNNING one stands PENDING (migration 0014)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
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

    def detail(self, error: "TaskError | None") -> dict[str, str]:
        """What its event holds of `error`: why the task failed or stopped, or, resumed or retried, why it had.

        `reason`, or `error` of a failure, is for people.
        """
        said = error and (error.message or error.code)
        match self:
            case Transition.PAUSE | Transition.CANCEL:
                detail = {"reason": said or f"a caller {self} it"}
            case Transition.RESUME | Transition.RETRY:
                detail = {"reason": f"a caller {self} it" + (f"; before: {said}" if said else "")}
            case _:
                detail = {"error": said} if said else {}
        return {"code": error.code, **detail} if error else detail


# Events that are no transition.
CHANGED = "changed"  # the task's priority or title
RECOVERED = "recovered"  # the attempt's execution was gone and was started again


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
    """Why a task or a step failed. The code is an error's of `longhaul.errors`, or what AWS calls it."""

    code: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """With the error's code, or its class's name where it is not one of ours."""
        name = type(error).__name__
        return cls(error.code if isinstance(error, LonghaulError) else name, str(error) or name)

    @classmethod
    def from_cause(cls, error: str, cause: str) -> Self:
        """From a Catch's `Error` (an exception's class name) and `Cause` (Lambda's JSON, or plain text).

        https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
        """
        try:
            parsed = json.loads(cause)
        except ValueError:
            parsed = None
        message = parsed.get("errorMessage") if isinstance(parsed, dict) else None
        return cls(code_named(error), str(message or cause) or error)


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    `percent` is 0..99 and counts what was done, not what failed; only a task that has SUCCEEDED is at 100. `share`,
    0..1, is how much was tried to its end: what is left is the rest. `steps_done` is that number in steps. It tells an
    older count from a newer one and is shown to nobody. `complete`: nothing is left.
    """

    percent: int
    share: float
    steps_done: int
    complete: bool
    statistics: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A row of `tasks`. Times are aware, UTC. `loaded_params` are the params where they were asked for."""

    id: int
    task_id: str
    tenant_id: str
    user_id: str
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
    loaded_params: dict[str, Any] | None = None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {field.name: aware(row[field.name]) for field in fields(cls) if field.name != "loaded_params"}
        return cls(
            **values
            | {
                "status": Status(row["status"]),
                "priority": Priority(row["priority"]),
                "statistics": json.loads(row["statistics"] or "{}"),
                "result": json.loads(row["result"]) if row["result"] else None,
                "loaded_params": json.loads(row["params"]) if row.get("params") else None,
            }
        )

    @classmethod
    def submitted(cls, **known: Any) -> Self:
        """One that nothing has happened to yet."""
        values: dict[str, Any] = dict.fromkeys(field.name for field in fields(cls))
        values |= dict.fromkeys(("progress", "steps_done", "attempt", "retries"), 0)
        return cls(**values | {"status": Status.PENDING, "statistics": {}} | known)

    @property
    def params(self) -> dict[str, Any]:
        """What the task was submitted with. Raises LookupError when the row was read without it."""
        if self.loaded_params is None:
            raise LookupError(f"the params of {self.task_id} were not loaded")
        return self.loaded_params

    @property
    def is_new(self) -> bool:
        """Whether nothing has happened to it since it was submitted."""
        return self.updated_at == self.created_at

    @property
    def error(self) -> TaskError | None:
        return TaskError(self.error_code, self.error_message or "") if self.error_code else None

    @property
    def log_context(self) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt, "kind": self.kind}


@dataclass(frozen=True)
class StepRow:
    """A row of `task_steps`, without its output. Times are aware, UTC.

    `attempt` is the task's attempt that planned, took or finished it. `attempts` counts how often a worker took it, in
    all attempts of the task. `started_at` is when that was last; None for one that waits.
    """

    key: str
    level: str
    label: str
    status: StepStatus
    attempt: int
    attempts: int
    units: int
    error: TaskError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def duration_seconds(self) -> float | None:
        """Of one that has ended: how long its last try took. None where no worker took it."""
        if self.started_at is None or self.finished_at is None or self.finished_at < self.started_at:
            return None  # the last: it failed, and in the same attempt is tried again
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class EventRow:
    """A row of `task_events`: what happened to a task, and when (aware, UTC)."""

    id: int
    event: str
    status: Status
    attempt: int
    detail: dict[str, Any]
    at: datetime


def aware(value: Any) -> Any:
    """A DATETIME of MySQL has no zone; ours are all UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def task_tag(task_id: str) -> str:
    """The cache tag of what is cached of one task."""
    return f"task:{task_id}"


def tenant_tag(tenant_id: str) -> str:
    """The cache tag of a tenant's lists of tasks."""
    return f"tasks:{tenant_id}"
