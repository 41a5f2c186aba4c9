"""Child processes that never outlive the stack, not even when it is killed with SIGKILL."""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tied(memory_mb: int | None = None) -> Callable[[], None]:
    """Return what a child runs before its program: it dies with this process, and has at most `memory_mb` of data.

    Only Linux has a signal for a parent's death. Elsewhere a function's process ends when it next asks for an event.
    """
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)
        if memory_mb is not None and sys.platform == "linux":
            limit = memory_mb * 1024 * 1024
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    return prepare


def kill_group(pid: int) -> None:
    """SIGKILL a process that leads its own group, and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def peak_memory_mb(pid: int) -> int | None:
    """Return a process's peak resident memory in MB, where the system tells."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return None


class Service:
    """A long-running part of the stack in a process of its own, its output appended to a log file."""

    def __init__(self, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._argv = list(argv)
        self._environment = dict(environment)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                env=self._environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied(),
            )

    async def ended(self) -> int:
        """Wait until the process ends; return its exit code (negative: the signal that killed it)."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self, patience: float) -> None:
        """Ask the process to end; after `patience` seconds, make it."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._process.wait()
        kill_group(self._process.pid)
        await self._process.wait()

    def last_line(self) -> str:
        """Return the last line it logged, as a reason for its end."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
