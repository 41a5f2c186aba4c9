"""Processes of functions, forked from one that has imported already what most functions import.

A process that imports it itself computes for 0.3 seconds before its first event: most of what a busy test run computes.
The packages only are shared: a function's own code and the kernel are imported by each process, with the function's
environment, as in Lambda.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from local.logs import LINE_BYTES
from local.processes import kill_group, tied

FORKING = Path(__file__).with_name("forking.py")
REPLY_BYTES = 4096


class Output(asyncio.StreamReader):
    """What a process writes. It is closed by who reads it: uvloop does not end while it is open."""

    transport: asyncio.BaseTransport

    def close(self) -> None:
        self.transport.close()


class Child:
    """A process of a function. `returncode` is None while it lives; a negative one is the signal that ended it."""

    def __init__(self, pid: int, stdout: Output) -> None:
        self.pid = pid
        self.stdout = stdout
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def end(self, code: int) -> None:
        """Note how it ended."""
        if not self._ended.done():
            self._ended.set_result(code)


class Nursery:
    """Forks processes that lead a group of their own and die with this one. It starts its own with the first of them.

    `environment` is what all functions have in common: the packages are imported with it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._forking = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._asked: deque[tuple[Output, asyncio.Future[Child]]] = deque()
        self._children: dict[int, Child] = {}

    async def fork(self, handler: str, folder: Path, environment: Mapping[str, str]) -> Child:
        """Start a process that serves `handler` in `folder`. Raises OSError when the machine has no process left."""
        request = {"handler": handler, "folder": str(folder), "environment": environment}
        output, given = os.pipe()
        with os.fdopen(given, "wb") as writer, os.fdopen(output, "rb", buffering=0) as reader:
            async with self._forking:
                return await self._ask(json.dumps(request).encode(), writer.fileno(), await _stream(reader.fileno()))

    async def close(self) -> None:
        """End the process that forks, and with it what it has forked."""
        self._lose()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _ask(self, request: bytes, output: int, stdout: Output) -> Child:
        """Have a process forked that writes to `output`, which is read from `stdout`."""
        if self._socket is None:
            self._socket = await self._start()
        asked: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        socket.send_fds(self._socket, [request], [output])
        self._asked.append((stdout, asked))
        return await asked

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",  # no path but the packages'
                str(FORKING),
                str(theirs.fileno()),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=tied(),
                pass_fds=(theirs.fileno(),),
            )
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, self._hear)
        return ours

    def _hear(self) -> None:
        """Take a reply, or how a process has ended."""
        message = b""
        if self._socket is not None:
            with contextlib.suppress(ConnectionResetError):
                message = self._socket.recv(REPLY_BYTES)
        if not message:
            self._lose()
            return
        heard: dict[str, int] = json.loads(message)
        pid = heard["pid"]
        if "code" in heard:
            self._children.pop(pid).end(heard["code"])
            return
        stdout, asked = self._asked.popleft()
        if pid > 0:
            child = self._children[pid] = Child(pid, stdout)
            if asked.done():  # whoever wanted it was cancelled
                kill_group(pid)
                stdout.close()
            else:
                asked.set_result(child)
            return
        stdout.close()
        if not asked.done():
            asked.set_exception(OSError(-pid, os.strerror(-pid)))

    def _lose(self) -> None:
        """The process that forks is gone, and with it what it has forked. The next fork starts another."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for stdout, asked in self._asked:
            stdout.close()
            if not asked.done():
                asked.set_exception(ConnectionResetError("the process that forks has ended"))
        self._asked.clear()
        for child in self._children.values():
            child.end(-signal.SIGKILL)
        self._children.clear()


async def _stream(output: int) -> Output:
    reader = Output(LINE_BYTES)
    pipe = os.fdopen(os.dup(output), "rb", buffering=0)
    loop = asyncio.get_running_loop()
    reader.transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
