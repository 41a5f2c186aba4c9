"""Child processes, which never outlive the stack, not even when that is killed with SIGKILL."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tied() -> Callable[[], None]:
    """Return a `preexec_fn`: the child dies with this process.

    Only Linux signals a parent's death. Elsewhere a function's process ends when it next asks for an event.
    """
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare


def kill_group(pid: int) -> None:
    """SIGKILL a process that leads its own group, and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def peak_memory_mb(pid: int) -> int | None:
    """Return a process's peak resident memory in MB; None for one that has ended, and where there is no /proc."""
    with contextlib.suppress(OSError):
        _, found, rest = Path(f"/proc/{pid}/status").read_bytes().partition(b"VmHWM:")
        return int(rest.split(None, 1)[0]) // 1024 if found else None
    return None


class Service:
    """A long-running part of the stack in a process of its own. Its output is appended to a log file."""

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
        """Wait until the process ends. Returns its exit code; a negative one is the signal that killed it."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self, patience: float) -> None:
        """Stop the process: SIGTERM, and SIGKILL after `patience` seconds."""
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
        """Return the last line of its log, as the reason of its end."""
        return last_line(self._log)


def last_line(log: Path) -> str:
    """Return the last line of a process's log."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"
