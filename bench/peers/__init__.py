"""Peers of the engine, for bench.workloads: each a program that runs in an environment of its own (.venv-bench).

It prints a line of JSON when it is ready, and then, for each number that it reads, one about so many steps.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil


def serve(what: str, run: Callable[[int], object]) -> None:
    """Run a few steps to get warm, then what is asked for. `what` says what it is."""
    run(20)
    _print({"ready": what})
    for line in sys.stdin:
        steps = int(line)
        started, before = time.perf_counter(), _processor_seconds()
        run(steps)
        wall, processor = time.perf_counter() - started, _processor_seconds() - before
        _print({"wall_ms": wall / steps * 1000, "cpu_ms": processor / steps * 1000})


def _processor_seconds() -> float:
    """Of this process and all that it started."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
