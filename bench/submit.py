"""How long a submission takes over HTTP: one caller, and fifty at once, of roles, in a lane that is paused.

So submitting alone is measured. The floor is a read that the cache answers, through the same gateway and by as many
callers. The figures go to bench/results/submit.json.
"""

import json
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

from bench.page_results import RESULTS
from local.options import ROOT
from local.running import RunningStack, local_stack

CALLERS = 50
REQUESTS = 300
KIND = "role_creation"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder)) as stack:
        paused = stack.request("PATCH", f"/api/v1/queue/{KIND}", json={"paused": True, "max_queued": 20_000})
        assert paused.status == 200, paused.body
        figures = {"load_average": round(os.getloadavg()[0], 1), "callers": measure(stack)}
    path = RESULTS / "submit.json"
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show(figures)
    print(f"written to {path.relative_to(ROOT)}")


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

    asked: dict[str, tuple[int, Callable[[], int]]] = {
        "submit, a new role": (202, submit),
        "submit, the same role": (200, again),
        "floor: a cached read": (200, page),
    }
    again()
    figures: dict[str, Any] = {}
    for callers in (1, CALLERS):
        with ThreadPoolExecutor(callers) as pool:
            for name, (status, ask) in asked.items():
                list(pool.map(lambda _, ask=ask: ask(), range(2 * callers)))  # the processes have started
                taken = list(pool.map(lambda _, ask=ask, status=status: timed(ask, status), range(REQUESTS)))
                figures[f"{name}, {callers} at once"] = {
                    "p50_ms": round(statistics.median(taken), 1),
                    "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 1),
                }
    return figures


def timed(ask: Callable[[], int], status: int) -> float:
    started = time.perf_counter()
    answered = ask()
    taken = (time.perf_counter() - started) * 1000
    assert answered == status, answered
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
