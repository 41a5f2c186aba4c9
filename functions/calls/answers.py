"""What the provider tells of its jobs, read from the SDK's models: whatever has another shape raises here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from calls.sdk import MISSHAPEN
from calls.statuses import JobStatus, Outcome, outcome_of_job
from longhaul.observability import logger

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """What one of the two said; `speaker` is Robot or Contact, `at` in milliseconds since 1970, 0 when not told."""

    speaker: str
    script: str
    at: int


@dataclass(frozen=True)
class Job:
    """A job as it stands. What is told of a call is told of its latest one; times are in UTC."""

    job_id: str
    status: JobStatus
    reference: str | None
    failure_reason: str | None
    call_task_id: str | None
    task_status: str | None
    outcome: Outcome | None
    calling_number: str | None
    planed_time: datetime | None
    actual_time: datetime | None
    duration_ms: int | None
    conversation: tuple[Line, ...]


def jobs(listed: Any) -> list[Job]:
    """Those that can be read; what is wrong with another is logged. When none can, the answer is no list of jobs."""
    read = []
    for told in listed:
        try:
            read.append(_job(told))
        except MISSHAPEN as error:
            logger.warning("job left out", extra={"job_id": str(told.job_id)[:64], "wrong": type(error).__name__})
    if listed and not read:
        raise ValueError("no job can be read")
    return read


def reference_of(told: Any) -> str | None:
    """Our id of the lead: it was given with the contact, and comes back there or with the job."""
    given = [contact.reference_id for contact in told.contacts or []]
    return next((text(reference) for reference in (*given, told.reference_id) if reference), None)


def listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _job(told: Any) -> Job:
    status, call = JobStatus(told.status), _latest(told.tasks or [])
    values: Mapping[str, Any] = vars(call) if call else {}
    task_status = _optional(values.get("status"))
    return Job(
        job_id=text(told.job_id),
        status=status,
        reference=reference_of(told),
        failure_reason=_optional(told.failure_reason),
        call_task_id=text(call.task_id) if call else None,
        task_status=task_status,
        outcome=outcome_of_job(status, task_status),
        calling_number=_optional(values.get("calling_number")),
        planed_time=_time(values.get("planed_time")),
        actual_time=_time(values.get("actual_time")),
        duration_ms=None if values.get("duration") is None else int(values["duration"]),
        conversation=tuple(_line(line) for line in values.get("conversation") or []),
    )


def _latest(calls: list[Any]) -> Any | None:
    """The call made or planned last; of those at the same time, or at none, the one that is listed last."""
    latest = None
    for call in calls:
        if latest is None or _when(call) >= _when(latest):
            latest = call
    return latest


def _when(call: Any) -> int:
    return int(call.actual_time or call.planed_time or 0)


def _line(told: Any) -> Line:
    return Line(text(told.speaker), str(told.script or ""), int(told.timestamp or 0))


def _time(milliseconds: Any) -> datetime | None:
    return EPOCH + timedelta(milliseconds=int(milliseconds)) if milliseconds else None


def _optional(value: object) -> str | None:
    return text(value) if value else None
