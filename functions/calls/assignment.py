"""Handing leads to the provider, 99 at a time, so that nobody is called twice.

The provider knows no idempotency key. So a batch is written down before it is handed over, one at a time a campaign,
and each lead carries its row's id as reference. When the answer was lost (a timeout, a killed worker) the next worker
asks how many jobs the provider has: more than we know of means that the batch arrived, and each job is found by its
lead's reference; only what is not there is handed over again.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import quote

from calls import store
from calls.campaigns import opened
from calls.kinds import CampaignParams
from calls.leads import dialled
from calls.messages import hint_assign, hint_steer
from calls.model import LARGEST_BATCH, Campaign, ProviderState, WaitingLead
from calls.provider import Lead, provider
from calls.scopes import scope_of
from calls.statuses import JobStatus
from longhaul import cache, database, settings
from longhaul.database import Session
from longhaul.errors import PermanentError, ProviderThrottled, TransientError
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.causes import read_cause
from longhaul.tasks.closing import Outcome, close
from longhaul.tasks.model import Status, Task

THROTTLED_SECONDS = 5.0
# Characters of a request's URL. How many the provider takes is not documented; 99 leads without extras have 21,000.
LARGEST_REQUEST, ENVELOPE = 32_000, 200


class Batch(NamedTuple):
    """Leads on their way to the provider; `again` when somebody may have handed them over before."""

    campaign: Campaign
    leads: list[WaitingLead]
    again: bool


def assign_batch(task_id: str) -> int:
    """Hand over the campaign's next leads; how many got their job. One that cannot be called at all fails the task."""
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None or task.status != Status.RUNNING:
        if task is not None:
            _leave(task)
        return 0
    opened(task)
    batch = database.run_transaction(lambda tx: _claim(tx, task_id))
    if batch is None:
        return 0
    try:
        group_id = batch.campaign.job_group_id or _make_group(task)
        if not _still_runs(task):
            return 0
        jobs = _hand_over(group_id, batch)
    except TransientError as error:
        _put_off(task, error)
        return 0
    except PermanentError as error:
        close(task_id, task.attempt, Outcome(error=read_cause(type(error).__name__, str(error))))
        return 0
    _save(task, batch, jobs)
    return len(jobs)


def _still_runs(task: Task) -> bool:
    """Whether people may be called now: to make a group took a while. If not, the batch is left to whoever resumes."""
    with database.connection() as session:
        now = task_store.fetch(session, task.task_id)
        if now is not None and now.status == Status.RUNNING:
            return True
        store.release_assigning(session, task.task_id)
    _leave(task)
    return False


def _leave(task: Task) -> None:
    """Of a batch whose answer was lost there may be jobs nobody knows of: they have to be told what the task wants."""

    def write(tx: Session) -> bool:
        campaign = store.lock_campaign(tx, task.task_id)
        if campaign is None or campaign.assigning_first is None or campaign.assigning:
            return False
        if campaign.provider_state in (ProviderState.closing, ProviderState.ended):
            return False
        store.set_state(tx, task.task_id, ProviderState.outdated)
        return True

    if database.run_transaction(write):
        hint_steer(task.task_id, task.attempt)


def _claim(tx: Session, task_id: str) -> Batch | None:
    """The next batch, written down; None when there is none, or somebody else is handing one over."""
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None or campaign.task_status != Status.RUNNING or campaign.assigning:
        return None
    again = store.list_handed(tx, campaign) if campaign.assigning_first else []
    leads = again or _fitting(store.list_waiting(tx, task_id, LARGEST_BATCH))
    if not leads:
        return None
    store.start_assigning(tx, task_id, leads, settings.of(settings.Calls).call_lease_seconds)
    return Batch(campaign, leads, again=bool(again))


def _fitting(leads: list[WaitingLead]) -> list[WaitingLead]:
    """As many of these as one request takes, one at least: the provider's SDK puts all of them into the URL."""
    sizes = accumulate(len(quote(store.dumps(lead.extras) + lead.name)) + ENVELOPE for lead in leads)
    return leads[: max(1, sum(size <= LARGEST_REQUEST for size in sizes))]


def _make_group(task: Task) -> str:
    params = CampaignParams.model_validate(task.params)
    strategy = params.strategy.provided() if params.strategy else None
    group_id = provider().create_group(task.task_id, params.script_id, strategy, params.max_attempts)
    with database.connection() as session:
        store.save_group(session, task.task_id, group_id)
    return group_id


def _hand_over(group_id: str, batch: Batch) -> list[tuple[int, str]]:
    """(lead's row, job) of each lead of the batch."""
    there: dict[str, str] = {}
    if batch.again and provider().count_jobs(group_id) > batch.campaign.assigned:
        there = provider().find_jobs(group_id, [lead.reference for lead in batch.leads])
        logger.warning("leads found again at the provider", extra=batch.campaign.log_context | {"leads": len(there)})
    missing = [lead for lead in batch.leads if lead.reference not in there]
    if missing:
        jobs = provider().assign(group_id, [_told(lead) for lead in missing])
        there |= dict(zip((lead.reference for lead in missing), jobs, strict=True))
    return [(lead.id, there[lead.reference]) for lead in batch.leads]


def _told(lead: WaitingLead) -> Lead:
    return Lead(reference=lead.reference, phone=dialled(lead.phone), name=lead.name, extras=lead.extras)


def _put_off(task: Task, error: TransientError) -> None:
    """Try again when the lease has ended: a request that was given up may still arrive. A refused one will not."""
    logger.warning("leads not handed over", extra=task.log_context | {"reason": error.code})
    delay = settings.of(settings.Calls).call_lease_seconds
    if isinstance(error, ProviderThrottled):
        delay = error.retry_after or THROTTLED_SECONDS
        with database.connection() as session:
            store.release_assigning(session, task.task_id)
    hint_assign(task.task_id, delay=delay)


def _save(task: Task, batch: Batch, jobs: Sequence[tuple[int, str]]) -> None:
    """Write down the jobs, unless another worker has done so meanwhile; then see to what is left."""

    def write(tx: Session) -> Campaign | None:
        campaign = store.lock_campaign(tx, task.task_id)
        if campaign is None or campaign.assigning_first != batch.leads[0].id:
            return None
        stopped = campaign.task_status != Status.RUNNING
        store.finish_assigning(tx, campaign, jobs, stopped=stopped)
        store.count(tx, task.task_id, {JobStatus.SCHEDULING: len(jobs)})
        return campaign

    campaign = database.run_transaction(write)
    if campaign is None:
        return
    cache.invalidate(scope_of(task.task_id))
    if campaign.task_status != Status.RUNNING:
        hint_steer(task.task_id, task.attempt)
    elif campaign.assigned + len(jobs) < campaign.leads:
        hint_assign(task.task_id)
