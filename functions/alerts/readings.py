"""What the rules look at, as the database has it: each a statement whose cost has a bound."""

from collections.abc import Iterable, Sequence
from typing import Any

from longhaul.database import Session, queries
from longhaul.database.chunks import chunks

_queries = queries.load(__file__)


def list_running_long(session: Session, seconds: float, looked_at: int) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = _queries.list_running_long(
        session, microseconds=_microseconds(seconds), looked_at=looked_at
    )
    return rows


def list_running_among(session: Session, task_ids: Iterable[str], seconds: float) -> list[dict[str, Any]]:
    return [
        row
        for some in chunks(task_ids)
        for row in _queries.list_running_among(session, task_ids=some, microseconds=_microseconds(seconds))
    ]


def count_running(session: Session, kinds: Sequence[str], least: float, limit: int) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = _queries.count_running(session, kinds=list(kinds), least=least, limit=limit)
    return rows


def list_waiting_long(
    session: Session, kinds: Sequence[str], seconds: float, looked_at: int, limit: int
) -> list[dict[str, Any]]:
    """`looked_at` and `limit` of each kind."""
    of: dict[str, Any] = {"microseconds": _microseconds(seconds), "looked_at": looked_at, "limit": limit}
    return [row for kind in kinds for row in _queries.list_waiting_long(session, kind=kind, **of)]


def list_failed_shares(
    session: Session, *, span: int, first: int, min_ended: int, least: float, limit: int
) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = _queries.list_failed_shares(
        session, span=span, first=first, min_ended=min_ended, least=least, limit=limit
    )
    return rows


def list_disabled_webhooks(session: Session, limit: int) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = _queries.list_disabled_webhooks(session, limit=limit)
    return rows


def list_spending(
    session: Session, statuses: Sequence[str], least: float, looked_at: int, limit: int
) -> list[dict[str, Any]]:
    return [
        row
        for status in statuses
        for row in _queries.list_spending(session, status=status, least=least, looked_at=looked_at, limit=limit)
    ]


def list_spending_among(
    session: Session, task_ids: Iterable[str], statuses: Sequence[str], least: float
) -> list[dict[str, Any]]:
    return [
        row
        for some in chunks(task_ids)
        for row in _queries.list_spending_among(session, task_ids=some, statuses=list(statuses), least=least)
    ]


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
