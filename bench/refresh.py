"""The cost of the chain: a province refreshed through the whole stack, compared with the same work in one process.

The floor requests the same hospitals from the same stand-in and stores them with the same statement in the same
database, five districts at a time, but in threads of this process: no HTTP API, queue, state machine or function
process. The figures go to refresh.json (of all provinces: refresh_full.json).
"""

import argparse
import os
import re
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from local.running import RunningStack, local_stack

IN_FLIGHT = 5
REPORT = re.compile(r"Duration: ([\d.]+) ms.*?Max Memory Used: (\d+) MB(?:.*?Init Duration: ([\d.]+) ms)?")


class Memory(threading.Thread):
    """Samples the memory of a process and its descendants: the peak of their proportional set sizes, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak = 0.0

    def run(self) -> None:
        while Path(f"/proc/{self._pid}").exists():
            self.peak = max(self.peak, sum(set_size(pid) for pid in family(self._pid)) / 1024)
            time.sleep(0.5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--province", default="广东省", help="(%(default)s)")
    arguments.add_argument("--full", action="store_true", help="all provinces; the floor is then left out")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder)) as stack:
        memory = Memory(stack.pid)
        memory.start()
        first = refresh(stack, None if given.full else given.province)
        again = refresh(stack, None if given.full else given.province)
        figures: dict[str, Any] = {
            "province": "all" if given.full else given.province,
            "districts": first["result"]["districts"],
            "hospitals": first["result"]["hospitals"],
            "chain_seconds": first["seconds"],
            "chain_again_seconds": again["seconds"],
            "hospitals_per_second": round(first["result"]["hospitals"] / first["seconds"], 1),
            "again_changed": again["result"]["added"] + again["result"]["changed"] + again["result"]["gone"],
        }
        if not given.full:
            figures["floor_seconds"] = floor(stack, given.province)
            figures["chain_to_floor"] = round(again["seconds"] / figures["floor_seconds"], 2)
        figures["peak_memory_mb"] = round(memory.peak)
        figures["functions"] = functions(stack.logs)
    show(figures)
    write_results("refresh_full.json" if given.full else "refresh.json", figures)


def refresh(stack: RunningStack, province: str | None) -> dict[str, Any]:
    """Run one task to its end. Returns its result, and the seconds from submission to close."""
    kind = "hospital_province_refresh" if province else "hospital_full_refresh"
    body = {"kind": kind, "params": {"province": province} if province else {}}
    task = stack.request("POST", "/api/v1/tasks", json=body).json()
    started = time.perf_counter()
    while task["status"] in ("PENDING", "RUNNING"):
        time.sleep(0.2)
        task = stack.request("GET", task["links"]["self"]).json()
    if task["status"] != "SUCCEEDED":
        raise SystemExit(f"the refresh ended as {task['status']}: {task['error']}")
    return {"result": task["result"], "seconds": round(time.perf_counter() - started, 1)}


def floor(stack: RunningStack, province: str) -> float:
    """Return the seconds to request and store the same districts' hospitals in this process."""
    deployed = stack.aws("lambda").list_functions()["Functions"]
    (refreshing,) = [one for one in deployed if "RefreshDistrict" in one["FunctionName"]]
    os.environ.update(
        refreshing["Environment"]["Variables"], POWERTOOLS_LOG_LEVEL="ERROR", POWERTOOLS_METRICS_DISABLED="true"
    )
    os.environ.update(
        AWS_ENDPOINT_URL=stack.options.aws_url,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",
    )
    from hospitals import district_refresh, store
    from hospitals.divisions import DivisionStep
    from hospitals.provinces import find_province
    from longhaul import database

    wanted = find_province(province)
    districts = []
    for city in stack.request("GET", f"/api/v1/provinces/{wanted.code}/cities").json()["items"]:
        for district in stack.request("GET", f"/api/v1/cities/{city['code']}/districts?page_size=1000").json()["items"]:
            within = wanted.name + city["name"]
            districts.append(
                DivisionStep(task_id="bench", attempt=1, code=district["code"], name=district["name"], within=within)
            )

    def work(district: DivisionStep) -> None:
        hospitals, _ = district_refresh.ask_hospitals(district)
        database.run_transaction(lambda tx: store.save_hospitals(tx, "bench", district.code, hospitals))

    started = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(work, districts))
    return round(time.perf_counter() - started, 1)


def functions(logs: Path) -> dict[str, dict[str, float]]:
    """Return each function's calls, median cold start (init and first call), median warm call (ms), and memory (MB)."""
    seen: dict[str, list[tuple[float, float, float | None]]] = defaultdict(list)
    for path in logs.glob("*.log"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("REPORT") and (found := REPORT.search(line)):
                duration, memory, init = found.groups()
                seen[path.stem].append((float(duration), float(memory), float(init) if init else None))
    return {name: _summary(calls) for name, calls in sorted(seen.items())}


def _summary(calls: list[tuple[float, float, float | None]]) -> dict[str, float]:
    cold = [(init, duration) for duration, _, init in calls if init is not None]
    warm = [duration for duration, _, init in calls if init is None]
    return {
        "calls": len(calls),
        "init_ms": round(statistics.median(init for init, _ in cold)) if cold else 0,
        "first_call_ms": round(statistics.median(duration for _, duration in cold)) if cold else 0,
        "warm_ms": round(statistics.median(warm), 1) if warm else 0,
        "memory_mb": max(memory for _, memory, _ in calls),
    }


def show(figures: dict[str, Any]) -> None:
    console = Console()
    for name, value in figures.items():
        if name != "functions":
            console.print(f"{name:22} {value}")
    table = Table("function", "calls", "init ms", "first call ms", "warm ms", "memory MB", title="median of each")
    for name, row in figures["functions"].items():
        table.add_row(name, *(str(row[key]) for key in ("calls", "init_ms", "first_call_ms", "warm_ms", "memory_mb")))
    console.print(table)


def family(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [member for child in children.read_text().split() for member in family(int(child))]
        except OSError:
            continue
    return found


def set_size(pid: int, kind: str = "Pss") -> int:
    """Return the KB of a process: proportional, or resident (`Rss`); 0 for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{kind}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
