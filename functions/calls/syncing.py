"""Asking the provider how a block of jobs stands, and writing down what has changed, with the counters.

A block is claimed before it is asked for, by one guarded UPDATE: however many readers and sweeps want it, the provider
is asked once in `call_sync_seconds`. What it said is written under the campaign's lock, against the rows as they are
then: two syncs of the same jobs, or the same message three times, count once.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from calls import job_store, store
from calls.campaigns import close_if_complete
from calls.job_store import sql_time
from calls.messages import hint_analyse
from calls.model import FOLLOWED, TALK_MS, Campaign, OpenJob
from calls.provider import Job, provider
from calls.scopes import mark_of, scope_of
from calls.statuses import JobStatus, Outcome
from longhaul import cache, database, marks, progress, settings
from longhaul.database import Session
from longhaul.errors import BadAnswer, TransientError
from longhaul.observability import logger
from longhaul.tasks.model import Status


class Change(NamedTuple):
    """A job that is not as its row has it any more."""

    row: OpenJob
    job: Job

    @property
    def ended(self) -> bool:
        return self.job.status.is_final

    @property
    def to_judge(self) -> bool:
        """Whether there is a conversation; without one the follow-up says how the call went."""
        return self.job.status == JobStatus.SUCCEEDED and bool(self.job.conversation)


class Written(NamedTuple):
    """What a sync changed, in which campaign as it was before."""

    campaign: Campaign
    changes: list[Change]


def sync_blocks(task_id: str, blocks: Iterable[int], *, seconds: float | None = None) -> bool:
    """Bring these blocks up to date; whether the provider was asked for all of them, within `seconds` if given.

    A block that somebody else has just asked for is left to him. A provider that does not answer, or refuses, costs a
    warning: the block is due again soon.
    """
    deadline = time.monotonic() + seconds if seconds else None
    whole = True
    for block in blocks:
        left = deadline - time.monotonic() if deadline else None
        if left is not None and left <= 0:
            return False
        try:
            whole &= _sync_block(task_id, block, left)
        except (TransientError, BadAnswer) as error:
            logger.warning("jobs not synced", extra={"task_id": task_id, "block": block, "reason": str(error)})
            marks.write(mark_of(task_id, block), failed_at=time.time())
            whole = False
    return whole


def _sync_block(task_id: str, block: int, seconds: float | None) -> bool:
    with database.connection() as session:
        if not job_store.claim_block(session, task_id, block, settings.of(settings.Calls).call_sync_seconds):
            return False
        asked = [row.call_job_id for row in job_store.list_open_jobs(session, task_id, block)]
    said = {job.job_id: job for job in provider().list_jobs(asked, seconds=seconds)} if asked else {}
    written = database.run_transaction(lambda tx: _write(tx, task_id, block, said))
    marks.write(mark_of(task_id, block), synced_at=time.time())
    if written is not None and written.changes:
        _tell(written)
    return True


def _write(tx: Session, task_id: str, block: int, said: dict[str, Job]) -> Written | None:
    """What the provider said of the block's jobs that are still open, with all that is counted of them."""
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None:
        return None
    rows = job_store.list_open_jobs(tx, task_id, block)
    changes = [
        Change(row, said[row.call_job_id])
        for row in rows
        if row.call_job_id in said and said[row.call_job_id].status != row.call_status
    ]
    followed = [change for change in changes if change.ended and not change.to_judge]
    job_store.update_jobs(tx, task_id, [_row(change) for change in changes])
    store.save_attempts(tx, campaign, [_attempt(change) for change in followed])
    store.count(tx, task_id, _differences(changes) | {FOLLOWED: len(followed)})
    job_store.finish_sync(tx, task_id, block, sum(change.ended for change in changes))
    return Written(campaign, changes)


def _row(change: Change) -> list[str | int | None]:
    job = change.job
    lines = [{"speaker": line.speaker, "script": line.script, "at": line.at} for line in job.conversation]
    return [
        change.row.id,
        job.status,
        job.task_status,
        sql_time(job.planed_time),
        sql_time(job.actual_time),
        job.duration_ms,
        job.call_task_id,
        store.dumps(lines) if lines else None,
        job.calling_number,
    ]


def _attempt(change: Change) -> tuple[str, str, str]:
    """For a call without a conversation: that it was tried, and how it went."""
    at = sql_time(change.job.actual_time or datetime.now(UTC)) or ""
    return change.row.leads_id, at, _outcome(change).words


def _outcome(change: Change) -> Outcome:
    return change.job.outcome or Outcome.FAILED


def _differences(changes: Sequence[Change]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for change in changes:
        counted[change.row.call_status] -= 1
        counted[change.job.status] += 1
        if change.ended:
            counted[_outcome(change)] += 1
            counted[TALK_MS] += change.job.duration_ms or 0
    return counted


def _tell(written: Written) -> None:
    """After the commit: pages are stale, conversations wait to be judged, the task has come further."""
    campaign, changes = written
    cache.invalidate(scope_of(campaign.task_id))
    hint_analyse(campaign.task_id, [change.row.job_seq for change in changes if change.to_judge])
    ended = sum(change.ended for change in changes)
    if ended and campaign.task_status == Status.RUNNING:
        label = f"已完成呼叫：{campaign.final + ended}/{campaign.leads}"
        progress.announce(campaign.task_id, campaign.attempt, "job", label)
        close_if_complete(campaign.task_id)
