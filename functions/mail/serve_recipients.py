"""Serves who is told by e-mail: a tenant's recipients, and to whoever has a mail the pages behind its links.

Those pages are open, as the token in their address is the right to them.
"""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    Response,
    also,
    caller,
    conditional,
    etag_of,
    keyed_request,
    limited,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.observability import observed
from mail import pages, recipients
from mail.model import Purpose, Recipient, RecipientStatus
from mail.wire import EXAMPLE_ID, NewRecipient, Recipients, RecipientView, Removed, html, location, recipient_view

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Limits, settings.OutboxQueue, settings.Mail
)

app = make_app()
READ: dict[str, Any] = {"security": needs("notices:read"), "openapi_extensions": also(304, 409)}

RecipientId = Annotated[
    str, Path(pattern=r"^recipient_[0-9a-f]{32}$", description="A recipient's id.", examples=[EXAMPLE_ID])
]


@app.post(
    "/api/v1/mail/recipients",
    status_code=202,
    security=needs("notices:write"),
    openapi_extensions=also(200),
    summary="Add a recipient, which is asked by mail to confirm",
)
def add_recipient(
    given: Annotated[NewRecipient, Body()], idempotency_key: IdempotencyKey = None
) -> Response[RecipientView]:
    """An address that is there already is the same recipient, with this language and these kinds from now on.

    202 until it has confirmed, and each time it is sent another confirmation; 200 when it has.
    """
    recipients.check_configured()
    request = keyed_request(app, idempotency_key, given)
    added = recipients.add(request.tenant_id, given.address, given.language, given.kinds, request)
    status = 200 if added.status == RecipientStatus.CONFIRMED or request.replayed else 202
    return respond(recipient_view(added), status, {"Location": location(added), **replay_headers(request.replayed)})


@app.get("/api/v1/mail/recipients", **READ, summary="List the recipients")
def list_recipients() -> Response[Recipients]:
    recipients.check_configured()
    found = Recipients(items=[recipient_view(one) for one in recipients.list_all(caller(app).tenant_id)])
    return conditional(app, lambda: found, etag=etag_of(found))


@app.get("/api/v1/mail/recipients/<recipient_id>", **READ, summary="Read a recipient")
def read_recipient(recipient_id: RecipientId) -> Response[RecipientView]:
    recipients.check_configured()
    found = recipient_view(recipients.read(caller(app).tenant_id, recipient_id))
    return conditional(app, lambda: found, etag=etag_of(found))


@app.delete(
    "/api/v1/mail/recipients/<recipient_id>",
    security=needs("notices:write"),
    openapi_extensions=limited("bulk"),
    summary="Remove a recipient",
)
def remove_recipient(recipient_id: RecipientId, idempotency_key: IdempotencyKey = None) -> Response[Removed]:
    recipients.check_configured()
    request = keyed_request(app, idempotency_key)
    recipients.remove(request.tenant_id, recipient_id, request)
    return respond(Removed(recipient_id=recipient_id), headers=replay_headers(request.replayed))


@app.get("/api/v1/mail/confirm/<token>", include_in_schema=False)
def show_confirmation(token: str) -> Response[str]:
    return page(recipients.find(token, Purpose.CONFIRM), pages.question, Purpose.CONFIRM)


@app.post("/api/v1/mail/confirm/<token>", include_in_schema=False)
def confirm(token: str) -> Response[str]:
    return page(recipients.confirm(token), pages.done, Purpose.CONFIRM)


@app.get("/api/v1/mail/unsubscribe/<token>", include_in_schema=False)
def show_unsubscription(token: str) -> Response[str]:
    return page(recipients.find(token, Purpose.UNSUBSCRIBE), pages.question, Purpose.UNSUBSCRIBE)


@app.post("/api/v1/mail/unsubscribe/<token>", include_in_schema=False)
def unsubscribe(token: str) -> Response[str]:
    """By the page's button, or by a mail program at one click (RFC 8058)."""
    return page(recipients.unsubscribe(token), pages.done, Purpose.UNSUBSCRIBE)


def page(found: Recipient | None, made: Callable[[Recipient, Purpose], str], purpose: Purpose) -> Response[str]:
    """The page of a link, in the language of its recipient."""
    if found is None:
        chinese = app.current_event.headers.get("accept-language", "").lower().startswith("zh")
        return html(pages.invalid("zh" if chinese else "en"), 404)
    return html(made(found, purpose))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
