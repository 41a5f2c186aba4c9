"""The log of deliveries: listed, replayed, and a test sent. A replay posts again what was posted, under its own id."""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from longhaul import database
from longhaul.database import Session
from longhaul.errors import Conflict, NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer
from webhooks import delivery_store, store
from webhooks.delivery_store import LAST_ID, Due
from webhooks.model import Delivery, DeliveryStatus, Webhook, WebhookDisabled
from webhooks.recording import send

MAX_REPLAYED = 1_000  # of one request
TEST = "longhaul.webhook.test"
ENDED = (DeliveryStatus.SUCCEEDED, DeliveryStatus.FAILED)


class Replay(NamedTuple):
    """How many deliveries are posted again, and, where there may be more, since when the next ones are."""

    number: int
    next_since: str | None


def list_of_webhook(
    tenant_id: str, webhook_id: str, statuses: Sequence[DeliveryStatus], before_id: int | None, limit: int
) -> tuple[list[Delivery], int | None]:
    """The newest first, and before which the next page begins. Raises NotFound."""
    with database.connection() as session:
        _webhook(store.fetch(session, tenant_id, webhook_id))
        found = delivery_store.list_deliveries(
            session, tenant_id, webhook_id, statuses, before_id or LAST_ID, limit + 1
        )
    return _page(found, limit)


def list_of_task(
    tenant_id: str, task_id: str, statuses: Sequence[DeliveryStatus], before_id: int | None, limit: int
) -> tuple[list[Delivery], int | None]:
    """The same of a task, to whomever. There is none of a task that is not the tenant's."""
    with database.connection() as session:
        found = delivery_store.list_task_deliveries(
            session, tenant_id, task_id, statuses, before_id or LAST_ID, limit + 1
        )
    return _page(found, limit)


def replay(tenant_id: str, webhook_id: str, delivery_id: str, *, request: KeyedRequest | None = None) -> Delivery:
    """The delivery, PENDING from its first try on. Raises NotFound, WebhookDisabled, Conflict while it is tried."""

    def write(tx: Session) -> Delivery:
        first = claim(tx, request)
        webhook = _webhook(store.lock(tx, tenant_id, webhook_id))
        found = _delivery(delivery_store.fetch_delivery(tx, tenant_id, webhook_id, delivery_id))
        if not first:
            return found
        _check_enabled(webhook)
        if not delivery_store.replay(tx, delivery_id):
            raise Conflict("the delivery is being tried: ask again in a minute")
        store.heed(tx, webhook)
        return _delivery(delivery_store.fetch_delivery(tx, tenant_id, webhook_id, delivery_id))

    delivery = database.run_transaction(write)
    send([Due(delivery.delivery_id, tenant_id)])
    return delivery


def replay_since(
    tenant_id: str,
    webhook_id: str,
    since: datetime,
    statuses: Sequence[DeliveryStatus] = ENDED,
    *,
    request: KeyedRequest | None = None,
) -> Replay:
    """Of the deliveries since then, the oldest MAX_REPLAYED that have ended are PENDING again.

    Raises NotFound, WebhookDisabled.
    """

    def write(tx: Session) -> tuple[list[Due], Replay]:
        first = claim(tx, request)
        webhook = _webhook(store.lock(tx, tenant_id, webhook_id))
        if not first:
            return [], Replay(*(request.answer if request else (0, None)))
        _check_enabled(webhook)
        due, last = delivery_store.replay_since(tx, webhook, since, statuses, MAX_REPLAYED)
        store.heed(tx, webhook)
        replay = Replay(len(due), last.isoformat() if last and len(due) == MAX_REPLAYED else None)
        save_answer(tx, request, replay)
        return due, replay

    due, replay = database.run_transaction(write)
    send(due)
    return replay


def send_test(tenant_id: str, webhook_id: str, *, request: KeyedRequest | None = None) -> Delivery:
    """The delivery of a notice that says that it is a test, whatever the webhook wants. Raises as `replay`."""
    delivery_id = f"msg_{secrets.token_hex(16)}"

    def write(tx: Session) -> Delivery:
        first = claim(tx, request)
        webhook = _webhook(store.lock(tx, tenant_id, webhook_id))
        if not first:
            made = str(request and request.answer)
            return _delivery(delivery_store.fetch_delivery(tx, tenant_id, webhook_id, made))
        _check_enabled(webhook)
        body = _test_notice(webhook)
        delivery_store.insert_delivery(tx, webhook, delivery_id, json.loads(body)["id"], TEST, body)
        store.heed(tx, webhook)
        save_answer(tx, request, delivery_id)
        return _delivery(delivery_store.fetch_delivery(tx, tenant_id, webhook_id, delivery_id))

    delivery = database.run_transaction(write)
    send([Due(delivery.delivery_id, tenant_id)])
    return delivery


def _test_notice(webhook: Webhook) -> str:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"test.{secrets.token_hex(8)}",
            "source": "/api/v1/webhooks",
            "type": TEST,
            "subject": webhook.webhook_id,
            "time": moment,
            "datacontenttype": "application/json",
            "data": {"webhook_id": webhook.webhook_id, "message": "This is a test: the webhook works."},
        }
    )


def _page(found: list[Delivery], limit: int) -> tuple[list[Delivery], int | None]:
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def _check_enabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise WebhookDisabled


def _webhook(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NotFound("there is no such webhook")
    return webhook


def _delivery(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        raise NotFound("there is no such delivery")
    return delivery
