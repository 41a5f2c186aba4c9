"""The time of a submission over HTTP, for one caller and for fifty at once.

The tasks are role creations in a paused queue, so that nothing but submitting is measured. The floor is a cached read
through the same gateway, by as many callers. The figures go to submit.json.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from local.running import RunningStack, local_stack

CALLERS = 50
REQUESTS = 300
KIND = "role_creation"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder)) as stack:
        paused = stack.request("PATCH", f"/api/v1/queue/{KIND}", json={"paused": True, "max_queued": 20_000})
        assert paused.status == 200, paused.body
        figures = {"load_average": round(os.getloadavg()[0], 1), "callers": measure(stack)}
    show(figures)
    write_results("submit.json", figures)


def measure(stack: RunningStack) -> dict[str, Any]:
    numbers, token = count(), stack.token("local")

    def submit() -> int:
        params = {"task_id": f"T-{next(numbers)}", "strategy_id": "S"}
        return stack.request("POST", "/api/v1/tasks", token=token, json={"kind": KIND, "params": params}).status

    def again() -> int:
        params = {"task_id": "T-again", "strategy_id": "S"}
        return stack.request("POST", "/api/v1/tasks", token=token, json={"kind": KIND, "params": params}).status

    def page() -> int:
        return stack.request("GET", "/api/v1/provinces?page_size=1", token=token).status

    requests: dict[str, tuple[int, Callable[[], int]]] = {
        "submit, a new role": (202, submit),
        "submit, the same role": (200, again),
        "floor: a cached read": (200, page),
    }
    again()
    figures: dict[str, Any] = {}
    for callers in (1, CALLERS):
        with ThreadPoolExecutor(callers) as pool:
            for name, (status, send) in requests.items():
                list(pool.map(lambda _, send=send: send(), range(2 * callers)))  # so that the processes have started
                taken = list(pool.map(lambda _, send=send, status=status: timed(send, status), range(REQUESTS)))
                figures[f"{name}, {callers} at once"] = {
                    "p50_ms": round(statistics.median(taken), 1),
                    "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 1),
                }
    return figures


def timed(send: Callable[[], int], status: int) -> float:
    """Return the milliseconds of one request, which must have this status."""
    started = time.perf_counter()
    received = send()
    taken = (time.perf_counter() - started) * 1000
    assert received == status, received
    return taken


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"over HTTP, load average {figures['load_average']}")
    for heading in ("", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in figures["callers"].items():
        table.add_row(name, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
