"""The HTTP API of the WebSocket's tickets."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Response, limited, make_app, needs, respond
from longhaul.observability import observed
from sockets import tickets
from sockets.wire import TicketDocument, holder_of

settings.require(settings.Database, settings.Cache, settings.Limits, settings.Sockets, settings.SocketsApi)

app = make_app()


@app.post(
    "/api/v1/live/tickets",
    security=needs("tasks:read"),
    tags=["live"],
    summary="Buy a ticket for the WebSocket",
    status_code=201,
    openapi_extensions=limited("write"),  # it needs a scope to read, and writes
)
def create_ticket() -> Response[TicketDocument]:
    ticket = tickets.issue(holder_of(app))
    return respond(TicketDocument.of(ticket), 201, {"Cache-Control": "no-store"})


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
