"""Serves the WebSocket API: connections that begin and end, and what their clients send."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from sockets import connections
from sockets.model import SocketEvent

settings.require(settings.Database, settings.Kinds, settings.Sockets, settings.SocketsApi)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    received = SocketEvent.model_validate(event)
    match received.context.event_type:
        case "CONNECT":
            return {"statusCode": connections.begin(received.connection)}
        case "DISCONNECT":
            connections.end(received.connection)
        case "MESSAGE":
            connections.answer(received.connection, received.body)
    return {"statusCode": connections.OK}
