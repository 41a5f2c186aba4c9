"""Lambda's Runtime API for one process, as AWS's runtime client (awslambdaric) calls it, and the outcomes it reports.

Each process has a port of its own (the client's init/error path takes no prefix). So a process that dies can never take
an event that was meant for another.
"""

import asyncio
import json
import signal
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from local.runtime.limits import RESPONSE_BYTES
from local.template.model import Function

PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Outcome:
    """`payload` is JSON: the function's result or, when `failed`, {errorType, errorMessage, stackTrace?}."""

    payload: bytes
    failed: bool = False


def timed_out(request_id: str, seconds: float) -> Outcome:
    return _failure("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds")


def exited(request_id: str, code: int) -> Outcome:
    """The process ended before it answered. A negative `code` is the signal that killed it."""
    how = f"signal: {_signal_name(-code)}" if code < 0 else f"exit status {code}"
    return _failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}")


def out_of_memory(request_id: str) -> Outcome:
    """The process was killed because it needed more than the function's memory.

    Lambda's responses and REPORT lines name this Runtime.OutOfMemory; older ones Runtime.ExitError, as any other kill.
    """
    return _failure("Runtime.OutOfMemory", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed")


def too_large(size: int) -> Outcome:
    """The function's result has more bytes than Lambda passes on."""
    limit = f"maximum allowed payload size ({RESPONSE_BYTES} bytes)"
    return _failure("Function.ResponseSizeTooLarge", f"Response payload size ({size} bytes) exceeded {limit}.")


@dataclass(frozen=True)
class Invocation:
    """One event for the process; `deadline` in seconds since the epoch."""

    event: bytes
    deadline: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class RuntimeApi:
    """`ready` becomes None when the process first asks for an event, or the error with which its init ended."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Outcome | None] = self._loop.create_future()
        self._waiting: asyncio.Queue[Invocation] = asyncio.Queue()
        self._current: tuple[str, asyncio.Future[Outcome]] | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> int:
        """Start listening on 127.0.0.1; return the port."""
        application = web.Application(client_max_size=0)  # no limit: a result that is too large is an outcome
        application.router.add_get(f"{PREFIX}/invocation/next", self._next)
        application.router.add_post(f"{PREFIX}/invocation/{{id}}/{{kind:response|error}}", self._result)
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
        """Give the process its next event; return the future outcome."""
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self._current = (invocation.request_id, outcome)
        self._waiting.put_nowait(invocation)
        return outcome

    def end(self, outcome_of: Callable[[str], Outcome]) -> None:
        """The process is gone: resolve what still waits for it with `outcome_of(request id)`."""
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

    async def _result(self, request: web.Request) -> web.Response:
        payload = await request.read()
        outcome = Outcome(payload, failed=request.match_info["kind"] == "error")
        if len(payload) > RESPONSE_BYTES:
            outcome = too_large(len(payload))
        if self._current is not None and self._current[0] == request.match_info["id"]:
            future = self._current[1]
            if not future.done():
                future.set_result(outcome)
        return web.Response(status=202)

    async def _init_error(self, request: web.Request) -> web.Response:
        outcome = Outcome(await request.read(), failed=True)
        if not self.ready.done():
            self.ready.set_result(outcome)
        return web.Response(status=202)


def _failure(kind: str, message: str) -> Outcome:
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


def _signal_name(number: int) -> str:
    names: dict[int, str] = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault"}
    return names.get(number) or signal.Signals(number).name
