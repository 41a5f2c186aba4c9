"""API Gateway's management API of connections: what functions post, for whoever their role allows it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import asyncio
import io
import json
import uuid
from typing import Any

from aiohttp import WSCloseCode, web

from local.gateway.socket_events import Socket
from local.gateway.sockets import Sockets
from local.iam import credentials
from local.iam.guard import Guard

MESSAGE_BYTES = 128 * 1024
UNSENT_BYTES = 128 * 1024  # that are kept for a client that does not read
SEND_SECONDS = 0.5


async def manage(sockets: Sockets, guard: Guard, request: web.BaseRequest, connection_id: str) -> web.Response:
    """Answer POST (send), GET (what is known of it) and DELETE (end it) of a connection."""
    body = await request.read()
    environ = _environ(request, body)
    if credentials.signature(environ) is None:
        return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if (refusal := guard.refusal(environ)) is not None:
        return web.Response(status=int(refusal.status[:3]), headers=dict(refusal.headers), body=refusal.body)
    socket = sockets.open.get(connection_id)
    if socket is None or socket.ws.closed:
        return _error(410, "GoneException", "Gone")
    match request.method:
        case "POST":
            return await _send(socket, body)
        case "GET":
            return web.json_response(socket.about())
        case "DELETE":
            del sockets.open[connection_id]
            sockets.later(socket.ws.close(code=WSCloseCode.OK, message=b"Connection Closed Normally"))
            return web.Response(status=204)
    return _error(403, "ForbiddenException", "Forbidden")


async def _send(socket: Socket, body: bytes) -> web.Response:
    if len(body) > MESSAGE_BYTES:
        return _error(413, "PayloadTooLargeException", f"A message has at most {MESSAGE_BYTES} bytes")
    if socket.unsent_bytes > UNSENT_BYTES:
        return _error(429, "LimitExceededException", "The client does not read what it is sent")
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await socket.ws.send_str(body.decode(errors="replace"))
    except TimeoutError:
        return _error(429, "LimitExceededException", "The client does not read what it is sent")
    except ConnectionError:
        return _error(410, "GoneException", "Gone")
    socket.touch()
    return web.json_response({})


def _error(status: int, name: str, message: str) -> web.Response:
    body = json.dumps({"message": message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": name, "x-amzn-RequestId": str(uuid.uuid4())}
    return web.Response(status=status, headers=headers, body=body)


def _environ(request: web.BaseRequest, body: bytes) -> dict[str, Any]:
    """The request as WSGI has it, for the guard."""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.rel_url.path,
        "QUERY_STRING": request.rel_url.raw_query_string,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
