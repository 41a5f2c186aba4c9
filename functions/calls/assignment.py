"""Handing leads to the provider, 99 at a time, so that nobody is called twice.

The provider has no idempotency keys. Each batch is written down before it is handed over, one at a time for a campaign,
and each lead carries its row's id as reference. When the answer is lost (a timeout, a killed worker), the next worker
counts the provider's jobs. More jobs than rows mean that the batch arrived: each job is found by its lead's reference,
and only the leads without a job are handed over again.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import quote

from calls import store
from calls.campaigns import open_campaign
from calls.freshness import forget_pages
from calls.kinds import CampaignParams
from calls.leads import WaitingLead, dial_form
from calls.messages import wake_assignment, wake_steering
from calls.model import MAX_BATCH, Campaign, JobStatus, ProviderState
from calls.provider import Lead, provider
from longhaul import database, settings, stored
from longhaul.database import Session
from longhaul.database.chunks import dumps
from longhaul.errors import PermanentError, ProviderThrottled, TransientError
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.lifecycle import Outcome, close
from longhaul.tasks.model import Status, Task, TaskError

THROTTLED_SECONDS = 5.0
# Characters of a request's URL. The provider's limit is not documented; 99 leads without extras have 21,000.
MAX_REQUEST_CHARACTERS, ENVELOPE_CHARACTERS = 32_000, 200


class Batch(NamedTuple):
    """Leads on their way to the provider. `again`: another worker may have handed them over before."""

    campaign: Campaign
    leads: list[WaitingLead]
    again: bool


def assign_batch(task_id: str) -> int:
    """Hand over the campaign's next leads, and return how many got a job. A batch that is refused fails the task."""
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None or task.status != Status.RUNNING:
        if task is not None:
            _mark_outdated(task)
        return 0
    open_campaign(task)
    batch = database.run_transaction(lambda tx: _claim(tx, task_id))
    if batch is None:
        return 0
    try:
        group_id = batch.campaign.job_group_id or _create_group(task)
        if not _is_running(task):
            return 0
        jobs = _hand_over(group_id, batch)
    except TransientError as error:
        _put_off(task, error)
        return 0
    except PermanentError as error:
        close(task_id, task.attempt, Outcome(error=TaskError.from_cause(type(error).__name__, str(error))))
        return 0
    _save(task, batch, jobs)
    return len(jobs)


def _is_running(task: Task) -> bool:
    """Whether the task still runs after its group was created. If not, the batch waits until the task is resumed."""
    with database.connection() as session:
        current = task_store.fetch(session, task.task_id)
        if current is not None and current.status == Status.RUNNING:
            return True
        store.release_assigning(session, task.task_id)
    _mark_outdated(task)
    return False


def _mark_outdated(task: Task) -> None:
    """Have the provider's jobs steered once more: a batch whose answer was lost may have jobs that no row knows."""

    def write(tx: Session) -> bool:
        campaign = store.lock_campaign(tx, task.task_id)
        if campaign is None or campaign.assigning_first is None or campaign.assigning:
            return False
        if campaign.provider_state in (ProviderState.closing, ProviderState.ended):
            return False
        store.set_state(tx, task.task_id, ProviderState.outdated)
        return True

    if database.run_transaction(write):
        wake_steering(task.task_id, task.attempt)


def _claim(tx: Session, task_id: str) -> Batch | None:
    """The next batch, written down. None: no lead waits, or another worker is handing a batch over."""
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None or campaign.task_status != Status.RUNNING or campaign.assigning:
        return None
    again = store.list_interrupted(tx, campaign) if campaign.assigning_first else []
    leads = again or _fitting(store.list_waiting(tx, task_id, MAX_BATCH))
    if not leads:
        return None
    store.start_assigning(tx, task_id, leads, settings.of(settings.Calls).call_lease_seconds)
    return Batch(campaign, leads, again=bool(again))


def _fitting(leads: list[WaitingLead]) -> list[WaitingLead]:
    """As many of these as one request takes, at least one. The provider's SDK puts all of them into the URL."""
    sizes = accumulate(len(quote(dumps(lead.extras) + lead.name)) + ENVELOPE_CHARACTERS for lead in leads)
    return leads[: max(1, sum(size <= MAX_REQUEST_CHARACTERS for size in sizes))]


def _create_group(task: Task) -> str:
    params = stored.read(CampaignParams, task.params)
    strategy = params.strategy.to_provider() if params.strategy else None
    group_id = provider().create_group(task.task_id, params.script_id, strategy, params.max_attempts)
    with database.connection() as session:
        store.save_group(session, task.task_id, group_id)
    return group_id


def _hand_over(group_id: str, batch: Batch) -> list[tuple[int, str]]:
    """(lead's row, job) of each lead of the batch."""
    found: dict[str, str] = {}
    if batch.again and provider().count_jobs(group_id) > batch.campaign.assigned:
        found = provider().find_jobs(group_id, [lead.reference for lead in batch.leads])
        logger.warning("leads found again at the provider", extra=batch.campaign.log_context | {"leads": len(found)})
    missing = [lead for lead in batch.leads if lead.reference not in found]
    if missing:
        jobs = provider().assign(group_id, [_to_provider(lead) for lead in missing])
        found |= dict(zip((lead.reference for lead in missing), jobs, strict=True))
    return [(lead.id, found[lead.reference]) for lead in batch.leads]


def _to_provider(lead: WaitingLead) -> Lead:
    return Lead(reference=lead.reference, phone=dial_form(lead.phone), name=lead.name, extras=lead.extras)


def _put_off(task: Task, error: TransientError) -> None:
    """Try again when the lease has ended, as a request that timed out may still arrive. A throttled one will not."""
    logger.warning("leads not handed over", extra=task.log_context | {"reason": error.code})
    delay = settings.of(settings.Calls).call_lease_seconds
    if isinstance(error, ProviderThrottled):
        delay = error.retry_after or THROTTLED_SECONDS
        with database.connection() as session:
            store.release_assigning(session, task.task_id)
    wake_assignment(task.task_id, delay=delay)


def _save(task: Task, batch: Batch, jobs: Sequence[tuple[int, str]]) -> None:
    """Write down the jobs, unless another worker has done so meanwhile. Then wake the next step."""

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
    forget_pages(task.task_id)
    if campaign.task_status != Status.RUNNING:
        wake_steering(task.task_id, task.attempt)
    elif campaign.assigned + len(jobs) < campaign.leads:
        wake_assignment(task.task_id)
