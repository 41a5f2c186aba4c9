"""The rows of jobs: what the provider said of them, the judgement of their conversations, their recordings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from calls.model import OpenJob, seqs_of
from calls.store import dumps
from longhaul import queries
from longhaul.database import Session

_queries = queries.load(__file__)

type Row = list[Any]


class Conversation(NamedTuple):
    """A conversation to be judged. `lines` is its JSON; `called_at` is UTC without a zone, None when not told."""

    leads_id: str
    call_job_id: str
    lines: str
    called_at: datetime | None


class Recording(NamedTuple):
    """Whose recording, and what the provider knows the call by."""

    tenant_id: str
    call_job_id: str
    call_task_id: str


def sql_time(moment: datetime | None) -> str | None:
    """UTC without a zone, to the millisecond, as DATETIME(3) takes it."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def claim_block(session: Session, task_id: str, block: int, seconds: float) -> bool:
    """Whether the block may be asked for now; if so, nobody else may for so many seconds."""
    return bool(_queries.claim_block(session, task_id=task_id, block=block, microseconds=int(seconds * 1_000_000)))


def list_due_blocks(session: Session, limit: int) -> list[tuple[str, int]]:
    """(task, block) of the blocks that were not asked for for longest."""
    return [(row["task_id"], row["block"]) for row in _queries.list_due_blocks(session, limit=limit)]


def list_open_jobs(session: Session, task_id: str, block: int) -> list[OpenJob]:
    first, last = seqs_of(block)
    rows = _queries.list_open_jobs(session, task_id=task_id, first_seq=first, last_seq=last)
    return [OpenJob(**row) for row in rows]


def update_jobs(tx: Session, task_id: str, rows: Sequence[Row]) -> int:
    """Rows of [id, status, result, planned, actual, duration_ms, call, conversation, calling number]; how many changed.

    The campaign must be locked: its counters go with this.
    """
    return int(_queries.update_jobs(tx, task_id=task_id, rows=dumps(rows))) if rows else 0


def finish_sync(tx: Session, task_id: str, block: int, ended: int) -> None:
    """The block was asked for, and so many of its jobs are over now."""
    _queries.finish_sync(tx, task_id=task_id, block=block, ended=ended)


def claim_conversation(session: Session, task_id: str, job_seq: int, seconds: float) -> bool:
    """Whether the conversation is this worker's to judge, for so many seconds."""
    return bool(_queries.claim_conversation(session, task_id=task_id, job_seq=job_seq, seconds=seconds))


def release_conversation(session: Session, task_id: str, job_seq: int) -> None:
    _queries.release_conversation(session, task_id=task_id, job_seq=job_seq)


def fetch_conversation(session: Session, task_id: str, job_seq: int) -> Conversation | None:
    row = _queries.fetch_conversation(session, task_id=task_id, job_seq=job_seq)
    return Conversation(*row.values()) if row else None


def save_interest(tx: Session, task_id: str, job_seq: int, interested: bool) -> bool:
    """Whether the conversation had no follow-up yet."""
    return bool(_queries.save_interest(tx, task_id=task_id, job_seq=job_seq, is_interested=interested))


def list_unjudged(session: Session, task_id: str, seconds: float, limit: int) -> list[int]:
    """Ordinals of the conversations without a follow-up that nobody has taken in the last `seconds`."""
    rows = _queries.list_unjudged(session, task_id=task_id, seconds=seconds, limit=limit)
    return [row["job_seq"] for row in rows]


def claim_recording(session: Session, task_id: str, job_seq: int, seconds: float) -> bool:
    """Whether there may be a recording to fetch, and it is this worker's for so many seconds."""
    return bool(_queries.claim_recording(session, task_id=task_id, job_seq=job_seq, seconds=seconds))


def release_recording(session: Session, task_id: str, job_seq: int) -> None:
    _queries.release_recording(session, task_id=task_id, job_seq=job_seq)


def fetch_recording(session: Session, task_id: str, job_seq: int) -> Recording:
    return Recording(*_queries.fetch_recording(session, task_id=task_id, job_seq=job_seq).values())


def save_recording(session: Session, task_id: str, job_seq: int, url: str | None) -> bool:
    """Where the recording is, None when there is none; whether that was not known before."""
    state = "ready" if url else "none"
    return bool(
        _queries.save_recording(session, task_id=task_id, job_seq=job_seq, recording_url=url, recording_state=state)
    )
