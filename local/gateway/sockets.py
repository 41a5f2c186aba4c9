"""API Gateway's WebSocket API on this machine: connections, their limits, and what happens on them.

A message is passed to its function as it comes, without waiting for the one before: they may overtake each other, as in
the cloud. aiohttp joins a message's frames, so a message may have what the cloud allows a frame: no common client
sends more in one.
"""

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from local.gateway import socket_events as events
from local.gateway.routes import TokenBucket
from local.gateway.server import Problem
from local.gateway.socket_events import Socket
from local.runtime.limits import Refusal
from local.runtime.runtime import Runtime
from local.template.model import SocketApi, SocketRoute

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
FRAME_BYTES = 32 * 1024
IDLE_SECONDS = 600.0
CONNECTION_SECONDS = 7200.0
HEARTBEAT_SECONDS = 30.0  # a client that has vanished without a word is noticed by its silence
CLOSE_SECONDS = 1.0  # that a client has to take its leave

log = logging.getLogger(__name__)


class Sockets:
    """The sockets of one API, by the ids of their connections."""

    def __init__(self, api: SocketApi, runtime: Runtime) -> None:
        self.api = api
        self.open: dict[str, Socket] = {}
        self._runtime = runtime
        self._buckets = {key: TokenBucket(route.rate, route.burst) for key, route in api.routes.items()}
        self._work: set[asyncio.Task[None]] = set()
        self._closing = False

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a connection until it ends. Raises Problem for a handshake that is refused."""
        ws = web.WebSocketResponse(
            timeout=CLOSE_SECONDS, heartbeat=HEARTBEAT_SECONDS, max_msg_size=FRAME_BYTES, compress=False
        )
        if not ws.can_prepare(request):
            raise Problem(426, "upgrade_required", "This is a WebSocket's address.", {"Upgrade": "websocket"})
        if not self._take("$connect"):
            raise Problem(429, "throttled", "Too many connections; slow down.", {"Retry-After": "1"})
        socket = Socket(request, ws)
        await self._authorize(socket)
        await self._connect(socket)
        await ws.prepare(request)
        self.open[socket.connection_id] = socket
        try:
            await self._receive(socket)
        finally:
            self.open.pop(socket.connection_id, None)
            if request.transport is not None:
                request.transport.abort()  # a client that reads nothing would keep it for ever
            if "$disconnect" in self.api.routes and not self._closing:
                self.later(self._invoke("$disconnect", events.disconnect_event(self.api, socket)))
        return ws

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside."""

        async def done() -> None:
            with contextlib.suppress(_Failed):
                await work

        task = asyncio.create_task(done())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def close(self) -> None:
        """End all connections: their clients may connect again."""
        self._closing = True
        await asyncio.gather(*(socket.ws.close(code=WSCloseCode.GOING_AWAY) for socket in [*self.open.values()]))
        for task in self._work:
            task.cancel()

    async def _authorize(self, socket: Socket) -> None:
        """Raises Problem 401, 403 or 500."""
        if self.api.authorizer is None:
            return
        if any(not socket.request.rel_url.query.get(name) for name in self.api.needed):
            raise Problem(401, "unauthorized", f"The query needs {', '.join(self.api.needed)}.")
        route = SocketRoute(self.api.authorizer)
        try:
            answer = await self._call(route, events.authorizer_event(self.api, socket))
            allowed = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
            context = answer.get("context", {})
            principal = answer["principalId"]
        except (_Failed, LookupError, TypeError) as error:
            raise Problem(500, "internal_error", "The authorizer failed.") from error
        if any(not isinstance(value, str | int | float | bool) for value in context.values()):
            raise Problem(500, "internal_error", "An authorizer's context has texts, numbers and booleans only.")
        if not allowed:
            raise Problem(403, "forbidden", "The authorizer refuses this connection.")
        # In the cloud all of them arrive as texts.
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in context.items()}
        socket.authorizer = {"principalId": principal, **texts}

    async def _connect(self, socket: Socket) -> None:
        """Raises Problem with the status of the function's answer, unless that is a success."""
        if "$connect" not in self.api.routes:
            return
        try:
            answer = await self._call(self.api.routes["$connect"], events.connect_event(self.api, socket))
            status = int(answer["statusCode"])
        except (_Failed, LookupError, TypeError) as error:
            raise Problem(500, "internal_error", "The function failed.") from error
        if not 200 <= status < 300:
            raise Problem(status, "refused", "The function refuses this connection.")

    async def _receive(self, socket: Socket) -> None:
        """Pass messages on until the connection ends, is silent for too long, or is too old."""
        ends = time.monotonic() + CONNECTION_SECONDS
        while True:
            left = min(ends, socket.active + IDLE_SECONDS) - time.monotonic()
            if left <= 0:
                await socket.ws.close(code=WSCloseCode.GOING_AWAY)
                return
            try:
                message = await socket.ws.receive(timeout=left)
            except TimeoutError:
                continue
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            socket.touch()
            self.later(self._pass_on(socket, message.data))

    async def _pass_on(self, socket: Socket, data: str | bytes) -> None:
        key, request_id = events.route_of(self.api, data), str(uuid.uuid4())
        problem = ""
        if key not in self.api.routes:
            problem = "Forbidden"
        elif not self._take(key):
            problem = "Too Many Requests"
        else:
            try:
                await self._invoke(key, events.message_event(self.api, socket, key, data, request_id))
            except _Failed:
                problem = "Internal server error"
        if problem and not socket.ws.closed:
            with contextlib.suppress(ConnectionError):
                await socket.ws.send_str(events.failure(socket, problem, request_id))

    def _take(self, key: str) -> bool:
        return key not in self._buckets or self._buckets[key].take()

    async def _invoke(self, key: str, event: dict[str, Any]) -> Any:
        return await self._call(self.api.routes[key], event)

    async def _call(self, route: SocketRoute, event: dict[str, Any]) -> Any:
        """Raises _Failed for a function that failed, is late or busy, or does not answer in JSON."""
        payload = json.dumps(event, ensure_ascii=False).encode()
        call = asyncio.ensure_future(self._runtime.invoke(route.function, payload))
        call.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for its error
        try:
            async with asyncio.timeout(route.timeout):
                outcome = await asyncio.shield(call)
            if outcome.failed:
                log.warning("%s failed: %s", route.function, outcome.payload[:500].decode(errors="replace"))
                raise _Failed
            return json.loads(outcome.payload)
        except (TimeoutError, Refusal, ValueError) as error:
            log.warning("%s: %s", route.function, error)
            raise _Failed from error


class _Failed(Exception):
    """The function did not do what it was invoked for."""
