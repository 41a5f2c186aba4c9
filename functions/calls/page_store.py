"""The rows of a page: two indexed statements, whatever the size of the campaign and the number of the page.

The times of a call are texts, RFC 3339 in UTC to the millisecond, as its `document` has them.
"""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self

from calls.model import JobStatus, Line, Outcome, block_of, counts_of, outcome_of_job
from longhaul.database import Session, queries
from longhaul.tasks.model import Status

_queries = queries.load(__file__)

FOLLOW_UP_TIMES = (
    "follow_time",
    "frist_follow_time",
    "new_follow_time",
    "next_follow_time",
    "frist_arrive_time",
)


@dataclass(frozen=True)
class PageHead:
    """The task, its counters and when the page's oldest block was synced (UTC without a zone; None: never).

    `total` counts jobs.
    """

    kind: str
    status: Status
    leads: int
    total: int
    counts: dict[str, int]
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A lead's row of `dcc_leads_follow`, by its columns' names."""

    id: int
    leads_id: str
    follow_time: str | None
    leads_remark: str | None
    frist_follow_time: str | None
    new_follow_time: str | None
    next_follow_time: str | None
    is_arrive: bool | None
    frist_arrive_time: str | None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(
            id=row["leads_follow_id"],
            leads_id=row["leads_id"],
            leads_remark=row["leads_remark"],
            is_arrive=_bool(row["is_arrive"]),
            **{name: _time(row[name]) for name in FOLLOW_UP_TIMES},
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A job: a row of `leads_task_list`, by its columns' names, with its follow-up."""

    job_seq: int
    leads_id: str
    name: str | None
    phone: str | None
    call_job_id: str
    call_status: JobStatus
    call_result: str | None
    outcome: Outcome | None
    planed_time: str | None
    actual_time: str | None
    duration_ms: int | None
    call_task_id: str | None
    call_conversation: tuple[Line, ...] | None
    calling_number: str | None
    recording_url: str | None
    recording_state: str | None
    is_interested: bool | None
    leads_follow_id: int | None
    follow_data: FollowUp | None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        status, lines = JobStatus(row["call_status"]), row["call_conversation"]
        return cls(
            job_seq=row["job_seq"],
            leads_id=row["leads_id"],
            name=row["name"],
            phone=row["phone"],
            call_job_id=row["call_job_id"],
            call_status=status,
            call_result=row["call_result"],
            outcome=outcome_of_job(status, row["call_result"]),
            planed_time=_time(row["planed_time"]),
            actual_time=_time(row["actual_time"]),
            duration_ms=row["duration_ms"],
            call_task_id=row["call_task_id"],
            call_conversation=tuple(Line(**line) for line in json.loads(lines)) if lines else None,
            calling_number=row["calling_number"],
            recording_url=row["recording_url"],
            recording_state=row["recording_state"],
            is_interested=_bool(row["is_interested"]),
            leads_follow_id=row["leads_follow_id"],
            follow_data=None if row["leads_follow_id"] is None else FollowUp.from_row(row),
        )

    def document(self, recording_url: str | None) -> dict[str, Any]:
        """The call as it is on the wire (`calls.wire.CallItem`), with that address of its recording."""
        lines, follow_up = self.call_conversation, self.follow_data
        document: dict[str, Any] = {name: getattr(self, name) for name in _CALL_FIELDS}
        document["recording_url"] = recording_url
        document["recording_status"] = self.recording
        document["call_conversation"] = lines and [
            {"speaker": line.speaker, "script": line.script, "at": line.at} for line in lines
        ]
        document["follow_data"] = follow_up and {name: getattr(follow_up, name) for name in _FOLLOW_FIELDS}
        return document

    @property
    def recording(self) -> Literal["ready", "pending", "none"]:
        """`ready`: it is here. `pending`: it was not fetched yet. `none`: there is none."""
        if self.recording_url:
            return "ready"
        if self.recording_state == "none" or self.call_status != JobStatus.SUCCEEDED:
            return "none"
        return "pending"


_CALL_FIELDS = [each.name for each in fields(Call) if each.name != "recording_state"]
_FOLLOW_FIELDS = [each.name for each in fields(FollowUp)]


def fetch_head(session: Session, task_id: str, tenant_id: str, first_seq: int, last_seq: int) -> PageHead | None:
    """None when the tenant has no such task."""
    row = _queries.fetch_page_head(
        session,
        task_id=task_id,
        tenant_id=tenant_id,
        first_block=block_of(first_seq),
        last_block=block_of(last_seq),
    )
    if row is None or row["task_id"] != task_id:  # MySQL ignores a trailing space when it compares
        return None
    return PageHead(
        kind=row["kind"],
        status=Status(row["status"]),
        leads=row["leads"] or 0,
        total=row["assigned"] or 0,
        counts=counts_of(row["counts"]),
        synced_at=row["synced_at"],
    )


def list_page(session: Session, task_id: str, first_seq: int, last_seq: int) -> list[Call]:
    """The jobs with these ordinals and their follow-ups, by ordinal, in one statement."""
    rows = _queries.list_page(session, task_id=task_id, first_seq=first_seq, last_seq=last_seq)
    return [Call.from_row(row) for row in rows]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


def _bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
