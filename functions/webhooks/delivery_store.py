"""The rows of deliveries: recorded, tried, swept and listed, by the statements of queries.sql."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.tasks.model import aware
from longhaul.tasks.store import sql_time
from webhooks.model import (
    DISABLED_AFTER,
    GONE,
    KEPT_DAYS,
    Delivery,
    DeliveryStatus,
    Outcome,
    Webhook,
)

_queries = queries.load(__file__)

IDLE_DAYS = KEPT_DAYS + 1  # an address of callbacks, after its last notice
LAST_ID = 2**62  # more than any row's
ON_THE_WAY_SECONDS = 2  # what is due for less has a message on its way


class Due(NamedTuple):
    """A delivery that may be tried, and whose it is."""

    delivery_id: str
    tenant_id: str


class Candidate(NamedTuple):
    """A delivery that is due, with its webhook and what is under way. `tries`: how often it was tried before."""

    delivery_id: str
    body: str
    tries: int
    webhook: Webhook
    now: datetime
    of_webhook: int
    of_tenant: int
    of_doubtful: int


class Target(NamedTuple):
    """An address of a task's callbacks. `created_at` is the task's."""

    webhook_id: str
    tenant_id: str
    url: str
    created_at: datetime


# ---------------------------------------------------------------------------------------------------------- recording


def list_callbacks(session: Session, task_ids: Sequence[str]) -> list[dict[str, Any]]:
    rows = _queries.list_callbacks(session, task_ids=list(task_ids)) if task_ids else []
    return [row | {"created_at": aware(row["created_at"])} for row in rows]


def record(tx: Session, rows: Iterable[dict[str, Any]]) -> int:
    """Record notices for the endpoints that want them; how many deliveries are new."""
    salt = secrets.token_hex(16)
    return sum(int(_queries.record_deliveries(tx, salt=salt, rows=some)) for some in arrays(rows))


def record_alerts(tx: Session, rows: Iterable[dict[str, Any]]) -> int:
    """The same of alerts, which are of no task or outlive it."""
    salt = secrets.token_hex(16)
    return sum(int(_queries.record_alerts(tx, salt=salt, rows=some)) for some in arrays(rows))


def insert_callbacks(tx: Session, targets: Iterable[Target]) -> None:
    rows = (target._asdict() | {"created_at": sql_time(target.created_at)} for target in targets)
    for some in arrays(rows):
        _queries.insert_callbacks(tx, rows=some)


def record_callbacks(tx: Session, rows: Iterable[dict[str, Any]]) -> int:
    salt = secrets.token_hex(16)
    return sum(int(_queries.record_callbacks(tx, salt=salt, rows=some)) for some in arrays(rows))


def list_recorded(session: Session, task_ids: Sequence[str], notice_ids: Sequence[str]) -> list[Due]:
    if not task_ids:
        return []
    rows = _queries.list_recorded(session, task_ids=list(task_ids), notice_ids=list(notice_ids))
    return [Due(**row) for row in rows]


def list_recorded_alerts(session: Session, alerts: Sequence[dict[str, Any]]) -> list[Due]:
    if not alerts:
        return []
    rows = _queries.list_recorded_alerts(
        session,
        tenant_ids=sorted({row["tenant_id"] for row in alerts}),
        notice_ids=sorted({row["notice_id"] for row in alerts}),
    )
    return [Due(**row) for row in rows]


def insert_delivery(tx: Session, webhook: Webhook, delivery_id: str, notice_id: str, event: str, body: str) -> None:
    _queries.insert_delivery(
        tx,
        delivery_id=delivery_id,
        webhook_id=webhook.webhook_id,
        tenant_id=webhook.tenant_id,
        notice_id=notice_id,
        event=event,
        body=body,
    )


# -------------------------------------------------------------------------------------------------------------- tries


def fetch_due(tx: Session, due: Due) -> Candidate | None:
    row = _queries.fetch_due(tx, **due._asdict())
    if row is None:
        return None
    values = {name: aware(row[name]) for name in Candidate._fields if name != "webhook"}
    return Candidate(**values, webhook=Webhook.from_row(row))


def lease(tx: Session, delivery_id: str, seconds: int) -> bool:
    return bool(_queries.lease_delivery(tx, delivery_id=delivery_id, seconds=seconds))


def note_success(tx: Session, delivery_id: str, webhook_id: str, outcome: Outcome) -> None:
    _queries.note_success(
        tx,
        delivery_id=delivery_id,
        status_code=outcome.status_code,
        latency_ms=outcome.latency_ms,
        answer=outcome.answer,
    )
    _queries.note_working(tx, webhook_id=webhook_id)


def note_failure(
    tx: Session, delivery_id: str, webhook_id: str, outcome: Outcome, *, tries: int, delay: float | None, rest: float
) -> None:
    """`delay`: seconds until its next try, None when that was the last. `rest`: for how long its webhook rests."""
    _queries.note_failure(
        tx,
        delivery_id=delivery_id,
        tries=tries,
        seconds=delay,
        status_code=outcome.status_code,
        error=outcome.error,
        latency_ms=outcome.latency_ms,
        answer=outcome.answer,
    )
    _queries.note_failing(
        tx,
        webhook_id=webhook_id,
        seconds=rest,
        gone=outcome.status_code == GONE,
        allowed=int(DISABLED_AFTER.total_seconds()),
    )


def list_next(session: Session, webhook_id: str, limit: int) -> list[Due]:
    rows = _queries.list_next(session, webhook_id=webhook_id, seconds=ON_THE_WAY_SECONDS, limit=limit)
    return [Due(**row) for row in rows]


# ----------------------------------------------------------------------------------------------------------- sweeping


def list_due(session: Session, limit: int) -> list[Due]:
    """Of each webhook that may be tried the oldest delivery that is due."""
    ids = [row["id"] for row in _queries.list_due(session, limit=limit)]
    return [Due(**row) for row in _queries.list_named(session, ids=ids)] if ids else []


def delete_old(session: Session, limit: int) -> int:
    """How many deliveries were deleted, here and below; fewer than `limit`: none is left."""
    return int(_queries.delete_old_deliveries(session, days=KEPT_DAYS, limit=limit))


def delete_condemned(session: Session, limit: int) -> int:
    webhook_ids = [row["webhook_id"] for row in _queries.list_condemned(session, limit=limit)]
    if not webhook_ids:
        return 0
    deleted = int(_queries.delete_deliveries(session, webhook_ids=webhook_ids, limit=limit))
    if deleted < limit:
        _queries.delete_webhooks(session, webhook_ids=webhook_ids)
    return deleted


def delete_idle_callbacks(session: Session, limit: int) -> int:
    return int(_queries.delete_idle_callbacks(session, days=IDLE_DAYS, limit=limit))


# --------------------------------------------------------------------------------------------- the log of deliveries


def list_deliveries(
    session: Session, tenant_id: str, webhook_id: str, statuses: Sequence[DeliveryStatus], before_id: int, limit: int
) -> list[Delivery]:
    rows = _queries.list_deliveries(
        session, tenant_id=tenant_id, webhook_id=webhook_id, statuses=list(statuses), before_id=before_id, limit=limit
    )
    return [Delivery.from_row(row) for row in rows]


def list_task_deliveries(
    session: Session, tenant_id: str, task_id: str, statuses: Sequence[DeliveryStatus], before_id: int, limit: int
) -> list[Delivery]:
    rows = _queries.list_task_deliveries(
        session, tenant_id=tenant_id, task_id=task_id, statuses=list(statuses), before_id=before_id, limit=limit
    )
    return [Delivery.from_row(row) for row in rows]


def fetch_delivery(session: Session, tenant_id: str, webhook_id: str, delivery_id: str) -> Delivery | None:
    row = _queries.fetch_delivery(session, tenant_id=tenant_id, webhook_id=webhook_id, delivery_id=delivery_id)
    return Delivery.from_row(row) if row else None


def replay(tx: Session, delivery_id: str) -> bool:
    """Whether it is PENDING from its first try on; one that is under way is not touched."""
    return bool(_queries.replay_delivery(tx, delivery_id=delivery_id))


def replay_since(
    tx: Session, webhook: Webhook, since: datetime, statuses: Sequence[DeliveryStatus], limit: int
) -> tuple[list[Due], datetime | None]:
    """The same for those that have ended, the oldest first; and when the last of them was recorded."""
    rows = _queries.list_since(
        tx,
        webhook_id=webhook.webhook_id,
        tenant_id=webhook.tenant_id,
        since=sql_time(since),
        statuses=list(statuses),
        limit=limit,
    )
    if rows:
        _queries.replay_deliveries(tx, ids=[row["id"] for row in rows])
    due = [Due(row["delivery_id"], row["tenant_id"]) for row in rows]
    return due, aware(rows[-1]["created_at"]) if rows else None
