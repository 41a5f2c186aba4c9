"""A WebSocket's events as a function gets them from API Gateway, and the socket that they are of.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

import base64
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from local.template.model import ACCOUNT, REGION, SocketApi


def _connection_id() -> str:
    """Like the cloud's, it ends with =, which has to be escaped in an address."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


@dataclass(eq=False)
class Socket:
    """One client's connection. Times are in seconds: since the epoch, `active` by the monotonic clock."""

    request: web.BaseRequest
    ws: web.WebSocketResponse
    connection_id: str = field(default_factory=_connection_id)
    connected_at: float = field(default_factory=time.time)
    active_at: float = field(default_factory=time.time)
    active: float = field(default_factory=time.monotonic)
    authorizer: Mapping[str, Any] = field(default_factory=dict)

    def touch(self) -> None:
        """Something was sent or received."""
        self.active_at, self.active = time.time(), time.monotonic()

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet, beyond what the system holds for it."""
        transport = self.request.transport
        return transport.get_write_buffer_size() if transport is not None else 0

    def about(self) -> dict[str, Any]:
        """What GetConnection tells."""
        times = {"connectedAt": self.connected_at, "lastActiveAt": self.active_at}
        told = {name: datetime.fromtimestamp(moment, UTC).isoformat() for name, moment in times.items()}
        return {**told, "identity": self.identity}

    @property
    def identity(self) -> dict[str, str]:
        return {"sourceIp": self.request.remote or "", "userAgent": self.request.headers.get("User-Agent", "")}


def authorizer_event(api: SocketApi, socket: Socket) -> dict[str, Any]:
    """What a REQUEST authorizer is asked."""
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.name}/{api.stage}/$connect"
    return {
        "type": "REQUEST",
        "methodArn": arn,
        **_handshake(socket.request),
        "stageVariables": {},
        "requestContext": _context(api, socket, "$connect", "CONNECT", str(uuid.uuid4())),
    }


def connect_event(api: SocketApi, socket: Socket) -> dict[str, Any]:
    context = _context(api, socket, "$connect", "CONNECT", str(uuid.uuid4()))
    return {**_handshake(socket.request), "requestContext": context, "isBase64Encoded": False}


def message_event(api: SocketApi, socket: Socket, route: str, data: str | bytes, request_id: str) -> dict[str, Any]:
    context = _context(api, socket, route, "MESSAGE", request_id)
    body = data if isinstance(data, str) else base64.b64encode(data).decode()
    context["messageId"] = _connection_id()
    return {"requestContext": context, "body": body, "isBase64Encoded": not isinstance(data, str)}


def disconnect_event(api: SocketApi, socket: Socket) -> dict[str, Any]:
    context = _context(api, socket, "$disconnect", "DISCONNECT", str(uuid.uuid4()))
    context |= {"disconnectStatusCode": socket.ws.close_code or 1006, "disconnectReason": ""}
    return {"headers": {"Host": socket.request.host}, "requestContext": context, "isBase64Encoded": False}


def route_of(api: SocketApi, data: str | bytes) -> str:
    """Select by $request.body.action; what has none, or one without a route, is $default's."""
    try:
        action = json.loads(data)["action"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return "$default"
    return action if isinstance(action, str) and action in api.routes and not action.startswith("$") else "$default"


def failure(socket: Socket, message: str, request_id: str) -> str:
    """The frame in which API Gateway tells of an error of its own."""
    return json.dumps({"message": message, "connectionId": socket.connection_id, "requestId": request_id})


def _handshake(request: web.BaseRequest) -> dict[str, Any]:
    headers, query = dict(request.headers), dict(request.rel_url.query)
    return {
        "headers": headers,
        "multiValueHeaders": {name: request.headers.getall(name) for name in headers},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: request.rel_url.query.getall(name) for name in query} or None,
    }


def _context(api: SocketApi, socket: Socket, route: str, kind: str, request_id: str) -> dict[str, Any]:
    now = time.time()
    context: dict[str, Any] = {
        "routeKey": route,
        "eventType": kind,
        "extendedRequestId": request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": int(socket.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": socket.identity,
        "requestId": request_id,
        "domainName": socket.request.host.split(":")[0],
        "connectionId": socket.connection_id,
        "apiId": api.name,
    }
    return {**context, "authorizer": dict(socket.authorizer)} if socket.authorizer else context
