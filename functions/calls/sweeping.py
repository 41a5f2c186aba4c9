"""Once a minute, what the rows still want: whatever a message was lost about is found here."""

from collections import defaultdict

from calls import job_store, store
from calls.campaigns import KIND, close_if_complete, end
from calls.messages import hint_analyse, hint_assign, hint_steer, hint_sync
from calls.model import Campaign, ProviderState
from calls.verdicts import JUDGING_SECONDS
from longhaul import database, marks
from longhaul.tasks.heartbeat import beat
from longhaul.tasks.model import TERMINAL, Status

HINTING_SECONDS = 60.0  # however short the schedule's minute is
MOST_BLOCKS, MOST_CAMPAIGNS, MOST_CONVERSATIONS = 1000, 500, 100


def sweep() -> dict[str, int]:
    """Hint at every block that is due and at all that an open campaign waits for; how many of both."""
    with database.connection() as session:
        due = job_store.list_due_blocks(session, MOST_BLOCKS)
        campaigns = store.list_campaigns(session, MOST_CAMPAIGNS)
        unopened = store.list_unopened(session, KIND, MOST_CAMPAIGNS)
    by_task: dict[str, list[int]] = defaultdict(list)
    for task_id, block in due:
        by_task[task_id].append(block)
    for task_id, blocks in by_task.items():
        hint_sync(task_id, blocks)
    for task_id, attempt in unopened:
        hint_steer(task_id, attempt)
    beat([campaign.task_id for campaign in campaigns if campaign.task_status == Status.RUNNING])
    for campaign in campaigns:
        _look_at(campaign)
    return {"blocks": len(due), "campaigns": len(campaigns) + len(unopened)}


def _look_at(campaign: Campaign) -> None:
    if campaign.task_status in TERMINAL and campaign.provider_state == ProviderState.closing:
        end(campaign)
    elif campaign.provider_state not in (campaign.wanted, ProviderState.closing):
        hint_steer(campaign.task_id, campaign.attempt)
    elif campaign.task_status == Status.RUNNING:
        if campaign.assigned < campaign.leads:
            hint_assign(campaign.task_id)
        if campaign.followed < campaign.final:
            _find_unjudged(campaign.task_id)
        close_if_complete(campaign.task_id)


def _find_unjudged(task_id: str) -> None:
    """Conversations whose message may be lost. Most often it only waits its turn, and another would wait behind it."""
    if not marks.claim(f"unjudged:{task_id}", "hinted_at", every=HINTING_SECONDS):
        return
    with database.connection() as session:
        hint_analyse(task_id, job_store.list_unjudged(session, task_id, JUDGING_SECONDS, MOST_CONVERSATIONS))
