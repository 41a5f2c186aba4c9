"""The live routes of a stack, which speak the protocol of docs/live.md, with faults that a stack cannot be made to."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from tests.client.scripted import TICKETS, Document, Scripted, task

SOCKET = "/live"
TOPICS = ("task_id", "kind", "all")


class Sockets:
    """`history`: the notices of all time, which those who subscribe get as far as they are newer; after `forgotten` of
    them there is only a reset. `frames`: what clients sent. `tickets`: how many were asked for. `refuses`: the status
    with which tickets are refused. `adds`: what is sent behind the answer to a frame; `instead`: of the answer."""

    def __init__(self, server: Scripted) -> None:
        self.history: list[Document] = []
        self.forgotten = ""
        self.frames: list[Document] = []
        self.tickets = 0
        self.refuses: int | None = None
        self.instead: Callable[[Document], list[Document] | None] = lambda _: None
        self.adds: Callable[[Document], list[Document]] = lambda _: []
        self._server = server
        self._open: list[web.WebSocketResponse] = []
        server.special = {TICKETS: self._ticket, SOCKET: self._serve}

    @property
    def subscribed(self) -> list[Document]:
        return [frame for frame in self.frames if frame["action"] == "subscribe"]

    def tell(self, *notices: Document | str) -> None:
        """Send to all who are connected, whatever they subscribed to. Not to be called in the server's thread."""
        assert self._server.loop is not None
        for notice in notices:
            text = notice if isinstance(notice, str) else json.dumps(notice)
            for socket in list(self._open):
                with contextlib.suppress(ConnectionError):  # it is being closed
                    asyncio.run_coroutine_threadsafe(socket.send_str(text), self._server.loop).result(10)

    def cut(self) -> None:
        """Cut the connections without a word."""
        assert self._server.loop is not None
        for socket in list(self._open):
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                self._server.loop.call_soon_threadsafe(transport.abort)

    async def _ticket(self, request: web.Request) -> web.StreamResponse:
        assert (request.method, request.headers["authorization"]) == ("POST", "Bearer token-1")
        self.tickets += 1
        if self.refuses is not None:
            return web.json_response({"detail": "no ticket", "status": self.refuses}, status=self.refuses)
        url = f"{self._server.url.replace('http', 'ws', 1)}{SOCKET}?ticket={self.tickets}"
        return web.json_response({"ticket": str(self.tickets), "url": url, "expires_at": "soon"}, status=201)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        assert request.query["ticket"] == str(self.tickets)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self._open.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    frame = json.loads(message.data)
                    self.frames.append(frame)
                    answers = self.instead(frame)
                    for answer in [*self._answers(frame), *self.adds(frame)] if answers is None else answers:
                        await socket.send_json(answer)
        finally:
            self._open.remove(socket)
        return socket

    def _answers(self, frame: Document) -> list[Document]:
        topic = {name: frame[name] for name in TOPICS if name in frame}
        own = topic | ({"id": frame["id"]} if "id" in frame else {})
        if frame["action"] != "subscribe":
            return [{"type": {"ping": "pong", "unsubscribe": "unsubscribed"}[frame["action"]], **own}]
        newest = self.history[-1]["sequence"] if self.history else sequence(0)
        confirmed = {"type": "subscribed", **own, "sequence": newest}
        matching = [one for one in self.history if "all" in topic or topic.items() <= one["data"].items()]
        since = frame.get("last_sequence")
        if since is None:
            last = matching[-1:] if "task_id" in topic else []
            return [confirmed, *({**one, "type": "longhaul.task.state"} for one in last)]
        if since < self.forgotten:
            return [confirmed, {"type": "reset", **topic}]
        return [confirmed, *(one for one in matching if one["sequence"] > since)]


def sequence(event: int, steps: int = 0) -> str:
    return f"{event:016d}.{steps:08d}"


def notice(what: str, event: int, steps: int = 0, **changes: Any) -> Document:
    """Return a notice of a task; `changes` are of its data."""
    status = {"succeeded": "SUCCEEDED", "failed": "FAILED", "paused": "PAUSED"}.get(what, "RUNNING")
    known = task(status, **{"task_id": "t-1", **changes})
    names = ("task_id", "kind", "title", "status", "attempt", "progress", "stage", "current_step")
    return {
        "specversion": "1.0",
        "id": sequence(event, steps),
        "source": "/api/v1/tasks",
        "type": f"longhaul.task.{what}",
        "subject": known["task_id"],
        "time": known["updated_at"],
        "datacontenttype": "application/json",
        "sequence": sequence(event, steps),
        "data": {**{name: known[name] for name in names}, "detail": {}},
    }
