"""All functions of the stack, and its control endpoint: Lambda's Invoke for moto and tests, events, what runs."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from local.runtime.api import Outcome
from local.runtime.limits import Concurrency, Refusal, Throttled, UnknownFunction, check_event, check_request
from local.runtime.nursery import Nursery
from local.runtime.pool import COMMON, Pool, Settings, Sources
from local.runtime.worker import describe
from local.template.model import Function

KEEP_SECONDS = 1.0  # between two looks for processes to end
MEMORY_SECONDS = 0.25  # between two looks at the memory of the processes at work; one costs 30 us a process
RETRY_AFTER = (2.0, 10.0)  # seconds, of asynchronous invocations that failed; AWS waits one and two minutes
THROTTLE_SECONDS, MAX_THROTTLE_SECONDS = 1.0, 300.0  # until one that was throttled is tried again
EVENT_SECONDS = 6 * 3600.0  # how long that goes on

log = logging.getLogger(__name__)


class Runtime:
    """All functions. `names` maps a function's physical name to its logical id."""

    def __init__(self, functions: Mapping[str, Function], names: Mapping[str, str], settings: Settings) -> None:
        """Raises TemplateError when the functions reserve more concurrency than the account has."""
        sources = Sources([settings.root / "functions", settings.root / "layers" / "longhaul"])
        account = Concurrency(functions.values(), settings.account)
        self._nursery = Nursery(COMMON)
        self.pools = {
            name: Pool(function, settings, sources, account, self._nursery) for name, function in functions.items()
        }
        self._names = names
        self._later: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._keepers = [loop.create_task(self._keep()), loop.create_task(self._limit_memory())]

    async def invoke(self, name: str, event: bytes) -> Outcome:
        """Invoke a function by logical id, physical name or ARN. Raises the Refusal of one that does not run."""
        check_request(event)
        return await self._pool(name).invoke(event)

    def invoke_later(self, name: str, event: bytes) -> None:
        """Invoke without waiting for the result. Raises UnknownFunction and PayloadTooLarge.

        A failure is tried again twice. An event that is throttled waits as long as Lambda keeps it:
        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        """
        check_event(event)
        task = asyncio.get_running_loop().create_task(self._persist(self._pool(name), event))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        for task in (*self._keepers, *self._later):
            task.cancel()
        await asyncio.gather(*self._keepers, *self._later, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in self.pools.values()))
        await self._nursery.close()

    def _pool(self, name: str) -> Pool:
        short = name.split(":function:")[-1].split(":")[0]
        pool = self.pools.get(self._names.get(short, short))
        if pool is None:
            raise UnknownFunction(name)
        return pool

    async def _persist(self, pool: Pool, event: bytes) -> None:
        for pause in (*RETRY_AFTER, None):
            outcome = await self._unthrottled(pool, event)
            if not outcome.failed:
                return
            if pause is not None:
                await asyncio.sleep(pause)
        log.warning("%s gave up an asynchronous event: %s", pool.name, outcome.payload[:500].decode(errors="replace"))

    async def _unthrottled(self, pool: Pool, event: bytes) -> Outcome:
        """Run the event as soon as there is a place for it."""
        pause, deadline = THROTTLE_SECONDS, time.monotonic() + EVENT_SECONDS
        while True:
            try:
                return await pool.invoke(event)
            except Throttled:
                if time.monotonic() > deadline:
                    return Outcome(b"throttled for six hours", failed=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_THROTTLE_SECONDS)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            for pool in self.pools.values():
                pool.retire_idle()

    async def _limit_memory(self) -> None:
        while True:
            await asyncio.sleep(MEMORY_SECONDS)
            for pool in self.pools.values():
                pool.limit_memory()


class Control:
    """The control endpoint. moto needs its address before the runtime exists; until then Invoke gets a 503."""

    def __init__(self, route_event: Callable[[dict[str, Any]], None], about: Callable[[], Mapping[str, Any]]) -> None:
        self.runtime: Runtime | None = None
        self._route_event = route_event
        self._about = about

    def application(self) -> web.Application:
        application = web.Application(client_max_size=0)  # no limit: an event that is too large gets Lambda's error
        application.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        application.router.add_post("/events", self._events)
        application.router.add_get("/stack", self._stack)
        return application

    async def _invoke(self, request: web.Request) -> web.Response:
        """Lambda's Invoke: 200 with X-Amz-Function-Error when the function failed, 202 for asynchronous events."""
        if self.runtime is None:
            return web.json_response({"Type": "ServiceException", "Message": "the stack is starting"}, status=503)
        name, event = request.match_info["name"], await request.read() or b"{}"
        try:
            if request.headers.get("X-Amz-Invocation-Type") == "Event":
                self.runtime.invoke_later(name, event)
                return web.Response(status=202)
            outcome = await self.runtime.invoke(name, event)
        except Refusal as refusal:
            problem = {"Type": refusal.kind, "Message": str(refusal), "Reason": refusal.reason}
            return web.json_response(problem, status=refusal.status)
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
            workers = [describe(worker) for worker in started]  # a signal to pid 0 would go to its sender's whole group
        return web.json_response({**self._about(), "workers": workers})
