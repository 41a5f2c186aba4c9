"""A tenant's webhooks: made, read, changed, rotated and deleted; and the tenant's own secret, which signs callbacks.

What changes whether a tenant has a webhook that is told locks the tenant's row, and says so to publication: notices are
sent to the webhooks' queue only for tenants that listen.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from longhaul import database
from longhaul.database import Session
from longhaul.errors import FieldError, InvalidRequest, NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer
from longhaul.observability import logger
from longhaul.tasks import publication
from longhaul.tasks.kinds import kinds
from longhaul.tasks.notices import Channel
from webhooks import store
from webhooks.model import MAX_WEBHOOKS, Secrets, TooManyWebhooks, Webhook
from webhooks.signing import new_secret
from webhooks.store import WebhookKey


@dataclass(frozen=True)
class Wanted:
    """What a caller wants of a webhook. `events` and `kinds`: None for all."""

    url: str
    title: str | None = None
    events: Sequence[str] | None = None
    kinds: Sequence[str] | None = None


def create(tenant_id: str, wanted: Wanted, *, request: KeyedRequest | None = None) -> Webhook:
    """A new webhook, or the one that this request made before. Raises InvalidRequest, TooManyWebhooks, KeyReused."""
    _check_kinds(wanted.kinds)
    webhook_id = f"wh_{secrets.token_hex(16)}"

    def write(tx: Session) -> Webhook:
        if not claim(tx, request):
            return _found(store.fetch(tx, tenant_id, str(request and request.answer)))
        _lock(tx, tenant_id)
        if store.count(tx, tenant_id)[0] >= MAX_WEBHOOKS:
            raise TooManyWebhooks(f"a tenant has at most {MAX_WEBHOOKS} webhooks")
        store.insert(tx, webhook_id, tenant_id, new_secret(), vars(wanted))
        _listen(tx, tenant_id)
        save_answer(tx, request, webhook_id)
        return _found(store.fetch(tx, tenant_id, webhook_id))

    return database.run_transaction(write)


def read(tenant_id: str, webhook_id: str) -> Webhook:
    """Here and below: raises NotFound."""
    with database.connection() as session:
        return _endpoint(store.fetch(session, tenant_id, webhook_id))


def list_webhooks(tenant_id: str, after: WebhookKey, limit: int) -> tuple[list[Webhook], WebhookKey | None]:
    """The tenant's webhooks, the oldest first, and where the next page begins."""
    with database.connection() as session:
        found = store.list_webhooks(session, tenant_id, after, limit + 1)
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], WebhookKey(f"{last.created_at:%Y-%m-%d %H:%M:%S.%f}", last.webhook_id)


def change(
    tenant_id: str,
    webhook_id: str,
    values: dict[str, Any],
    *,
    check: Callable[[Webhook], None] = lambda _: None,
    request: KeyedRequest | None = None,
) -> Webhook:
    """The webhook with these of url, title, events, kinds and paused. `disabled: False`, or another url, enables it.

    `check` sees the webhook as nobody else can change it until this is done; what it raises is raised.
    """
    _check_kinds(values.get("kinds"))

    def write(tx: Session) -> Webhook:
        first = claim(tx, request)
        _lock(tx, tenant_id)
        webhook = _endpoint(store.lock(tx, tenant_id, webhook_id))
        if not first:
            return webhook
        check(webhook)
        renewed = values.get("disabled") is False or values.get("url", webhook.url) != webhook.url
        wanted = {name: values.get(name, getattr(webhook, name)) for name in ("url", "title", "events", "kinds")}
        store.change(tx, webhook, wanted, paused=values.get("paused", webhook.paused), renewed=renewed)
        _listen(tx, tenant_id)
        return _found(store.fetch(tx, tenant_id, webhook_id))

    return database.run_transaction(write)


def delete(
    tenant_id: str,
    webhook_id: str,
    *,
    check: Callable[[Webhook], None] = lambda _: None,
    request: KeyedRequest | None = None,
) -> None:
    """It is gone at once; its deliveries go with the next sweep. A request that was carried out before does nothing."""

    def write(tx: Session) -> None:
        if not claim(tx, request):
            return
        _lock(tx, tenant_id)
        webhook = _endpoint(store.lock(tx, tenant_id, webhook_id))
        check(webhook)
        store.condemn(tx, webhook)
        _listen(tx, tenant_id)

    database.run_transaction(write)


def rotate(tenant_id: str, webhook_id: str, *, request: KeyedRequest | None = None) -> Webhook:
    """The webhook with a new secret; the former one signs too for a day. Repeated, the webhook as it is."""

    def write(tx: Session) -> Webhook:
        first = claim(tx, request)
        webhook = _endpoint(store.lock(tx, tenant_id, webhook_id))
        if not first:
            return webhook
        store.rotate(tx, webhook, new_secret())
        return _found(store.fetch(tx, tenant_id, webhook_id))

    return database.run_transaction(write)


def tenant_secret(tenant_id: str) -> Secrets:
    """The secret that signs what callbacks are told; it is made when it is first asked for or needed."""
    with database.connection() as session:
        found = store.fetch_tenant(session, tenant_id)
        if found is None:
            store.ensure_tenant(session, tenant_id, new_secret())
            found = store.fetch_tenant(session, tenant_id)
    if found is None:
        raise NotFound("the tenant has no secret")
    return found


def rotate_tenant_secret(tenant_id: str, *, request: KeyedRequest | None = None) -> Secrets:
    def write(tx: Session) -> Secrets | None:
        first = claim(tx, request)
        _lock(tx, tenant_id)
        if first:
            store.rotate_tenant(tx, tenant_id, new_secret())
        return store.fetch_tenant(tx, tenant_id)

    return database.run_transaction(write) or tenant_secret(tenant_id)


def tell(tenant_id: str) -> None:
    """Tell publication whether the tenant has a webhook that is told."""

    def write(tx: Session) -> None:
        _lock(tx, tenant_id)
        _listen(tx, tenant_id)

    database.run_transaction(write)


def _listen(tx: Session, tenant_id: str) -> None:
    _, active = store.count(tx, tenant_id)
    if active:
        publication.listen(tx, tenant_id, Channel.WEBHOOKS)
    else:
        publication.stop_listening(tx, tenant_id, Channel.WEBHOOKS)
        logger.info("no webhook of the tenant is told", extra={"tenant_id": tenant_id})


def _lock(tx: Session, tenant_id: str) -> None:
    store.ensure_tenant(tx, tenant_id, new_secret())
    store.lock_tenant(tx, tenant_id)


def _endpoint(webhook: Webhook | None) -> Webhook:
    """An address of callbacks is no webhook that can be changed."""
    return _found(None if webhook is None or webhook.task_callback else webhook)


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NotFound("there is no such webhook")
    return webhook


def _check_kinds(names: Sequence[str] | None) -> None:
    """A misspelt kind would never be told of."""
    errors: list[FieldError] = [
        {"pointer": f"/kinds/{index}", "detail": f"there is no kind {name}"}
        for index, name in enumerate(names or ())
        if name not in kinds()
    ]
    if errors:
        raise InvalidRequest(errors=errors)
