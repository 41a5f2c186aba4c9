"""The rows of campaigns, their leads and the leads' follow-ups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calls.leads import Unique, WaitingLead
from calls.model import Campaign, ProviderState, block_of, counts_of
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays, chunks, dumps, side_by_side

_queries = queries.load(__file__)


def create_campaign(tx: Session, task_id: str, *, more_leads: bool) -> bool:
    """True: this call made it."""
    return bool(_queries.create_campaign(tx, task_id=task_id, open=more_leads))


def lock_campaign(tx: Session, task_id: str) -> Campaign | None:
    """The campaign, locked until the transaction ends."""
    return _campaign(_queries.lock_campaign(tx, task_id=task_id))


def list_campaigns(session: Session, limit: int) -> list[Campaign]:
    """The campaigns whose jobs may still need something, oldest first."""
    return [Campaign.from_row(row) for row in _queries.list_campaigns(session, limit=limit)]


def list_unopened(session: Session, kind: str, limit: int) -> list[tuple[str, int]]:
    """(task, attempt) of running tasks that have no campaign yet."""
    return [(row["task_id"], row["attempt"]) for row in _queries.list_unopened(session, kind=kind, limit=limit)]


def fetch_counts(session: Session, task_id: str) -> tuple[int, Mapping[str, int]]:
    """The number of the campaign's leads, and its counters. (0, {}) without a campaign."""
    row = _queries.fetch_counts(session, task_id=task_id)
    return (int(row["leads"]), counts_of(row["counts"])) if row else (0, {})


def find_leads(
    session: Session, task_id: str, leads_ids: Sequence[str], phones: Sequence[str]
) -> set[tuple[Unique, str]]:
    """(field, value) of each of these ids and numbers that the campaign has."""
    fields: tuple[Unique, ...] = ("leads_id", "phone")
    found: set[tuple[Unique, str]] = set()
    for ids, numbers in side_by_side(leads_ids, phones):
        rows = _queries.find_leads(session, task_id=task_id, leads_ids=ids, phones=numbers)
        found |= {(field, row[field]) for row in rows for field in fields}
    return found


def insert_leads(tx: Session, campaign: Campaign, rows: Sequence[Sequence[str]], *, more_leads: bool) -> None:
    """Add rows of [leads_id, phone, name, extras as JSON], new to the locked campaign."""
    for some in arrays(rows):
        _queries.insert_leads(tx, task_id=campaign.task_id, tenant_id=campaign.tenant_id, rows=some)
    _queries.count_leads_in(tx, task_id=campaign.task_id, added=len(rows), open=more_leads)


def list_waiting(tx: Session, task_id: str, limit: int) -> list[WaitingLead]:
    """The next leads to hand to the provider."""
    return [WaitingLead.from_row(row) for row in _queries.list_waiting_leads(tx, task_id=task_id, limit=limit)]


def list_interrupted(tx: Session, campaign: Campaign) -> list[WaitingLead]:
    """The leads of the batch whose worker did not finish handing it over."""
    rows = _queries.list_leads_between(
        tx, task_id=campaign.task_id, first_id=campaign.assigning_first, last_id=campaign.assigning_last
    )
    return [WaitingLead.from_row(row) for row in rows]


def start_assigning(tx: Session, task_id: str, leads: Sequence[WaitingLead], seconds: float) -> None:
    _queries.start_assigning(tx, task_id=task_id, first_id=leads[0].id, last_id=leads[-1].id, seconds=seconds)


def release_assigning(session: Session, task_id: str) -> None:
    """Let another worker hand the batch over at once: the provider did not take it."""
    _queries.release_assigning(session, task_id=task_id)


def save_group(session: Session, task_id: str, job_group_id: str) -> None:
    _queries.save_group(session, task_id=task_id, job_group_id=job_group_id)


def finish_assigning(tx: Session, campaign: Campaign, jobs: Sequence[tuple[int, str]], *, stopped: bool) -> None:
    """Give each (lead's row, job) of the locked campaign its ordinal, and count it in its block."""
    rows = [(lead, job, seq) for seq, (lead, job) in enumerate(jobs, campaign.assigned + 1)]
    for some in arrays(rows):
        _queries.save_jobs(tx, task_id=campaign.task_id, rows=some)
    if rows:
        blocks = Counter(block_of(seq) for _, _, seq in rows)
        _queries.add_to_blocks(tx, task_id=campaign.task_id, rows=dumps(list(blocks.items())))
    _queries.finish_assigning(tx, task_id=campaign.task_id, assigned=len(rows), stopped=stopped)


def count(tx: Session, task_id: str, differences: Mapping[str, int]) -> None:
    """Add to the counters of the locked campaign."""
    rows = [[name, number] for name, number in differences.items() if number]
    if rows:
        _queries.add_to_counts(tx, task_id=task_id, rows=dumps(rows))


def claim_steering(session: Session, task_id: str, seconds: float) -> bool:
    """True: this worker may change the campaign's jobs at the provider, until the lease ends."""
    return bool(_queries.claim_steering(session, task_id=task_id, seconds=seconds))


def finish_steering(session: Session, task_id: str, state: ProviderState) -> None:
    _queries.finish_steering(session, task_id=task_id, provider_state=state)


def set_state(tx: Session, task_id: str, state: ProviderState) -> None:
    _queries.set_state(tx, task_id=task_id, provider_state=state)


def delete_leads(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """The number of deleted rows. Fewer than `limit`: none is left."""
    return int(_queries.delete_leads(session, task_ids=list(task_ids), limit=limit))


def save_follow_up(
    tx: Session, campaign: Campaign, *, leads_id: str, at: str, remark: str, next_at: str | None, arrives: bool
) -> None:
    """Write the follow-up of a conversation into the lead's one row, and link the campaign's lead with it."""
    _queries.save_follow_up(
        tx,
        tenant_id=campaign.tenant_id,
        leads_id=leads_id,
        follow_time=at,
        leads_remark=remark,
        next_follow_time=next_at,
        is_arrive=arrives,
    )
    _link(tx, campaign, [leads_id])


def save_attempts(tx: Session, campaign: Campaign, attempts: Iterable[tuple[str, str, str]]) -> None:
    """Write follow-ups of calls without a conversation, as (leads_id, time, outcome). Earlier remarks stay."""
    for rows in chunks(attempts):
        _queries.save_attempts(tx, tenant_id=campaign.tenant_id, rows=dumps(rows))
        _link(tx, campaign, [row[0] for row in rows])


def _link(tx: Session, campaign: Campaign, leads_ids: Sequence[str]) -> None:
    _queries.link_follow_ups(tx, tenant_id=campaign.tenant_id, task_id=campaign.task_id, leads_ids=list(leads_ids))


def _campaign(row: dict[str, Any] | None) -> Campaign | None:
    return Campaign.from_row(row) if row else None
