"""The rows of campaigns and their leads, read and written by the statements of queries.sql."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from calls.leads import Unique
from calls.model import Campaign, ProviderState, WaitingLead, block_of, counts_of
from longhaul import queries
from longhaul.database import Session

_queries = queries.load(__file__)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def create_campaign(tx: Session, task_id: str, *, more_leads: bool) -> bool:
    """Whether it was not there before."""
    return bool(_queries.create_campaign(tx, task_id=task_id, open=more_leads))


def lock_campaign(tx: Session, task_id: str) -> Campaign | None:
    """The campaign, nobody else's until the transaction ends."""
    return _campaign(_queries.lock_campaign(tx, task_id=task_id))


def list_campaigns(session: Session, limit: int) -> list[Campaign]:
    """The campaigns whose jobs may still need something, oldest first."""
    return [Campaign.from_row(row) for row in _queries.list_campaigns(session, limit=limit)]


def list_unopened(session: Session, kind: str, limit: int) -> list[tuple[str, int]]:
    """(task, attempt) of tasks that run and have no campaign yet."""
    return [(row["task_id"], row["attempt"]) for row in _queries.list_unopened(session, kind=kind, limit=limit)]


def fetch_counts(session: Session, task_id: str) -> tuple[int, Mapping[str, int]]:
    """How many leads a campaign has and its counters."""
    row = _queries.fetch_counts(session, task_id=task_id)
    return (int(row["leads"]), counts_of(row["counts"])) if row else (0, {})


def find_leads(
    session: Session, task_id: str, leads_ids: Collection[str], phones: Collection[str]
) -> set[tuple[Unique, str]]:
    """(field, value) of those of these ids and numbers that the campaign has."""
    if not leads_ids or not phones:
        return set()
    rows = _queries.find_leads(session, task_id=task_id, leads_ids=list(leads_ids), phones=list(phones))
    fields: tuple[Unique, ...] = ("leads_id", "phone")
    return {(field, row[field]) for row in rows for field in fields}


def insert_leads(tx: Session, campaign: Campaign, rows: Sequence[Sequence[str]], *, more_leads: bool) -> None:
    """Add leads of [leads_id, phone, name, extras as JSON] that the locked campaign does not have."""
    if rows:
        _queries.insert_leads(tx, task_id=campaign.task_id, tenant_id=campaign.tenant_id, rows=dumps(rows))
    _queries.count_leads_in(tx, task_id=campaign.task_id, added=len(rows), open=more_leads)


def list_waiting(tx: Session, task_id: str, limit: int) -> list[WaitingLead]:
    """The next leads to be handed to the provider."""
    return [WaitingLead.from_row(row) for row in _queries.list_waiting_leads(tx, task_id=task_id, limit=limit)]


def list_handed(tx: Session, campaign: Campaign) -> list[WaitingLead]:
    """The leads of the batch that somebody was handing over when he died."""
    rows = _queries.list_leads_between(
        tx, task_id=campaign.task_id, first_id=campaign.assigning_first, last_id=campaign.assigning_last
    )
    return [WaitingLead.from_row(row) for row in rows]


def start_assigning(tx: Session, task_id: str, leads: Sequence[WaitingLead], seconds: float) -> None:
    _queries.start_assigning(tx, task_id=task_id, first_id=leads[0].id, last_id=leads[-1].id, seconds=seconds)


def release_assigning(session: Session, task_id: str) -> None:
    """The batch was not taken: another worker may hand it over at once."""
    _queries.release_assigning(session, task_id=task_id)


def save_group(session: Session, task_id: str, job_group_id: str) -> None:
    _queries.save_group(session, task_id=task_id, job_group_id=job_group_id)


def finish_assigning(tx: Session, campaign: Campaign, jobs: Sequence[tuple[int, str]], *, stopped: bool) -> None:
    """Give each (lead's row, job) of the locked campaign its ordinal, with the blocks that it lies in."""
    rows = [(lead, job, seq) for seq, (lead, job) in enumerate(jobs, campaign.assigned + 1)]
    if rows:
        _queries.save_jobs(tx, task_id=campaign.task_id, rows=dumps(rows))
        blocks = Counter(block_of(seq) for _, _, seq in rows)
        _queries.add_to_blocks(tx, task_id=campaign.task_id, rows=dumps(list(blocks.items())))
    _queries.finish_assigning(tx, task_id=campaign.task_id, assigned=len(rows), stopped=stopped)


def count(tx: Session, task_id: str, differences: Mapping[str, int]) -> None:
    """Add to the counters of the locked campaign."""
    rows = [[name, number] for name, number in differences.items() if number]
    if rows:
        _queries.add_to_counts(tx, task_id=task_id, rows=dumps(rows))


def claim_steering(session: Session, task_id: str, seconds: float) -> bool:
    """Whether nobody else is telling the provider something about this campaign."""
    return bool(_queries.claim_steering(session, task_id=task_id, seconds=seconds))


def finish_steering(session: Session, task_id: str, state: ProviderState) -> None:
    _queries.finish_steering(session, task_id=task_id, provider_state=state)


def set_state(tx: Session, task_id: str, state: ProviderState) -> None:
    _queries.set_state(tx, task_id=task_id, provider_state=state)


def delete_leads(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """How many were deleted; fewer than `limit`: none is left."""
    return int(_queries.delete_leads(session, task_ids=list(task_ids), limit=limit))


def save_follow_up(
    tx: Session, campaign: Campaign, *, leads_id: str, at: str, remark: str, next_at: str | None, arrives: bool
) -> None:
    """What a conversation came to, in the lead's one row, which the campaign's is linked with."""
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
    """Calls without a conversation as (leads_id, time, how it went). What was said in an earlier one stays."""
    rows = list(attempts)
    if rows:
        _queries.save_attempts(tx, tenant_id=campaign.tenant_id, rows=dumps(rows))
        _link(tx, campaign, [row[0] for row in rows])


def _link(tx: Session, campaign: Campaign, leads_ids: Sequence[str]) -> None:
    _queries.link_follow_ups(tx, tenant_id=campaign.tenant_id, task_id=campaign.task_id, leads_ids=list(leads_ids))


def _campaign(row: dict[str, Any] | None) -> Campaign | None:
    return Campaign.from_row(row) if row else None
