"""One execution environment of a function: a process under AWS's own runtime client."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from local.logs import FunctionLog, timestamp
from local.processes import kill_group, peak_memory_mb
from local.runtime.api import Invocation, Outcome, RuntimeApi, exited, out_of_memory, timed_out
from local.runtime.nursery import Child, Nursery
from local.template.model import Function

INIT_SECONDS = 30.0  # AWS gives 10; a laptop's disk may be slow


class Worker:
    """A process that runs one event at a time. `version` is the version of the sources that it was started from."""

    def __init__(
        self, function: Function, environment: Mapping[str, str], log: FunctionLog, version: int, nursery: Nursery
    ) -> None:
        self.function = function
        self.version = version
        self.busy = False
        self.invocations = 0
        self.idle_since = time.monotonic()
        self._environment = dict(environment)
        self._log = log
        self._init_ms: float | None = None
        self._api = RuntimeApi(function)
        self._nursery = nursery
        self._process: Child | None = None
        self._killed = False
        self._out_of_memory = False
        self._used_mb: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None and not self._killed

    async def start(self, folder: Path) -> Outcome | None:
        """Start the process in `folder`. Returns None once it asks for an event, else the error of its init."""
        started = time.monotonic()
        port = await self._api.open()
        environment = {**self._environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}
        process = self._process = await self._nursery.fork(self.function.handler, folder, environment)
        self._tasks = [asyncio.create_task(self._watch(process)), asyncio.create_task(self._follow(process))]
        try:
            async with asyncio.timeout(INIT_SECONDS):
                failure = await self._api.ready
        except TimeoutError:
            self.kill()
            return timed_out("init", INIT_SECONDS)
        self._init_ms = (time.monotonic() - started) * 1000
        return failure

    async def invoke(self, event: bytes) -> Outcome:
        """Hand the process one event and wait for its result, its end or the function's timeout."""
        limit = self.function.timeout
        invocation = Invocation(event, time.time() + limit)
        self._log.write(f"START RequestId: {invocation.request_id} Time: {timestamp()}")
        started = time.monotonic()
        self.busy = True
        self.invocations += 1
        result = self._api.hand(invocation)
        if not self.alive:
            self._api.end(self._end)
        try:
            async with asyncio.timeout(limit):
                outcome = await result
        except TimeoutError:
            outcome = timed_out(invocation.request_id, limit)
            self.limit_memory()
            self._report(invocation, limit, "Status: timeout")
            self.kill()
        except asyncio.CancelledError:  # the stack is stopping
            self.kill()
            raise
        else:
            self.limit_memory()
            status = "Status: error" if outcome.failed else ""
            if self._out_of_memory:  # perhaps between two looks, with a result: Lambda's kernel would not have let it
                outcome = out_of_memory(invocation.request_id)
                status = "Status: error\tError Type: Runtime.OutOfMemory"
            self._report(invocation, time.monotonic() - started, status)
        finally:
            self.busy = False
        return outcome

    def limit_memory(self) -> None:
        """Kill the process if it ever had more resident memory than the function's, as Lambda does at that moment."""
        self._used_mb = peak_memory_mb(self.pid) if self.alive else None
        if self._used_mb is not None and self._used_mb > self.function.memory:
            self._out_of_memory = True
            self.kill()

    def kill(self) -> None:
        """End the process at once, with all that it started."""
        if self.alive:
            self._killed = True
            kill_group(self.pid)

    async def close(self) -> None:
        """Kill the process and release its port."""
        self.kill()
        if self._process is not None:
            await self._process.wait()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=1)
            for task in pending:
                task.cancel()
        await self._api.close()

    async def _watch(self, process: Child) -> None:
        """When the process ends, resolve at once what waits for it."""
        await process.wait()
        self._api.end(self._end)

    async def _follow(self, process: Child) -> None:
        try:
            await self._log.follow(process.stdout)
        finally:
            process.stdout.close()

    def _end(self, request_id: str) -> Outcome:
        """Return the outcome of what the process did not answer before its end."""
        if self._out_of_memory:
            return out_of_memory(request_id)
        return exited(request_id, (self._process.returncode or 0) if self._process is not None else 0)

    def _report(self, invocation: Invocation, seconds: float, status: str) -> None:
        """Log the REPORT line as in CloudWatch; the first one of a process has the duration of its init."""
        words = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {seconds * 1000:.2f} ms",
            f"Memory Size: {self.function.memory} MB",
        ]
        used = self.function.memory if self._out_of_memory else self._used_mb
        if used is not None:
            words.append(f"Max Memory Used: {used} MB")
        if self._init_ms is not None:
            words.append(f"Init Duration: {self._init_ms:.2f} ms")
            self._init_ms = None
        self._log.write("\t".join([*words, status] if status else words))


def describe(worker: Worker) -> dict[str, object]:
    """Return what the control endpoint shows of a process."""
    return {
        "function": worker.function.name,
        "pid": worker.pid,
        "busy": worker.busy,
        "invocations": worker.invocations,
        "version": worker.version,
    }
