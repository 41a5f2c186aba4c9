"""The HTTP API of webhooks: a tenant's endpoints, their secrets, deliveries, tests and replays."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from longhaul import settings
from longhaul.http import (
    Api,
    IdempotencyKey,
    IfMatch,
    Response,
    also,
    caller,
    check_match,
    conditional,
    dumps,
    etag_of,
    keyed_request,
    limited,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.http.cursors import cursor_after, key_of
from longhaul.http.pages import Cursor, Limit
from longhaul.observability import observed
from webhooks import deliveries, endpoints, wire
from webhooks.model import Webhook
from webhooks.store import FIRST_WEBHOOK, WebhookKey
from webhooks.wire import (
    EXAMPLE_DELIVERY,
    EXAMPLE_ID,
    Deleted,
    DeliveryDocument,
    DeliveryPage,
    DeliveryQuery,
    Replayed,
    ReplayRequest,
    SecretDocument,
    WebhookChange,
    WebhookDocument,
    WebhookPage,
    WebhookRequest,
    WebhookWithSecret,
)

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Cursors,
    settings.Limits,
    settings.DeliverQueue,
    settings.Webhooks,
)

app = make_app()
READ: dict[str, Any] = {"security": needs("notices:read"), "tags": ["webhooks"], "openapi_extensions": also(304)}
WRITE: dict[str, Any] = {"security": needs("notices:write"), "tags": ["webhooks"]}

WebhookId = Annotated[
    str, Path(pattern=r"^wh_[0-9a-f]{32}$", description="A webhook's id, as making it gave.", examples=[EXAMPLE_ID])
]
AddressId = Annotated[
    str,
    Path(
        pattern=r"^(wh|cb)_[0-9a-f]{32}$",
        description="A webhook's id, or the `webhook_id` of a callback's delivery.",
        examples=[EXAMPLE_ID],
    ),
]
DeliveryId = Annotated[
    str, Path(pattern=r"^msg_[0-9a-f]{32}$", description="A delivery's id.", examples=[EXAMPLE_DELIVERY])
]


@app.post("/api/v1/webhooks", **WRITE, summary="Make a webhook", status_code=201)
def create_webhook(
    given: Annotated[WebhookRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[WebhookWithSecret]:
    request = keyed_request(app, idempotency_key, given)
    webhook = endpoints.create(request.tenant_id, given.wanted(), request=request)
    location = {"Location": f"/api/v1/webhooks/{webhook.webhook_id}"}
    return respond(wire.with_secret(webhook), 201, {**location, **replay_headers(request.replayed)})


@app.get("/api/v1/webhooks", **READ, summary="List the webhooks")
def list_webhooks(cursor: Cursor = None, limit: Limit = 20) -> Response[WebhookPage]:
    tenant_id = caller(app).tenant_id
    of = ["webhooks", tenant_id]
    after = WebhookKey(*key_of(of, cursor)) if cursor else FIRST_WEBHOOK
    found, following = endpoints.list_webhooks(tenant_id, after, limit)
    page = WebhookPage(
        items=[wire.webhook_document(webhook) for webhook in found], next_cursor=cursor_after(of, following)
    )
    return _conditional(app, page)


@app.get("/api/v1/webhooks/secret", **WRITE, summary="Read the secret that signs callbacks")
def read_tenant_secret() -> Response[SecretDocument]:
    """Whoever has it can sign as we do, so reading it takes the scope to write."""
    return respond(wire.secret_document(endpoints.tenant_secret(caller(app).tenant_id)))


@app.post("/api/v1/webhooks/secret/rotate", **WRITE, summary="Rotate the secret that signs callbacks")
def rotate_tenant_secret(idempotency_key: IdempotencyKey = None) -> Response[SecretDocument]:
    request = keyed_request(app, idempotency_key)
    secrets = endpoints.rotate_tenant_secret(request.tenant_id, request=request)
    return respond(wire.secret_document(secrets), headers=replay_headers(request.replayed))


@app.get("/api/v1/webhooks/deliveries", **READ, summary="List the deliveries of a task, to whomever")
def list_task_deliveries(query: Annotated[DeliveryQuery, Query()], task_id: wire.TaskIdQuery) -> Response[DeliveryPage]:
    tenant_id = caller(app).tenant_id
    of = ["deliveries", tenant_id, task_id, query.status]
    before = key_of(of, query.cursor) if query.cursor else None
    found, following = deliveries.list_of_task(tenant_id, task_id, query.statuses(), before, query.limit)
    return _conditional(app, wire.delivery_page(found, cursor_after(of, following)))


@app.get("/api/v1/webhooks/<webhook_id>", **READ, summary="Read a webhook")
def read_webhook(webhook_id: WebhookId) -> Response[WebhookDocument]:
    return _conditional(app, wire.webhook_document(endpoints.read(caller(app).tenant_id, webhook_id)))


@app.patch("/api/v1/webhooks/<webhook_id>", **WRITE, summary="Change, pause or enable a webhook")
def change_webhook(
    webhook_id: WebhookId,
    change: Annotated[WebhookChange, Body()],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[WebhookDocument]:
    request = keyed_request(app, idempotency_key, change)
    webhook = endpoints.change(
        request.tenant_id, webhook_id, change.values(), check=_unchanged(if_match), request=request
    )
    return respond(wire.webhook_document(webhook), headers=replay_headers(request.replayed))


@app.delete(
    "/api/v1/webhooks/<webhook_id>",
    **WRITE,
    summary="Delete a webhook and its deliveries",
    openapi_extensions=limited("bulk"),
)
def delete_webhook(
    webhook_id: WebhookId, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
) -> Response[Deleted]:
    request = keyed_request(app, idempotency_key)
    endpoints.delete(request.tenant_id, webhook_id, check=_unchanged(if_match), request=request)
    return respond(Deleted(webhook_id=webhook_id), headers=replay_headers(request.replayed))


@app.post("/api/v1/webhooks/<webhook_id>/rotate", **WRITE, summary="Rotate a webhook's secret")
def rotate_webhook(webhook_id: WebhookId, idempotency_key: IdempotencyKey = None) -> Response[WebhookWithSecret]:
    request = keyed_request(app, idempotency_key)
    webhook = endpoints.rotate(request.tenant_id, webhook_id, request=request)
    return respond(wire.with_secret(webhook), headers=replay_headers(request.replayed))


@app.post("/api/v1/webhooks/<webhook_id>/test", **WRITE, summary="Post a test to a webhook", status_code=202)
def send_test(webhook_id: WebhookId, idempotency_key: IdempotencyKey = None) -> Response[DeliveryDocument]:
    request = keyed_request(app, idempotency_key)
    delivery = deliveries.send_test(request.tenant_id, webhook_id, request=request)
    return respond(wire.delivery_document(delivery), 202, {**_where(webhook_id), **replay_headers(request.replayed)})


@app.get("/api/v1/webhooks/<webhook_id>/deliveries", **READ, summary="List a webhook's deliveries")
def list_deliveries(webhook_id: AddressId, query: Annotated[DeliveryQuery, Query()]) -> Response[DeliveryPage]:
    tenant_id = caller(app).tenant_id
    of = ["deliveries", tenant_id, webhook_id, query.status]
    before = key_of(of, query.cursor) if query.cursor else None
    found, following = deliveries.list_of_webhook(tenant_id, webhook_id, query.statuses(), before, query.limit)
    return _conditional(app, wire.delivery_page(found, cursor_after(of, following)))


@app.post(
    "/api/v1/webhooks/<webhook_id>/deliveries/<delivery_id>/replay",
    **WRITE,
    summary="Post a delivery again",
    status_code=202,
)
def replay_delivery(
    webhook_id: AddressId, delivery_id: DeliveryId, idempotency_key: IdempotencyKey = None
) -> Response[DeliveryDocument]:
    request = keyed_request(app, idempotency_key)
    delivery = deliveries.replay(request.tenant_id, webhook_id, delivery_id, request=request)
    return respond(wire.delivery_document(delivery), 202, {**_where(webhook_id), **replay_headers(request.replayed)})


@app.post(
    "/api/v1/webhooks/<webhook_id>/replay",
    **WRITE,
    summary="Post all deliveries since a time again",
    status_code=202,
    openapi_extensions=limited("bulk"),
)
def replay_since(
    webhook_id: AddressId, given: Annotated[ReplayRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[Replayed]:
    request = keyed_request(app, idempotency_key, given)
    replay = deliveries.replay_since(request.tenant_id, webhook_id, given.since, given.statuses(), request=request)
    return respond(wire.replayed(replay), 202, {**_where(webhook_id), **replay_headers(request.replayed)})


def _conditional[V: BaseModel](api: Api, document: V) -> Response[V]:
    text = dumps(document)
    return conditional(api, lambda: text, etag=etag_of(text))


def _where(webhook_id: str) -> dict[str, str]:
    """Where to see what comes of it."""
    return {"Location": f"/api/v1/webhooks/{webhook_id}/deliveries"}


def _unchanged(if_match: str | None) -> Callable[[Webhook], None]:
    """Raises PreconditionFailed, as what it gives does, when the caller has seen another version."""

    def check(webhook: Webhook) -> None:
        if if_match is not None:
            check_match(if_match, etag_of(dumps(wire.webhook_document(webhook))))

    return check


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
