"""Steering a campaign: its jobs at the provider follow its task, and a sweep finds what a lost message left undone.

Jobs are suspended while the task is paused, resumed, or cancelled. One worker at a time steers a campaign. It reads the
task again when it is done, so a pause and a resume that meet end as the task does. A worker that dies leaves the state
`changing`, which the sweep finds.
"""

from collections import defaultdict

from calls import job_store, store
from calls.campaigns import close_if_complete, end, open_campaign
from calls.freshness import forget_pages
from calls.job_store import CONVERSATION_CLAIM_SECONDS
from calls.messages import wake_analysis, wake_assignment, wake_steering, wake_sync
from calls.model import KIND, Campaign, ProviderState
from calls.provider import provider
from longhaul import database
from longhaul.cache import debounce
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.model import TERMINAL, Status
from longhaul.tasks.steps import beat

CLAIM_SECONDS = 30.0
MAX_ROUNDS = 5  # a task that changes faster than the provider answers is left to the next message
WAKING_SECONDS = 60.0  # the analysis of a campaign is woken once in so long, however short the schedule's minute is
MAX_BLOCKS, MAX_CAMPAIGNS, MAX_CONVERSATIONS = 1000, 500, 100


def steer(task_id: str) -> None:
    """Set the provider's jobs to what the task wants. Raises as the provider does; SQS then sends the message again."""
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None:
        return
    campaign = open_campaign(task)
    for _ in range(MAX_ROUNDS):
        if campaign.provider_state == campaign.wanted or not _apply(campaign):
            break
        campaign = open_campaign(task)
    forget_pages(task_id)
    if campaign.task_status == Status.RUNNING and not close_if_complete(task_id):
        wake_assignment(task_id)
    if campaign.task_status in TERMINAL and campaign.provider_state == ProviderState.closing:
        end(campaign)


def sweep() -> dict[str, int]:
    """Wake the sync of every due block, and whatever an open campaign waits for. Returns how many of both there are."""
    with database.connection() as session:
        due = job_store.list_due_blocks(session, MAX_BLOCKS)
        campaigns = store.list_campaigns(session, MAX_CAMPAIGNS)
        unopened = store.list_unopened(session, KIND, MAX_CAMPAIGNS)
    by_task: dict[str, list[int]] = defaultdict(list)
    for task_id, block in due:
        by_task[task_id].append(block)
    for task_id, blocks in by_task.items():
        wake_sync(task_id, blocks)
    for task_id, attempt in unopened:
        wake_steering(task_id, attempt)
    beat([campaign.task_id for campaign in campaigns if campaign.task_status == Status.RUNNING])
    for campaign in campaigns:
        _wake(campaign)
    return {"blocks": len(due), "campaigns": len(campaigns) + len(unopened)}


def _apply(campaign: Campaign) -> bool:
    """Set the provider's jobs to what the task wants. False: another worker is at it, or the campaign is closing."""
    with database.connection() as session:
        if not store.claim_steering(session, campaign.task_id, CLAIM_SECONDS):
            return False
    if campaign.job_group_id:
        _request(campaign.job_group_id, campaign.wanted)
    with database.connection() as session:
        store.finish_steering(session, campaign.task_id, campaign.wanted)
    logger.info("jobs steered", extra=campaign.log_context | {"state": campaign.wanted})
    return True


def _request(group_id: str, wanted: ProviderState) -> None:
    match wanted:
        case ProviderState.running:
            provider().resume(group_id)
        case ProviderState.suspended:
            provider().suspend(group_id)
        case ProviderState.cancelled:
            provider().cancel(group_id)


def _wake(campaign: Campaign) -> None:
    """Wake whatever the campaign waits for. Close it if it is complete."""
    if campaign.task_status in TERMINAL and campaign.provider_state == ProviderState.closing:
        end(campaign)
    elif campaign.provider_state not in (campaign.wanted, ProviderState.closing):
        wake_steering(campaign.task_id, campaign.attempt)
    elif campaign.task_status == Status.RUNNING:
        if campaign.assigned < campaign.leads:
            wake_assignment(campaign.task_id)
        if campaign.followed < campaign.final:
            _wake_analysis(campaign.task_id)
        close_if_complete(campaign.task_id)


def _wake_analysis(task_id: str) -> None:
    """Wake the analysis of conversations whose message may be lost. Usually it only waits, so this is done seldom."""
    if not debounce.claim(f"unjudged:{task_id}", "hinted_at", every=WAKING_SECONDS):
        return
    with database.connection() as session:
        job_seqs = job_store.list_unanalysed(session, task_id, CONVERSATION_CLAIM_SECONDS, MAX_CONVERSATIONS)
    wake_analysis(task_id, job_seqs)
