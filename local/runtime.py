"""Lambda on one machine: every function's processes, started on demand, up to a limit at once."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.deployment import CREDENTIALS
from local.logs import FunctionLog, log_path
from local.model import REGION, Function
from local.outcomes import Outcome, Throttled, UnknownFunction
from local.sources import Sources
from local.workers import Worker

AT_ONCE = 10  # processes of a function that has no reserved concurrency; callers beyond it wait
IDLE_SECONDS = 120
LOOK_EVERY = 5.0
RETRY_AFTER = (2.0, 10.0)  # of asynchronous invocations; AWS waits one and two minutes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """`root` is the repository, `endpoint` the local AWS; `overrides` are put into every function's environment."""

    root: Path
    logs: Path
    endpoint: str
    overrides: Mapping[str, str]
    at_once: int = AT_ONCE
    idle_seconds: float = IDLE_SECONDS


class Pool:
    """The processes of one function."""

    def __init__(self, function: Function, settings: Settings, sources: Sources) -> None:
        self._function = function
        self._settings = settings
        self._sources = sources
        self._log = FunctionLog(log_path(settings.logs, function.name))
        self._slots = asyncio.Semaphore(function.reserved or settings.at_once)
        self._closing: set[asyncio.Task[None]] = set()
        self.workers: list[Worker] = []
        self._idle: list[Worker] = []

    async def invoke(self, event: bytes) -> Outcome:
        """Run the function once. Raises Throttled when its reserved concurrency is used up."""
        if self._function.reserved is not None and self._slots.locked():
            raise Throttled(self._function.name)
        async with self._slots:
            worker = self._take()
            if worker is None:
                worker = Worker(self._function, self._environment(), self._log, self._sources.version())
                self.workers.append(worker)
                failure = await worker.start(self._settings.root / "functions")
                if failure is not None:
                    self._log.write(f"INIT failed: {failure.payload.decode(errors='replace')}")
                    self.retire(worker)
                    return failure
            try:
                return await worker.invoke(event)
            finally:
                self._give_back(worker)

    def retire(self, worker: Worker) -> None:
        """End a process without waiting for it."""
        with contextlib.suppress(ValueError):
            self.workers.remove(worker)
            self._idle.remove(worker)
        task = asyncio.get_running_loop().create_task(worker.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def retire_idle(self) -> None:
        """End what is dead, out of date, or has had nothing to do for long."""
        now, version = time.monotonic(), self._sources.version()
        for worker in list(self._idle):
            idle = now - worker.idle_since
            if not worker.alive or worker.version != version or idle > self._settings.idle_seconds:
                self.retire(worker)

    async def close(self) -> None:
        for worker in list(self.workers):
            self.retire(worker)
        await asyncio.gather(*self._closing, return_exceptions=True)
        self._log.close()

    def _take(self) -> Worker | None:
        """Return the process that was used last, if it still runs the present code."""
        version = self._sources.version()
        while self._idle:
            worker = self._idle.pop()
            if worker.alive and worker.version == version:
                return worker
            self.retire(worker)
        return None

    def _give_back(self, worker: Worker) -> None:
        if worker.alive and worker.version == self._sources.version():
            self._idle.append(worker)
        else:
            self.retire(worker)

    def _environment(self) -> dict[str, str]:
        """Return exactly what the template declares, and what Lambda itself gives."""
        root, function = self._settings.root, self._function
        return {
            **function.environment,
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._settings.endpoint,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/{os.getpid()}",
            "AWS_REGION": REGION,
            "LAMBDA_TASK_ROOT": str(root / "functions"),
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{root / 'functions'}:{root / 'layers' / 'longhaul' / 'python'}",
            "TZ": ":UTC",
            "_HANDLER": function.handler,
            **self._settings.overrides,
        }


class Runtime:
    """All functions. `names` gives the logical id of a function's physical name."""

    def __init__(self, functions: Mapping[str, Function], names: Mapping[str, str], settings: Settings) -> None:
        sources = Sources([settings.root / "functions", settings.root / "layers" / "longhaul"])
        self.pools = {name: Pool(function, settings, sources) for name, function in functions.items()}
        self._names = names
        self._later: set[asyncio.Task[None]] = set()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def invoke(self, name: str, event: bytes) -> Outcome:
        """Invoke a function by logical id, physical name or ARN. Raises UnknownFunction and Throttled."""
        short = name.split(":function:")[-1].split(":")[0]
        pool = self.pools.get(self._names.get(short, short))
        if pool is None:
            raise UnknownFunction(name)
        return await pool.invoke(event)

    def invoke_later(self, name: str, event: bytes) -> None:
        """Invoke without waiting for the answer; a failure is tried again twice, as Lambda does."""
        task = asyncio.get_running_loop().create_task(self._persist(name, event))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        for task in (self._keeper, *self._later):
            task.cancel()
        await asyncio.gather(self._keeper, *self._later, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in self.pools.values()))

    async def _persist(self, name: str, event: bytes) -> None:
        for pause in (*RETRY_AFTER, None):
            try:
                outcome = await self.invoke(name, event)
            except Throttled:
                outcome = Outcome(b"throttled", failed=True)
            if not outcome.failed:
                return
            if pause is not None:
                await asyncio.sleep(pause)
        log.warning("%s gave up an asynchronous event: %s", name, outcome.payload[:500].decode(errors="replace"))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for pool in self.pools.values():
                pool.retire_idle()
