"""The stack's own endpoint: Lambda's Invoke for moto and the tests, events to route, and what runs."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from local.outcomes import Throttled, UnknownFunction
from local.runtime import Runtime
from local.runtime_api import PAYLOAD_BYTES
from local.workers import describe


class Control:
    """Serves before the runtime is there, answering 503, since moto needs its address first."""

    def __init__(self, route_event: Callable[[dict[str, Any]], None], about: Callable[[], Mapping[str, Any]]) -> None:
        self.runtime: Runtime | None = None
        self._route_event = route_event
        self._about = about

    def application(self) -> web.Application:
        application = web.Application(client_max_size=PAYLOAD_BYTES + 1024)
        application.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        application.router.add_post("/events", self._events)
        application.router.add_get("/stack", self._stack)
        return application

    async def _invoke(self, request: web.Request) -> web.Response:
        """Lambda's Invoke: 200 with X-Amz-Function-Error when the function failed, 202 for asynchronous events."""
        if self.runtime is None:
            return _refusal(503, "ServiceException", "the stack is starting")
        name, event = request.match_info["name"], await request.read() or b"{}"
        try:
            if request.headers.get("X-Amz-Invocation-Type") == "Event":
                self.runtime.invoke_later(name, event)
                return web.Response(status=202)
            outcome = await self.runtime.invoke(name, event)
        except UnknownFunction:
            return _refusal(404, "ResourceNotFoundException", f"Function not found: {name}")
        except Throttled:
            return _refusal(429, "TooManyRequestsException", "Rate Exceeded.")
        headers = {"Content-Type": "application/json"}
        if outcome.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return web.Response(body=outcome.payload, headers=headers)

    async def _events(self, request: web.Request) -> web.Response:
        self._route_event(json.loads(await request.read()))
        return web.Response(status=202)

    async def _stack(self, _request: web.Request) -> web.Response:
        workers = []
        if self.runtime is not None:
            started = [worker for pool in self.runtime.pools.values() for worker in pool.workers if worker.pid]
            workers = [describe(worker) for worker in started]  # a signal to pid 0 would reach its sender's whole group
        return web.json_response({**self._about(), "workers": workers})


def _refusal(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"Type": kind, "Message": message}, status=status)
