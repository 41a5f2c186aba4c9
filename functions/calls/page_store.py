"""A page's rows: two indexed statements, whatever the size of the task and the depth of the page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from calls.model import block_of, counts_of
from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.model import Status

_queries = queries.load(__file__)

type Row = dict[str, Any]


@dataclass(frozen=True)
class PageHead:
    """What stands above a page. `total` counts the jobs; `synced_at` is UTC without a zone, None when there is none."""

    kind: str
    status: Status
    leads: int
    total: int
    counts: dict[str, int]
    synced_at: datetime | None


def fetch_head(session: Session, task_id: str, tenant_id: str, first_seq: int, last_seq: int) -> PageHead | None:
    """None when the tenant has no such task."""
    row = _queries.fetch_page_head(
        session,
        task_id=task_id,
        tenant_id=tenant_id,
        first_block=block_of(first_seq),
        last_block=block_of(last_seq),
    )
    if row is None or row["task_id"] != task_id:  # to MySQL, a space behind it makes no difference
        return None
    return PageHead(
        kind=row["kind"],
        status=Status(row["status"]),
        leads=row["leads"] or 0,
        total=row["assigned"] or 0,
        counts=counts_of(row["counts"]),
        synced_at=row["synced_at"],
    )


def list_page(session: Session, task_id: str, first_seq: int, last_seq: int) -> list[Row]:
    """The jobs with these ordinals and their follow-ups, by ordinal, in one statement; times are UTC without a zone."""
    rows: list[Row] = _queries.list_page(session, task_id=task_id, first_seq=first_seq, last_seq=last_seq)
    return rows
