"""One execution environment: a function's process under AWS's own runtime client."""

import asyncio
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from local.logs import LINE_BYTES, FunctionLog, timestamp
from local.model import Function
from local.outcomes import Outcome, exited, timed_out
from local.processes import kill_group, peak_memory_mb, tied
from local.runtime_api import Invocation, RuntimeApi

INIT_SECONDS = 30.0  # AWS gives 10; a laptop's disk may be slow


class Worker:
    """`version` is the source version that the process was started from; it runs one event at a time."""

    def __init__(self, function: Function, environment: Mapping[str, str], log: FunctionLog, version: int) -> None:
        self.function = function
        self.version = version
        self.busy = False
        self.invocations = 0
        self.idle_since = time.monotonic()
        self._environment = dict(environment)
        self._log = log
        self._init_ms: float | None = None
        self._api = RuntimeApi(function)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, folder: Path) -> Outcome | None:
        """Start the process in `folder`; return None once it asks for an event, else the error of its init."""
        started = time.monotonic()
        port = await self._api.open()
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "awslambdaric",
            self.function.handler,
            cwd=folder,
            env={**self._environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tied(self.function.memory),
            limit=LINE_BYTES,
        )
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
        """Hand the process one event and wait for its answer, its death or the function's timeout."""
        limit = self.function.timeout
        invocation = Invocation(event, time.time() + limit)
        self._log.write(f"START RequestId: {invocation.request_id} Time: {timestamp()}")
        started = time.monotonic()
        self.busy = True
        self.invocations += 1
        reply = self._api.hand(invocation)
        if not self.alive:
            self._api.end(partial(exited, code=self._exit_code()))
        try:
            async with asyncio.timeout(limit):
                outcome = await reply
        except TimeoutError:
            outcome = timed_out(invocation.request_id, limit)
            self._report(invocation, limit, "Status: timeout")
            self.kill()
        except asyncio.CancelledError:  # the stack is stopping
            self.kill()
            raise
        else:
            self._report(invocation, time.monotonic() - started, "Status: error" if outcome.failed else "")
        finally:
            self.busy = False
            self.idle_since = time.monotonic()
        return outcome

    def kill(self) -> None:
        """End the process at once, with all that it started."""
        if self.alive:
            kill_group(self.pid)

    async def close(self) -> None:
        """Kill the process and let go of its port."""
        self.kill()
        if self._process is not None:
            await self._process.wait()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=1)
            for task in pending:
                task.cancel()
        await self._api.close()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """When the process ends, whoever waits for it is told at once."""
        code = await process.wait()
        self._api.end(partial(exited, code=code))

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            await self._log.follow(process.stdout)

    def _exit_code(self) -> int:
        return (self._process.returncode or 0) if self._process is not None else 0

    def _report(self, invocation: Invocation, seconds: float, status: str) -> None:
        """One line as CloudWatch has it; the cold start stands in the first report of a process."""
        words = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {seconds * 1000:.2f} ms",
            f"Memory Size: {self.function.memory} MB",
        ]
        used = peak_memory_mb(self.pid)
        if used is not None:
            words.append(f"Max Memory Used: {used} MB")
        if self._init_ms is not None:
            words.append(f"Init Duration: {self._init_ms:.2f} ms")
            self._init_ms = None
        self._log.write("\t".join([*words, status] if status else words))


def describe(worker: Worker) -> dict[str, object]:
    """Return what the control endpoint tells about a process."""
    return {
        "function": worker.function.name,
        "pid": worker.pid,
        "busy": worker.busy,
        "invocations": worker.invocations,
        "version": worker.version,
    }
