"""A stack run from Python, in a process of its own: for the demos and the tests.

with local_stack(state=folder) as stack:
    stack.request("POST", "/api/v1/tasks", json={...})
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.gateway.tokens import SCOPES, Issuer
from local.logs import log_path
from local.machine import free_port
from local.options import CONCURRENCY, ROOT, Options, StackError
from local.template.deployment import client

READY_SECONDS = 180.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """An HTTP response; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RunningStack:
    """A stack that can be stopped, killed and started again on the same state."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.url = options.url
        self.provider_url = options.provider_url
        self.logs = options.logs
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise RuntimeError("the stack was not started")
        return self._process.pid

    def start(self) -> None:
        """Start the stack and wait until it is ready. Raises StackError with the reason when it ends instead."""
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
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                lines = (self.logs / "console.log").read_text(encoding="utf-8").strip().splitlines()
                reason = "ended without a message" if ended else f"was not ready in {READY_SECONDS:.0f} s"
                raise StackError(lines[-1].removeprefix("local: ") if lines else f"the stack {reason}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop with SIGTERM; return the exit code."""
        for kept in self._clients.values():
            kept.close()
        self._clients.clear()
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL the supervisor. All its processes die with it."""
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
        """Return a token that the gateway accepts; with negative `hours`, one that has expired."""
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
        """Send a request to the gateway, with a token of every scope unless `token` is given ("" for none)."""
        token = self.token() if token is None else token
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return send(self.url + path, method, json, {**given, **(headers or {})}, timeout)

    def aws(self, service: str) -> Any:
        """Return a boto3 client of the stack's AWS; made once, as that takes longer than ten requests."""
        if service not in self._clients:
            self._clients[service] = client(service, self.options.aws_url)
        return self._clients[service]

    def about(self) -> dict[str, Any]:
        """Return {pid, state, services: {name: pid}, workers: [{function, pid, busy, invocations, version}]}."""
        answer: dict[str, Any] = send(f"{self.options.runtime_url}/stack", "GET", None, {}, 5).json()
        return answer

    def pids(self, function: str, *, busy: bool | None = None) -> list[int]:
        """Return the process ids of a function (logical id): of all, or of the busy or idle ones."""
        workers = [worker for worker in self.about()["workers"] if worker["function"] == function]
        return [worker["pid"] for worker in workers if busy is None or worker["busy"] is busy]

    def kill_worker(self, function: str, *, busy: bool | None = None) -> int:
        """SIGKILL one process of a function. Returns how many there were to choose from."""
        pids = self.pids(function, busy=busy)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGKILL)
        return len(pids)

    def kill_service(self, name: str) -> None:
        """SIGKILL `database`, `aws` or `providers`."""
        os.kill(self.about()["services"][name], signal.SIGKILL)

    def log(self, function: str) -> str:
        """Return the log of a function (logical id); "" before it ran."""
        path = log_path(self.logs, function)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _is_ready(self) -> bool:
        """Whether this stack answers: another one may be on the port."""
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
    concurrency: int = CONCURRENCY,
    parameters: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    template: Path = ROOT / "template.yaml",
) -> Iterator[RunningStack]:
    """Run a stack until the block ends. Port 0 means free ports. See Options for the rest."""
    options = Options(
        state=state,
        port=port or free_port(),
        database_url=database_url,
        minute=minute,
        concurrency=concurrency,
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


def send(url: str, method: str, body: Any, headers: Mapping[str, str], timeout: float) -> Answer:
    """Send one request, `body` as JSON. An error status raises nothing."""
    data = None if body is None else json.dumps(body).encode()
    given = {**({"Content-Type": "application/json"} if data is not None else {}), **headers}
    request = urllib.request.Request(url, data, given, method=method)
    try:
        with _opener().open(request, timeout=timeout) as answer:
            return Answer(answer.status, _lower(answer.headers.items()), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read())


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    """One for all requests: making one loads the machine's certificates, which takes longer than most requests."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def eventually[T](look: Callable[[], T], seconds: float = 90.0, pause: float = 0.1) -> T:
    """Call `look` until its result is true, and return that. Raises AssertionError after `seconds`.

    They are many, as a busy machine is no finding, and cost nothing where all is well.
    """
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {seen!r}"
        time.sleep(pause)
    return seen


def _arguments(options: Options) -> Iterator[str]:
    yield from ("--state", str(options.state.resolve()), "--port", str(options.port))
    yield from ("--minute", str(options.minute), "--template", str(options.template.resolve()))
    yield from ("--concurrency", str(options.concurrency))
    if options.database_url is not None:
        yield from ("--database-url", options.database_url)
    for flag, pairs in (("--parameter", options.parameters), ("--env", options.environment)):
        for name, value in pairs.items():
            yield from (flag, f"{name}={value}")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
