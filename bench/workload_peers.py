"""Starts the peers of bench.workloads in their own environment, and asks them to run steps."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.calls_data import Server, own_database
from local.machine import free_port
from local.options import ROOT

PYTHON = ROOT / ".venv-bench" / "bin" / "python"
STEPS_SECONDS = 900


class Peer:
    """A program of bench.peers. `missing` says why it cannot be run."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        self.name, self.missing = module, ""
        if not PYTHON.exists():
            self.missing = "its packages cannot be installed (requirements/bench.txt)"
            return
        self._process = subprocess.Popen(
            [PYTHON, "-m", f"bench.peers.{module}", *arguments],
            cwd=ROOT,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.name = str(self._answer().get("ready", module))

    def run(self, steps: int) -> dict[str, float]:
        """Return {wall_ms, cpu_ms} a step; empty when it cannot be run."""
        if self.missing or self._process.stdin is None:
            return {}
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End the program by the end of its input."""
        if self.missing and not hasattr(self, "_process"):
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=30)
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        said = self._process.stderr.read().strip().splitlines() if self._process.stderr else []
        self.missing = said[-1] if said else "it ended without a message"
        return {}


@contextmanager
def peers(server: Server, postgres: str) -> Iterator[list[Peer]]:
    """Celery with a Redis of its own, and DBOS on this Postgres, each in a database of its own."""
    with own_database(server, keep=False) as name:
        port, options = free_port(), server.options
        login = f"{options['user']}:{options['password']}@{options['host']}:{options['port']}"
        started = [
            Peer(
                "celery_steps",
                f"--redis-port={port}",
                BENCH_REDIS=f"redis://127.0.0.1:{port}/0",
                BENCH_DATABASE=f"mysql://{login}/{name}",
            ),
            Peer("dbos_steps", f"--database={postgres}/{name}"),
            Peer("dbos_steps", f"--database={postgres}/{name}_queue", "--queue"),
        ]
        try:
            yield started
        finally:
            for peer in started:
                peer.stop()
