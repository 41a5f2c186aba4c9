"""A campaign from its first lead to its end."""

from collections.abc import Sequence
from typing import NamedTuple

from calls import store
from calls.counting import summary
from calls.errors import CampaignClosed, WrongKind
from calls.kinds import CampaignParams
from calls.leads import NewLead, Unique, duplicates
from calls.messages import hint_assign
from calls.model import Campaign, ProviderState
from calls.scopes import scope_of
from longhaul import cache, database
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.closing import Outcome, close
from longhaul.tasks.model import TERMINAL, Status, Task

KIND = "call_campaign"


class Added(NamedTuple):
    """How many leads were added and how many there are now; (index, what another lead has too) of the others."""

    added: int
    leads: int
    duplicates: list[tuple[int, Unique]]


def opened(task: Task) -> Campaign:
    """The task's campaign, made with the leads it was submitted with when it was not there yet."""
    return database.run_transaction(lambda tx: _opened(tx, task))


def add_leads(task_id: str, tenant_id: str, leads: Sequence[NewLead], *, last: bool) -> Added:
    """Add what the campaign does not have yet; `last` says that no more will come.

    Raises NotFound, WrongKind, CampaignClosed.
    """
    with database.connection() as session:
        task = task_store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    if task.kind != KIND:
        raise WrongKind(f"{task_id} is a {task.kind}, not a {KIND}")

    def write(tx: Session) -> Added:
        campaign = _opened(tx, task)
        if campaign.task_status in TERMINAL or campaign.provider_state in (ProviderState.closing, ProviderState.ended):
            raise CampaignClosed
        known = store.find_leads(tx, task_id, [lead.leads_id for lead in leads], [lead.phone for lead in leads])
        twice = duplicates(leads, known)
        skipped = {index for index, _ in twice}
        rows = [lead.row() for index, lead in enumerate(leads) if index not in skipped]
        store.insert_leads(tx, campaign, rows, more_leads=campaign.open and not last)
        return Added(len(rows), campaign.leads + len(rows), twice)

    added = database.run_transaction(write)
    cache.invalidate(scope_of(task_id))
    if task.status == Status.RUNNING:
        hint_assign(task_id)
        close_if_complete(task_id)  # the last page may have been empty
    return added


def close_if_complete(task_id: str) -> bool:
    """Close the campaign when all of it is done; whether it was this call that did. Repeating it changes nothing."""

    def write(tx: Session) -> Campaign | None:
        campaign = store.lock_campaign(tx, task_id)
        if campaign is None or campaign.task_status != Status.RUNNING or not campaign.complete:
            return None
        store.set_state(tx, task_id, ProviderState.closing)  # from here on it takes no more leads
        return campaign

    campaign = database.run_transaction(write)
    if campaign is None:
        return False
    closed = close(task_id, campaign.attempt, Outcome(result=summary(campaign.leads, campaign.counts)))
    if closed:
        end(campaign)
    return closed


def end(campaign: Campaign) -> None:
    """Nothing is left to be told about this campaign's jobs."""
    with database.connection() as session:
        store.set_state(session, campaign.task_id, ProviderState.ended)
    cache.invalidate(scope_of(campaign.task_id))
    logger.info("campaign ended", extra=campaign.log_context)


def _opened(tx: Session, task: Task) -> Campaign:
    created = store.create_campaign(tx, task.task_id, more_leads=task.params["open"])
    campaign = store.lock_campaign(tx, task.task_id)
    if campaign is None:
        raise NotFound(f"there is no task {task.task_id}")
    if created:
        params = CampaignParams.model_validate(task.params)
        store.insert_leads(tx, campaign, [lead.row() for lead in params.leads], more_leads=params.open)
        return store.lock_campaign(tx, task.task_id) or campaign
    return campaign
