"""The rows of jobs: their blocks, their status at the provider, their conversations and their recordings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from calls.model import OpenJob, seqs_of
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.tasks.model import aware

_queries = queries.load(__file__)

# Longer than the function may run: a worker that holds a conversation or a recording for longer is dead.
CONVERSATION_CLAIM_SECONDS = RECORDING_CLAIM_SECONDS = 360.0

type Row = list[Any]


class Conversation(NamedTuple):
    """A conversation to be analysed. `lines` is its JSON. `called_at` is aware, UTC; None when unknown."""

    leads_id: str
    call_job_id: str
    lines: str
    called_at: datetime | None


class Recording(NamedTuple):
    """The call of a recording: its tenant, and the provider's ids."""

    tenant_id: str
    call_job_id: str
    call_task_id: str


def sql_time(moment: datetime | None) -> str | None:
    """An aware time as DATETIME(3) takes it: UTC without a zone, to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def claim_block(session: Session, task_id: str, block: int, seconds: float) -> bool:
    """True: this worker may ask for the block, and no other may until the lease ends."""
    return bool(_queries.claim_block(session, task_id=task_id, block=block, microseconds=int(seconds * 1_000_000)))


def list_due_blocks(session: Session, limit: int) -> list[tuple[str, int]]:
    """(task, block) of the blocks that are due, those that waited longest first."""
    return [(row["task_id"], row["block"]) for row in _queries.list_due_blocks(session, limit=limit)]


def list_open_jobs(session: Session, task_id: str, block: int) -> list[OpenJob]:
    first, last = seqs_of(block)
    rows = _queries.list_open_jobs(session, task_id=task_id, first_seq=first, last_seq=last)
    return [OpenJob(**row) for row in rows]


def update_jobs(tx: Session, task_id: str, rows: Sequence[Row]) -> int:
    """Write rows of [id, status, result, planned, actual, duration_ms, call, conversation, calling number].

    Returns how many changed. The campaign must be locked, as its counters change with its jobs.
    """
    return sum(int(_queries.update_jobs(tx, task_id=task_id, rows=some)) for some in arrays(rows))


def finish_sync(tx: Session, task_id: str, block: int, ended: int) -> None:
    """Note that the block was synced, and how many of its jobs became final."""
    _queries.finish_sync(tx, task_id=task_id, block=block, ended=ended)


def claim_conversation(session: Session, task_id: str, job_seq: int, seconds: float) -> bool:
    """True: this worker may analyse the conversation, until the lease ends."""
    return bool(_queries.claim_conversation(session, task_id=task_id, job_seq=job_seq, seconds=seconds))


def release_conversation(session: Session, task_id: str, job_seq: int) -> None:
    _queries.release_conversation(session, task_id=task_id, job_seq=job_seq)


def fetch_conversation(session: Session, task_id: str, job_seq: int) -> Conversation | None:
    row = _queries.fetch_conversation(session, task_id=task_id, job_seq=job_seq)
    if row is None:
        return None
    return Conversation(row["leads_id"], row["call_job_id"], row["call_conversation"], aware(row["actual_time"]))


def save_interest(tx: Session, task_id: str, job_seq: int, interested: bool) -> bool:
    """True: the conversation had no follow-up yet."""
    return bool(_queries.save_interest(tx, task_id=task_id, job_seq=job_seq, is_interested=interested))


def list_unanalysed(session: Session, task_id: str, seconds: float, limit: int) -> list[int]:
    """Ordinals of the conversations without a follow-up that no worker claimed in the last `seconds`."""
    rows = _queries.list_unanalysed(session, task_id=task_id, seconds=seconds, limit=limit)
    return [row["job_seq"] for row in rows]


def claim_recording(session: Session, task_id: str, job_seq: int, seconds: float) -> bool:
    """True: there may be a recording, and this worker may fetch it, until the lease ends."""
    return bool(_queries.claim_recording(session, task_id=task_id, job_seq=job_seq, seconds=seconds))


def release_recording(session: Session, task_id: str, job_seq: int) -> None:
    _queries.release_recording(session, task_id=task_id, job_seq=job_seq)


def fetch_recording(session: Session, task_id: str, job_seq: int) -> Recording:
    return Recording(*_queries.fetch_recording(session, task_id=task_id, job_seq=job_seq).values())


def save_recording(session: Session, task_id: str, job_seq: int, url: str | None) -> bool:
    """Write where the recording is, None: there is none. True: that was not known before."""
    state = "ready" if url else "none"
    return bool(
        _queries.save_recording(session, task_id=task_id, job_seq=job_seq, recording_url=url, recording_state=state)
    )
