"""The rows of webhooks, and of the tenants that have some, by the statements of queries.sql."""

import hashlib
from typing import Any, NamedTuple

from longhaul.database import Session, queries
from webhooks.model import SECRET_KEPT, Secrets, Webhook, secrets_of

_queries = queries.load(__file__)


class WebhookKey(NamedTuple):
    """Where a page of webhooks ends."""

    created_at: str
    webhook_id: str


FIRST_WEBHOOK = WebhookKey("1000-01-01", "")


def callback_id(tenant_id: str, url: str) -> str:
    """The id of an address of callbacks: the same for all tasks of the tenant."""
    return "cb_" + hashlib.sha256(f"{tenant_id}\n{url}".encode()).hexdigest()[:32]


# ------------------------------------------------------------------------------------------------------------ tenants


def ensure_tenant(session: Session, tenant_id: str, secret: str) -> None:
    """`secret` becomes the tenant's own unless it has one."""
    _queries.insert_tenant(session, tenant_id=tenant_id, secret=secret)


def lock_tenant(tx: Session, tenant_id: str) -> Secrets | None:
    row = _queries.lock_tenant(tx, tenant_id=tenant_id)
    return secrets_of(row) if row else None


def fetch_tenant(session: Session, tenant_id: str) -> Secrets | None:
    row = _queries.fetch_tenant(session, tenant_id=tenant_id)
    return secrets_of(row) if row else None


def rotate_tenant(tx: Session, tenant_id: str, secret: str) -> None:
    _queries.rotate_tenant(tx, tenant_id=tenant_id, secret=secret, seconds=int(SECRET_KEPT.total_seconds()))


# ----------------------------------------------------------------------------------------------------------- webhooks


def insert(tx: Session, webhook_id: str, tenant_id: str, secret: str, values: dict[str, Any]) -> None:
    _queries.insert_webhook(tx, webhook_id=webhook_id, tenant_id=tenant_id, secret=secret, **_columns(values))


def fetch(session: Session, tenant_id: str, webhook_id: str) -> Webhook | None:
    return _webhook(_queries.fetch_webhook(session, webhook_id=webhook_id, tenant_id=tenant_id))


def lock(tx: Session, tenant_id: str, webhook_id: str) -> Webhook | None:
    return _webhook(_queries.lock_webhook(tx, webhook_id=webhook_id, tenant_id=tenant_id))


def list_webhooks(session: Session, tenant_id: str, after: WebhookKey, limit: int) -> list[Webhook]:
    rows = _queries.list_webhooks(
        session,
        tenant_id=tenant_id,
        after_created_at=after.created_at,
        after_webhook_id=after.webhook_id,
        limit=limit,
    )
    return [Webhook.from_row(row) for row in rows]


def count(session: Session, tenant_id: str) -> tuple[int, int]:
    """How many endpoints the tenant has, and how many of them are told of notices."""
    row = _queries.count_webhooks(session, tenant_id=tenant_id)
    return int(row["number"]), int(row["active"])


def change(tx: Session, webhook: Webhook, values: dict[str, Any], *, paused: bool, renewed: bool) -> None:
    _queries.change_webhook(
        tx,
        webhook_id=webhook.webhook_id,
        tenant_id=webhook.tenant_id,
        paused=paused,
        renewed=renewed,
        **_columns(values),
    )


def rotate(tx: Session, webhook: Webhook, secret: str) -> None:
    seconds = int(SECRET_KEPT.total_seconds())
    _queries.rotate_webhook(
        tx, webhook_id=webhook.webhook_id, tenant_id=webhook.tenant_id, secret=secret, seconds=seconds
    )


def condemn(tx: Session, webhook: Webhook) -> None:
    _queries.condemn_webhook(tx, webhook_id=webhook.webhook_id, tenant_id=webhook.tenant_id)


def heed(tx: Session, webhook: Webhook) -> None:
    """It is not left alone any longer."""
    _queries.heed_webhook(tx, webhook_id=webhook.webhook_id, tenant_id=webhook.tenant_id)


def _webhook(row: dict[str, Any] | None) -> Webhook | None:
    return Webhook.from_row(row) if row else None


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """url, title, events and kinds as the row has them."""
    lists = {name: ",".join(values[name]) if values[name] else None for name in ("events", "kinds")}
    return {"url": values["url"], "title": values["title"], **lists}
