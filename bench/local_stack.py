"""How fast and how large the local stack is: reads and submissions a second, the time of a step, memory.

The floor is an HTTP server on asyncio that has the same answer ready, asked by the same callers in turns. A step does
nothing. Memory is the sum of all processes of the stack: proportional set sizes, which count a shared page once, and
resident ones, which count it for each. The figures go to local_stack.json.
    make bench NAME=local_stack ARGS="--part tasks --tasks 10000"
    make bench NAME=local_stack ARGS="--part tasks --tasks 800 --a-minute 110"
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from bench.refresh import family, set_size
from bench.workload_stack import run, stack_with_instant
from local.options import ROOT
from local.running import RunningStack, eventually

CALLERS = (1, 8, 50)
KIND = "role_creation"
PAGE = "/api/v1/provinces?page_size=20"
SMALL = "instant_100"
PARTS = ("callers", "steps", "tasks")


class Callers:
    """bench.callers in a process of its own, for a server that keeps connections."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.callers"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(
        self, port: int, callers: int, requests: int, line: str, status: int, bodies: list[str] | None = None
    ) -> dict[str, float]:
        """Return {rate, ms} of that many requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {self._token}\r\n"
        if bodies:
            head += "Content-Type: application/json\r\n"
        given = {"host": "127.0.0.1", "port": port, "callers": callers, "requests": requests, "head": head}
        self._process.stdin.write(json.dumps(given | {"expected": [status], "bodies": bodies}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--requests", type=int, default=1_000, help="of each kind in a round (%(default)s)")
    arguments.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    arguments.add_argument(
        "--items", type=int, default=500, help="steps of a task whose time is measured (%(default)s)"
    )
    arguments.add_argument(
        "--tasks", type=int, default=200, help="small tasks that memory is measured over (%(default)s)"
    )
    arguments.add_argument(
        "--a-minute", type=int, default=60_000, help="small tasks that are submitted in a minute, at most (%(default)s)"
    )
    arguments.add_argument("--part", action="append", choices=PARTS, help="measure this alone; may be given again")
    given = arguments.parse_args()
    parts = given.part or PARTS
    figures: dict[str, Any] = {"load_average": [round(os.getloadavg()[0], 1)]}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, stack_with_instant(Path(folder)) as stack:
        figures["start_seconds"] = round(time.perf_counter() - started, 1)
        figures["idle_mb"] = memory(stack)
        if "callers" in parts:
            figures["callers"] = callers(stack, given.requests, given.rounds)
        if "steps" in parts:
            figures["steps"] = steps(stack, given.items, given.rounds)
        if "tasks" in parts:
            figures["tasks"] = tasks(stack, given.tasks, given.a_minute)
    figures["load_average"].append(round(os.getloadavg()[0], 1))
    show(figures)
    write_results("local_stack.json", figures)


def callers(stack: RunningStack, requests: int, rounds: int) -> dict[str, Any]:
    """Return {rate, ms} by what is called and by callers: of the median round."""
    paused = stack.request("PATCH", f"/api/v1/queue/{KIND}", json={"paused": True, "max_queued": 20_000})
    assert paused.status == 200, paused.body
    numbers, port = count(), stack.options.port
    task = stack.request("POST", "/api/v1/tasks", json=json.loads(_role(next(numbers)))).json()
    page = stack.request("GET", PAGE).body
    calling = Callers(stack.token("local"))
    found: dict[str, Any] = {}
    with floor(page) as floor_port:
        reads = {
            "a page, cached": (port, f"GET {PAGE}"),
            "a task": (port, f"GET {task['links']['self']}"),
            "floor: asyncio, the same page": (floor_port, "GET /"),
        }
        for number in CALLERS:
            taken: dict[str, list[dict[str, float]]] = {}
            for attempt in range(rounds + 1):
                sent = requests if attempt else 4 * number + 50  # first so that the processes have started
                for name, (where, line) in reads.items():
                    taken.setdefault(name, []).append(calling.call(where, number, sent, line, 200))
                bodies = [_role(next(numbers)) for _ in range(sent)]
                submitted = calling.call(port, number, sent, "POST /api/v1/tasks", 202, bodies)
                taken.setdefault("a submission", []).append(submitted)
            for name, each in taken.items():
                found.setdefault(name, {})[str(number)] = sorted(each[1:], key=lambda one: one["rate"])[rounds // 2]
    calling.close()
    return found


def steps(stack: RunningStack, items: int, rounds: int) -> dict[str, float]:
    """Return the milliseconds of a step, five in flight, by how many are a batch: the median of the rounds."""
    found = {}
    for batch in (1, 25):
        run(stack, f"instant_{batch}", 50)
        every = [run(stack, f"instant_{batch}", items)["wall_ms"] for _ in range(rounds)]
        found[f"batches of {batch}"] = round(statistics.median(every), 1)
    return found


def tasks(stack: RunningStack, number: int, a_minute: int) -> list[dict[str, float]]:
    """Return the memory after each fifth of many small tasks, of one step each."""
    token, found, done = stack.token("local"), [{"tasks": 0, **memory(stack)}], 0
    for _ in range(5):
        started = time.perf_counter()
        for submitted in range(number // 5):
            time.sleep(max(0.0, started + 60 * submitted / a_minute - time.perf_counter()))
            _submit(stack, token)
        eventually(lambda: not _waiting(stack, token), 3_600, 0.5)
        done += number // 5
        rate = round(60 * (number // 5) / (time.perf_counter() - started))
        found.append({"tasks": done, "tasks_a_minute": rate, **memory(stack)})
        print(found[-1], flush=True)
    return found


def _submit(stack: RunningStack, token: str) -> None:
    answer = stack.request("POST", "/api/v1/tasks", token=token, json={"kind": SMALL, "params": {"items": 1}})
    assert answer.status == 202, answer.body


def _waiting(stack: RunningStack, token: str) -> bool:
    """Whether a small task has not ended yet."""
    path = f"/api/v1/tasks?page_size=1&kind={SMALL}&status="
    return any(stack.request("GET", path + one, token=token).json()["items"] for one in ("PENDING", "RUNNING"))


def memory(stack: RunningStack) -> dict[str, float]:
    """Return the megabytes of all processes, proportional and resident, and those of the services."""
    services = {name: round(set_size(pid) / 1024) for name, pid in stack.about()["services"].items()}
    every = family(stack.pid)
    whole = {name.lower(): round(sum(set_size(pid, name) for pid in every) / 1024) for name in ("Pss", "Rss")}
    return whole | services | {"processes": len(every)}


@contextmanager
def floor(page: bytes) -> Iterator[int]:
    """An HTTP server in a process of its own that answers each request with this page. Yields its port."""
    program = """
import asyncio, sys
page = sys.stdin.buffer.readline().strip()
head = f"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(page)}\\r\\n\\r\\n".encode()
async def serve(reader, writer):
    while await reader.readuntil(b"\\r\\n\\r\\n"):
        writer.write(head + page)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(page.replace(b"\n", b" ") + b"\n")
    process.stdin.flush()
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _role(number: int) -> str:
    return json.dumps({"kind": KIND, "params": {"task_id": f"T-{number}", "strategy_id": "S"}})


def show(figures: dict[str, Any]) -> None:
    console, loads = Console(), figures["load_average"]
    console.print(f"load average {loads[0]} to {loads[1]}; started in {figures['start_seconds']} s")
    console.print("idle, MB:", figures["idle_mb"])
    if "callers" in figures:
        table = Table("requests a second (ms)", *(f"{number} callers" for number in CALLERS))
        for name, row in figures["callers"].items():
            table.add_row(
                name, *(f"{row[str(number)]['rate']:.0f} ({row[str(number)]['ms']:.1f})" for number in CALLERS)
            )
        console.print(table)
    if "steps" in figures:
        console.print("ms a step, 5 in flight:", figures["steps"])
    for line in figures.get("tasks", ()):
        console.print("MB over small tasks:", line)


if __name__ == "__main__":
    main()
