"""Syncing a block of jobs with the provider: the rows and counters become what it answers.

One guarded UPDATE claims the block before the provider is asked. However many readers and sweeps want it, the provider
is asked once in `call_sync_seconds`. The answer is written under the campaign's lock, against the rows of that moment:
two syncs of the same jobs, or the same message three times, count once.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from calls import job_store, store
from calls.campaigns import close_if_complete
from calls.freshness import forget_pages, note_failed, note_synced
from calls.job_store import sql_time
from calls.messages import wake_analysis
from calls.model import FOLLOWED, TALK_MS, Campaign, JobStatus, OpenJob, Outcome
from calls.provider import Job, provider
from longhaul import database, settings
from longhaul.database import Session
from longhaul.database.chunks import dumps
from longhaul.errors import BadAnswer, TransientError
from longhaul.observability import logger
from longhaul.tasks import steps
from longhaul.tasks.model import Status


class Change(NamedTuple):
    """A job whose status is no longer that of its row."""

    row: OpenJob
    job: Job

    @property
    def ended(self) -> bool:
        return self.job.status.is_final

    @property
    def has_conversation(self) -> bool:
        """Without a conversation to analyse, the follow-up states the call's outcome."""
        return self.job.status == JobStatus.SUCCEEDED and bool(self.job.conversation)


class Written(NamedTuple):
    """The changes of a sync, and the campaign as it was before."""

    campaign: Campaign
    changes: list[Change]


def sync_blocks(task_id: str, blocks: Iterable[int], *, seconds: float | None = None) -> bool:
    """Bring these blocks up to date, within `seconds` if given. True: the provider answered for all of them.

    A block that another worker has just claimed is left out. A provider that does not answer, or refuses, costs a
    warning: the block is due again soon.
    """
    deadline = time.monotonic() + seconds if seconds else None
    complete = True
    for block in blocks:
        left = deadline - time.monotonic() if deadline else None
        if left is not None and left <= 0:
            return False
        try:
            complete &= _sync_block(task_id, block, left)
        except (TransientError, BadAnswer) as error:
            logger.warning("jobs not synced", extra={"task_id": task_id, "block": block, "reason": str(error)})
            note_failed(task_id, block)
            complete = False
    return complete


def _sync_block(task_id: str, block: int, seconds: float | None) -> bool:
    with database.connection() as session:
        if not job_store.claim_block(session, task_id, block, settings.of(settings.Calls).call_sync_seconds):
            return False
        job_ids = [row.call_job_id for row in job_store.list_open_jobs(session, task_id, block)]
    jobs = {job.job_id: job for job in provider().list_jobs(job_ids, seconds=seconds)} if job_ids else {}
    written = database.run_transaction(lambda tx: _write(tx, task_id, block, jobs))
    note_synced(task_id, block)
    if written is not None and written.changes:
        _announce(written)
    return True


def _write(tx: Session, task_id: str, block: int, jobs: dict[str, Job]) -> Written | None:
    """Write the provider's jobs into the block's open rows, with their counters. None: the campaign is gone."""
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None:
        return None
    rows = job_store.list_open_jobs(tx, task_id, block)
    changes = [
        Change(row, jobs[row.call_job_id])
        for row in rows
        if row.call_job_id in jobs and jobs[row.call_job_id].status != row.call_status
    ]
    followed = [change for change in changes if change.ended and not change.has_conversation]
    job_store.update_jobs(tx, task_id, [_row(change) for change in changes])
    store.save_attempts(tx, campaign, [_attempt(change) for change in followed])
    store.count(tx, task_id, _differences(changes) | {FOLLOWED: len(followed)})
    job_store.finish_sync(tx, task_id, block, sum(change.ended for change in changes))
    return Written(campaign, changes)


def _row(change: Change) -> list[str | int | None]:
    job = change.job
    # As the wire has it (`calls.wire.Line`): a page sends what stands here.
    lines = [{"speaker": line.speaker, "script": line.script, "at": line.at} for line in job.conversation]
    return [
        change.row.id,
        job.status,
        job.task_status,
        sql_time(job.planed_time),
        sql_time(job.actual_time),
        job.duration_ms,
        job.call_task_id,
        dumps(lines) if lines else None,
        job.calling_number,
    ]


def _attempt(change: Change) -> tuple[str, str, str]:
    """(leads_id, time, outcome) of a call without a conversation, for its follow-up."""
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


def _announce(written: Written) -> None:
    """After the commit: forget pages, wake the analysis of conversations, report progress, close what is complete."""
    campaign, changes = written
    forget_pages(campaign.task_id)
    wake_analysis(campaign.task_id, [change.row.job_seq for change in changes if change.has_conversation])
    ended = sum(change.ended for change in changes)
    if ended and campaign.task_status == Status.RUNNING:
        label = f"已完成呼叫：{campaign.final + ended}/{campaign.leads}"
        steps.announce(campaign.task_id, campaign.attempt, "job", label)
        close_if_complete(campaign.task_id)
