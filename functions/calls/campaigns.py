"""A campaign from its first lead to its end: opened, given more leads, closed when all of it is done."""

from collections.abc import Sequence

from calls import store
from calls.freshness import forget_pages
from calls.kinds import CampaignParams
from calls.leads import Added, NewLead, duplicates
from calls.messages import wake_assignment
from calls.model import KIND, Campaign, CampaignClosed, ProviderState, WrongKind, summary_of
from longhaul import database, stored
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer
from longhaul.observability import logger
from longhaul.tasks import store as task_store
from longhaul.tasks.lifecycle import Outcome, close
from longhaul.tasks.model import TERMINAL, Status, Task


def open_campaign(task: Task) -> Campaign:
    """The task's campaign. The first call makes it, with the leads that were submitted."""
    return database.run_transaction(lambda tx: _open(tx, task))


def add_leads(
    task_id: str, tenant_id: str, leads: Sequence[NewLead], *, last: bool, request: KeyedRequest | None = None
) -> Added:
    """Add the leads that the campaign does not have yet. `last`: no more will come.

    A request that was carried out before adds nothing and returns its first result. Raises NotFound, WrongKind,
    CampaignClosed, KeyReused.
    """
    with database.connection() as session:
        task = task_store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    if task.kind != KIND:
        raise WrongKind(f"{task_id} is a {task.kind}, not a {KIND}")

    def write(tx: Session) -> Added:
        if not claim(tx, request):
            return Added(*request.answer) if request else Added(0, 0, [])
        campaign = _open(tx, task)
        if campaign.task_status in TERMINAL or campaign.provider_state in (ProviderState.closing, ProviderState.ended):
            raise CampaignClosed
        known = store.find_leads(tx, task_id, [lead.leads_id for lead in leads], [lead.phone for lead in leads])
        repeated = duplicates(leads, known)
        skipped = {index for index, _ in repeated}
        rows = [lead.row() for index, lead in enumerate(leads) if index not in skipped]
        store.insert_leads(tx, campaign, rows, more_leads=campaign.open and not last)
        added = Added(len(rows), campaign.leads + len(rows), repeated)
        save_answer(tx, request, added)
        return added

    added = database.run_transaction(write)
    forget_pages(task_id)
    if task.status == Status.RUNNING:
        wake_assignment(task_id)
        close_if_complete(task_id)  # the last page may have been empty
    return added


def close_if_complete(task_id: str) -> bool:
    """Close the campaign if all of it is done. True: this call closed it. A second call changes nothing."""

    def write(tx: Session) -> Campaign | None:
        campaign = store.lock_campaign(tx, task_id)
        if campaign is None or campaign.task_status != Status.RUNNING or not campaign.complete:
            return None
        store.set_state(tx, task_id, ProviderState.closing)  # from here on it takes no more leads
        return campaign

    campaign = database.run_transaction(write)
    if campaign is None:
        return False
    closed = close(task_id, campaign.attempt, Outcome(result=summary_of(campaign.leads, campaign.counts)))
    if closed:
        end(campaign)
    return closed


def end(campaign: Campaign) -> None:
    """Mark the campaign as ended: its jobs at the provider need nothing more."""
    with database.connection() as session:
        store.set_state(session, campaign.task_id, ProviderState.ended)
    forget_pages(campaign.task_id)
    logger.info("campaign ended", extra=campaign.log_context)


def _open(tx: Session, task: Task) -> Campaign:
    created = store.create_campaign(tx, task.task_id, more_leads=task.params["open"])
    campaign = store.lock_campaign(tx, task.task_id)
    if campaign is None:
        raise NotFound(f"there is no task {task.task_id}")
    if created:
        params = stored.read(CampaignParams, task.params)
        store.insert_leads(tx, campaign, [lead.row() for lead in params.leads], more_leads=params.open)
        return store.lock_campaign(tx, task.task_id) or campaign
    return campaign
