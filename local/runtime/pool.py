"""The processes of one function: started on demand up to a limit, kept while idle, replaced when a source file changes.

An invocation takes an idle process. Without one it starts a process and waits for whichever is free first: the new one
or one that has finished. Starting takes seconds on a busy machine, and most functions run for milliseconds.
"""

import asyncio
import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import options
from local.iam import credentials
from local.logs import FunctionLog, log_path
from local.runtime.api import Outcome
from local.runtime.limits import Concurrency
from local.runtime.nursery import Nursery
from local.runtime.worker import Worker
from local.template.model import REGION, Function

CONCURRENCY = 10  # processes of a function without reserved concurrency; further invocations wait
IDLE_SECONDS, SPARE_SECONDS = 30, 3  # until an idle process ends: the last of a function that is used often, and others
SCAN_SECONDS = 0.2  # between two scans of the sources; one takes about 2 ms
COMMON = {  # of the environment of each function
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_STREAM_NAME": f"local/{os.getpid()}",
    "AWS_REGION": REGION,
    "LANG": "C.UTF-8",
    "NO_PROXY": "127.0.0.1,localhost",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": ":UTC",
}
IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True)
class Settings:
    """`root` is the repository, `endpoint` the local AWS; `overrides` are added to every function's environment.
    `concurrency` is what this machine runs at once of a function, `account` what the account does of all."""

    root: Path
    logs: Path
    endpoint: str
    overrides: Mapping[str, str]
    concurrency: int = CONCURRENCY
    account: int = options.CONCURRENCY
    idle_seconds: float = IDLE_SECONDS


class InitError(Exception):
    """A process could not start; `outcome` is the error of its init."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.payload.decode(errors="replace"))
        self.outcome = outcome


class Pool:
    """The processes of one function. Busy, idle and starting ones together never exceed its concurrency."""

    def __init__(
        self, function: Function, settings: Settings, sources: "Sources", account: Concurrency, nursery: Nursery
    ) -> None:
        self._function = function
        self._settings = settings
        self._account = account
        self._sources = sources
        self._nursery = nursery
        self._log = FunctionLog(log_path(settings.logs, function.name))
        self._semaphore = asyncio.Semaphore(function.reserved or settings.concurrency)
        self._starting: dict[Worker, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Worker]] = deque()  # invocations without a process, in their order
        self._idle: list[Worker] = []
        self._invoked_at, self._often = -math.inf, False
        self.workers: list[Worker] = []

    @property
    def name(self) -> str:
        return self._function.name

    async def invoke(self, event: bytes) -> Outcome:
        """Run the function once. Raises Throttled when its concurrency, or the account's, is used up."""
        now = time.monotonic()
        self._often, self._invoked_at = now - self._invoked_at < self._settings.idle_seconds, now
        with self._account.execution(self._function):
            async with self._semaphore:
                return await self._run(event)

    def limit_memory(self) -> None:
        """Kill the processes at work that have passed the function's memory."""
        for worker in self.workers:
            if worker not in self._idle:
                worker.limit_memory()

    def retire(self, worker: Worker) -> None:
        """End a process without waiting for it."""
        with contextlib.suppress(ValueError):
            self.workers.remove(worker)
            self._idle.remove(worker)
        task = asyncio.get_running_loop().create_task(worker.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def retire_idle(self, longest: float = math.inf) -> None:
        """End idle processes that are dead, out of date, or were idle for too long; `longest` in seconds.

        The last one used is kept longer if the last two events came within that time. A schedule's do not.
        """
        now, version = time.monotonic(), self._sources.version()
        for worker in list(self._idle):
            kept = min(self._settings.idle_seconds, longest)
            if worker is not self._idle[-1] or not self._often:
                kept = min(kept, SPARE_SECONDS)
            if not worker.alive or worker.version != version or now - worker.idle_since > kept:
                self.retire(worker)

    async def close(self) -> None:
        for task in (starting := list(self._starting.values())):
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        for worker in list(self.workers):
            self.retire(worker)
        await asyncio.gather(*self._closing, return_exceptions=True)
        self._log.close()

    async def _run(self, event: bytes) -> Outcome:
        try:
            worker = self._take_idle() or await self._wait()
        except InitError as error:
            return error.outcome
        try:
            return await worker.invoke(event)
        finally:
            self._release(worker)

    def _take_idle(self) -> Worker | None:
        """Return the process that was used last, if it runs the present code."""
        version = self._sources.version()
        while self._idle:
            worker = self._idle.pop()
            if worker.alive and worker.version == version:
                return worker
            self.retire(worker)
        return None

    async def _wait(self) -> Worker:
        """Start a process unless enough are starting, and wait for the first free one. Raises InitError."""
        free: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(free)
        if len(self._starting) < len(self._waiting):
            worker = Worker(self._function, self._environment(), self._log, self._sources.version(), self._nursery)
            self.workers.append(worker)
            self._starting[worker] = asyncio.get_running_loop().create_task(self._start(worker))
        try:
            return await free
        except asyncio.CancelledError:
            if free.done() and not free.cancelled() and free.exception() is None:
                self._release(free.result())
            raise

    async def _start(self, worker: Worker) -> None:
        """Start a process for the first invocation that waits. A failed start fails that invocation."""
        reason: Exception | None = None
        try:
            failure = await worker.start(self._settings.root / "functions")
            reason = InitError(failure) if failure is not None else None
        except OSError as error:  # the machine has no process left, or no memory
            reason = error
        finally:
            del self._starting[worker]
        if reason is None:
            self._give(worker)
            return
        self._log.write(f"INIT failed: {reason}")
        self.retire(worker)
        if (free := self._next()) is not None:
            free.set_exception(reason)

    def _release(self, worker: Worker) -> None:
        """Give a process that has finished to the next invocation, unless it is dead or out of date."""
        if worker.alive and worker.version == self._sources.version():
            self._give(worker)
        else:
            self.retire(worker)

    def _give(self, worker: Worker) -> None:
        if (free := self._next()) is not None:
            free.set_result(worker)
        else:
            worker.idle_since = time.monotonic()
            self._idle.append(worker)

    def _next(self) -> asyncio.Future[Worker] | None:
        """Take the first invocation that still waits for a process."""
        while self._waiting:
            if not (free := self._waiting.popleft()).done():
                return free
        return None

    def _environment(self) -> dict[str, str]:
        """Return exactly what the template declares, and what Lambda itself adds."""
        root, function = self._settings.root, self._function
        return {
            **function.environment,
            **COMMON,
            **credentials.of_role(function.role),
            "AWS_ENDPOINT_URL": self._settings.endpoint,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "LAMBDA_TASK_ROOT": str(root / "functions"),
            "PYTHONPATH": f"{root / 'functions'}:{root / 'layers' / 'longhaul' / 'python'}",
            "_HANDLER": function.handler,
            **self._settings.overrides,
        }


class Sources:
    """Counts versions of the files under some folders. A change makes processes that started before it out of date."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder for folder in folders if folder.is_dir()]
        self._version = 1
        self._seen = self._scan()
        self._scanned_at = time.monotonic()

    def version(self) -> int:
        """Return the present version. It grows by one when a file was added, removed or changed."""
        if time.monotonic() - self._scanned_at >= SCAN_SECONDS:
            seen = self._scan()
            if seen != self._seen:
                self._seen = seen
                self._version += 1
            self._scanned_at = time.monotonic()
        return self._version

    def _scan(self) -> frozenset[tuple[str, int, int]]:
        return frozenset(entry for folder in self._folders for entry in _files(str(folder)))


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED:
                    yield from _files(entry.path)
            elif not entry.name.endswith((".pyc", "~", ".swp")):
                try:
                    status = entry.stat()
                except FileNotFoundError:  # an editor's temporary file
                    continue
                yield entry.path, status.st_mtime_ns, status.st_size
