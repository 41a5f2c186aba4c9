"""A real HTTP server that sends scripted replies, and keeps the requests."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

type Document = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A reply; `drop`: the connection is cut instead; `delay`: seconds before it."""

    status: int = 200
    body: Document | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    media_type: str = "application/json"


@dataclass(frozen=True)
class Request:
    """A request; `connection` numbers the connections in the order in which they were opened."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    connection: int
    text: str = ""


type Special = Callable[[web.Request], Awaitable[web.StreamResponse]]

TICKETS = "/api/v1/live/tickets"


async def no_sockets(_: web.Request) -> web.StreamResponse:
    return web.json_response({"detail": "no such route", "status": 404}, status=404)


class Scripted:
    """Sends `replies` one after the other, the last one from then on; or what `does` returns for the request.
    `max_held`: the highest number of simultaneous requests with Prefer. `special`: paths that are answered otherwise,
    and whose requests are not kept."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.does: Callable[[Request], Reply] | None = None
        self.requests: list[Request] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.special: dict[str, Special] = {TICKETS: no_sockets}
        self.max_held = 0
        self._held = 0
        self._connections: list[Any] = []

    def will(self, *replies: Reply, does: Callable[[Request], Reply] | None = None) -> None:
        self.replies = list(replies)
        self.does = does
        self.requests.clear()
        self.max_held = 0

    async def answer(self, received: web.Request) -> web.StreamResponse:
        if received.path in self.special:
            return await self.special[received.path](received)
        if received.transport not in self._connections:
            self._connections.append(received.transport)
        text = await received.text()
        request = Request(
            received.method,
            received.path,
            dict(received.query),
            {name.lower(): value for name, value in received.headers.items()},
            json.loads(text) if text else None,
            self._connections.index(received.transport),
            text,
        )
        self.requests.append(request)
        reply = self.does(request) if self.does else self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        self._held += "prefer" in request.headers
        self.max_held = max(self.max_held, self._held)
        try:
            await asyncio.sleep(reply.delay)
        finally:
            self._held -= "prefer" in request.headers
        if reply.drop and received.transport is not None:
            received.transport.abort()
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return web.Response(status=reply.status, headers=reply.headers, text=text, content_type=reply.media_type)


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Run the server on a free port, in a thread of its own, until the block ends."""
    server = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    loop = server.loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def task(status: str = "RUNNING", **changes: Any) -> Document:
    """Return a task's document."""
    return {
        "task_id": "province_海南省_1",
        "kind": "hospital_province_refresh",
        "title": "海南省刷新",
        "status": status,
        "priority": "normal",
        "progress": 40,
        "stage": "district",
        "current_step": "正在获取区县数据：定安县",
        "statistics": {"cities_processed": 19},
        "result": None,
        "error": None,
        "attempt": 1,
        "created_at": "2026-11-25T01:02:03.456Z",
        "started_at": "2026-11-25T01:02:04.000Z",
        "updated_at": "2026-11-25T01:03:05.000Z",
        "finished_at": None,
        "allowed_actions": ["cancel", "pause"],
        "links": {},
        **changes,
    }


def problem(status: int, code: str, detail: str, **more: Any) -> Reply:
    body = {"type": f"urn:longhaul:problem:{code}", "title": code, "status": status, "detail": detail, "code": code}
    headers = more.pop("headers", {})
    return Reply(status, {**body, **more}, headers)
