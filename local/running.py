"""A stack run from Python, as a process of its own: for the demo and for the tests.

with local_stack(state=folder) as stack:
    stack.request("POST", "/api/v1/tasks", json={...}, scopes=["tasks:write"])
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.deployment import client
from local.issuer import SCOPES, Issuer
from local.logs import log_path
from local.options import ROOT, Options, StackError, free_port
from local.requests import Answer, send

READY_SECONDS = 90.0
STOP_SECONDS = 10.0


class RunningStack:
    """A stack that runs; may be stopped, killed and started again on the same state."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.url = options.url
        self.provider_url = options.provider_url
        self.logs = options.logs
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise RuntimeError("the stack was not started")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until ready. Raises StackError with the reason when it ends instead."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local", "up", "--attached", *_arguments(self.options)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,  # held open: the stack ends with this process
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                lines = (self.logs / "console.log").read_text(encoding="utf-8").strip().splitlines()
                raise StackError(lines[-1].removeprefix("local: ") if lines else "the stack ended without a word")
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop with SIGTERM; return the exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL the supervisor: all that it started dies with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def token(
        self,
        tenant: str = "local",
        user: str = "developer",
        scopes: Sequence[str] = SCOPES,
        hours: float = 1,
    ) -> str:
        """Return a token that the gateway accepts (one that has expired when `hours` is negative)."""
        return Issuer(self.options.state, self.options.port).token(tenant, user, scopes, hours)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 40,
    ) -> Answer:
        """Send a request to the gateway, with a token of every scope unless given one ("" for none)."""
        token = self.token() if token is None else token
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return send(self.url + path, method, json, {**given, **(headers or {})}, timeout)

    def aws(self, service: str) -> Any:
        """Return a boto3 client of the stack's AWS."""
        return client(service, self.options.aws_url)

    def about(self) -> dict[str, Any]:
        """Return {pid, services: {name: pid}, workers: [{function, pid, busy, invocations, version}]}."""
        answer: dict[str, Any] = send(f"{self.options.runtime_url}/stack", "GET", None, {}, 5).json()
        return answer

    def pids(self, function: str, *, busy: bool | None = None) -> list[int]:
        """Return the process ids of a function (logical id), of those at work or idle when asked."""
        workers = [worker for worker in self.about()["workers"] if worker["function"] == function]
        return [worker["pid"] for worker in workers if busy is None or worker["busy"] is busy]

    def kill_worker(self, function: str, *, busy: bool | None = None) -> int:
        """SIGKILL one process of a function; return how many there were to choose from."""
        pids = self.pids(function, busy=busy)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGKILL)
        return len(pids)

    def kill_service(self, name: str) -> None:
        """SIGKILL `database`, `aws` or `providers`."""
        os.kill(self.about()["services"][name], signal.SIGKILL)

    def log(self, function: str) -> str:
        """Return what a function (logical id) has logged; "" before it ran."""
        path = log_path(self.logs, function)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _is_ready(self) -> bool:
        """Whether this very stack answers: the port may be another's."""
        try:
            return send(f"{self.url}/health", "GET", None, {}, 2).status == 200 and self.about()["pid"] == self.pid
        except (OSError, ValueError):
            return False


@contextlib.contextmanager
def local_stack(
    state: Path,
    *,
    port: int = 0,
    database_url: str | None = None,
    minute: float = 60.0,
    parameters: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    template: Path = ROOT / "template.yaml",
) -> Iterator[RunningStack]:
    """Run a stack until the block ends; port 0 means free ones. See Options for the rest."""
    options = Options(
        state=state,
        port=port or free_port(),
        database_url=database_url,
        minute=minute,
        parameters=parameters or {},
        environment=environment or {},
        template=template,
    )
    stack = RunningStack(options)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def _arguments(options: Options) -> Iterator[str]:
    yield from ("--state", str(options.state.resolve()), "--port", str(options.port))
    yield from ("--minute", str(options.minute), "--template", str(options.template.resolve()))
    if options.database_url is not None:
        yield from ("--database-url", options.database_url)
    for flag, pairs in (("--parameter", options.parameters), ("--env", options.environment)):
        for name, value in pairs.items():
            yield from (flag, f"{name}={value}")
