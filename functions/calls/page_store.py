"""The rows of a page: two indexed statements, whatever the size of the campaign and the number of the page.

The times of a call are texts, RFC 3339 in UTC to the millisecond.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic_core import to_json

from calls.model import JobStatus, block_of, counts_of, outcome_of_job
from longhaul.database import Session, queries
from longhaul.tasks.model import Status

_queries = queries.load(__file__)

# The columns of a job and of its lead's row of `dcc_leads_follow` that are sent as they are, and those that are times.
AS_THEY_ARE = (
    "job_seq",
    "leads_id",
    "name",
    "phone",
    "call_job_id",
    "call_status",
    "call_result",
    "duration_ms",
    "call_task_id",
    "calling_number",
    "leads_follow_id",
)
TIMES = ("planed_time", "actual_time")
FOLLOW_UP_TIMES = (
    "follow_time",
    "frist_follow_time",
    "new_follow_time",
    "next_follow_time",
    "frist_arrive_time",
)

type Row = dict[str, Any]
type Recording = Literal["ready", "pending", "none"]
"""`ready`: it is here. `pending`: it was not fetched yet. `none`: there is none."""


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


def list_page(session: Session, task_id: str, first_seq: int, last_seq: int) -> list[Row]:
    """The jobs with these ordinals and their follow-ups, by ordinal, in one statement."""
    rows: list[Row] = _queries.list_page(session, task_id=task_id, first_seq=first_seq, last_seq=last_seq)
    return rows


def written(row: Row, recording_url: str | None) -> str:
    """A job as JSON, as it is on the wire (`calls.wire.CallItem`), with that address of its recording.

    Its values were checked when they were stored. A page has hundreds of them, and no second form on their way. A
    conversation, which is most of a page, is stored as it is sent (`calls.syncing`): it is neither read nor written.
    """
    text = to_json(_document(row, recording_url)).decode()
    return f'{text[:-1]},"call_conversation":{row["call_conversation"] or "null"}}}'


def _document(row: Row, recording_url: str | None) -> dict[str, Any]:
    """A job without its conversation."""
    return {
        **{name: row[name] for name in AS_THEY_ARE},
        **{name: _time(row[name]) for name in TIMES},
        "outcome": outcome_of_job(JobStatus(row["call_status"]), row["call_result"]),
        "recording_url": recording_url,
        "recording_status": recording_of(row),
        "is_interested": _bool(row["is_interested"]),
        "follow_data": None if row["leads_follow_id"] is None else _follow_up(row),
    }


def recording_of(row: Row) -> Recording:
    """How it stands with the recording of a job's call."""
    if row["recording_url"]:
        return "ready"
    if row["recording_state"] == "none" or row["call_status"] != JobStatus.SUCCEEDED:
        return "none"
    return "pending"


def is_final(row: Row) -> bool:
    """Whether nothing will happen to the job any more."""
    return JobStatus(row["call_status"]).is_final


def _follow_up(row: Row) -> dict[str, Any]:
    return {
        "id": row["leads_follow_id"],
        "leads_id": row["leads_id"],
        "leads_remark": row["leads_remark"],
        "is_arrive": _bool(row["is_arrive"]),
        **{name: _time(row[name]) for name in FOLLOW_UP_TIMES},
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


def _bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
