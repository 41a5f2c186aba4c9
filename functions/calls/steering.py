"""Bringing the provider's jobs in line with the task: suspended while it is paused, resumed, cancelled.

One worker a campaign tells the provider at a time, and looks at the task again after it let go: so a pause and a resume
that meet end as the task does. One that dies leaves the state `changing`, which the sweep finds.
"""

from calls import store
from calls.campaigns import close_if_complete, end, opened
from calls.messages import hint_assign
from calls.model import Campaign, ProviderState
from calls.provider import Provider, provider
from calls.scopes import scope_of
from longhaul import cache, database
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.model import TERMINAL, Status

CLAIM_SECONDS = 30.0
MOST_ROUNDS = 5  # a task that is paused and resumed faster than the provider answers is left to the next message


def steer(task_id: str) -> None:
    """Make the provider's jobs what the task wants. Raises as the provider does; the message is then received again."""
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None:
        return
    campaign = opened(task)
    for _ in range(MOST_ROUNDS):
        if campaign.provider_state == campaign.wanted or not _tell(campaign):
            break
        campaign = opened(task)
    cache.invalidate(scope_of(task_id))
    if campaign.task_status == Status.RUNNING and not close_if_complete(task_id):
        hint_assign(task_id)
    if campaign.task_status in TERMINAL and campaign.provider_state == ProviderState.closing:
        end(campaign)


def _tell(campaign: Campaign) -> bool:
    """Tell the provider what the task wants now; False when somebody else is at it, or the campaign is closing."""
    with database.connection() as session:
        if not store.claim_steering(session, campaign.task_id, CLAIM_SECONDS):
            return False
    if campaign.job_group_id:
        _ask(provider(), campaign.job_group_id, campaign.wanted)
    with database.connection() as session:
        store.finish_steering(session, campaign.task_id, campaign.wanted)
    logger.info("provider told", extra=campaign.log_context | {"state": campaign.wanted})
    return True


def _ask(asked: Provider, group_id: str, wanted: ProviderState) -> None:
    match wanted:
        case ProviderState.running:
            asked.resume(group_id)
        case ProviderState.suspended:
            asked.suspend(group_id)
        case ProviderState.cancelled:
            asked.cancel(group_id)
