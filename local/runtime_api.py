"""Lambda's Runtime API for one process, as AWS's runtime client (awslambdaric) speaks it.

Each process has a port of its own (the client's init/error path takes no prefix), so one that dies can never take an
event that was meant for another.
"""

import asyncio
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from local.model import Function
from local.outcomes import Outcome

PAYLOAD_BYTES = 6 * 1024 * 1024
PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Invocation:
    """One event on its way; `deadline` in seconds since the epoch."""

    event: bytes
    deadline: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class RuntimeApi:
    """`ready` turns None when the process first asks for an event, or the error that its init ended with."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Outcome | None] = self._loop.create_future()
        self._waiting: asyncio.Queue[Invocation] = asyncio.Queue()
        self._current: tuple[str, asyncio.Future[Outcome]] | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> int:
        """Start listening on 127.0.0.1; return the port."""
        application = web.Application(client_max_size=PAYLOAD_BYTES + 1024)
        application.router.add_get(f"{PREFIX}/invocation/next", self._next)
        application.router.add_post(f"{PREFIX}/invocation/{{id}}/{{kind:response|error}}", self._answer)
        application.router.add_post(f"{PREFIX}/init/error", self._init_error)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, listener).start()
        port: int = listener.getsockname()[1]
        return port

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def hand(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Give the process its next event; return its answer to come."""
        reply: asyncio.Future[Outcome] = self._loop.create_future()
        self._current = (invocation.request_id, reply)
        self._waiting.put_nowait(invocation)
        return reply

    def end(self, outcome_of: Callable[[str], Outcome]) -> None:
        """The process is gone: answer whoever waits for it with `outcome_of(request id)`."""
        if not self.ready.done():
            self.ready.set_result(outcome_of("init"))
        if self._current is not None and not self._current[1].done():
            self._current[1].set_result(outcome_of(self._current[0]))

    async def _next(self, _request: web.Request) -> web.Response:
        if not self.ready.done():
            self.ready.set_result(None)
        invocation = await self._waiting.get()
        headers = {
            "Content-Type": "application/json",  # exactly: with a charset the client passes on bytes
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        return web.Response(body=invocation.event, headers=headers)

    async def _answer(self, request: web.Request) -> web.Response:
        outcome = Outcome(await request.read(), failed=request.match_info["kind"] == "error")
        if self._current is not None and self._current[0] == request.match_info["id"]:
            reply = self._current[1]
            if not reply.done():
                reply.set_result(outcome)
        return web.Response(status=202)

    async def _init_error(self, request: web.Request) -> web.Response:
        outcome = Outcome(await request.read(), failed=True)
        if not self.ready.done():
            self.ready.set_result(outcome)
        return web.Response(status=202)
