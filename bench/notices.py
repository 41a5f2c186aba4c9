"""The time from a transition's commit to the frame of who listens, with many listeners; and what listening costs.

    100 sockets on one task        the delay, by the row's own time, which is a little before its commit; the first
                                   notice, for which processes are started, by itself
    1,000 sockets on one task      the delay, memory and processor time, and whether any frame was lost
    1,000 tasks, a socket on each  the same, when all of them are cancelled at once
    a slow channel                 a refresh whose listeners take five seconds a frame, beside one without listeners

The tasks wait in a paused queue, so that nothing but telling is measured. The figures go to notices.json.
    make bench NAME=notices ARGS="--sockets 200"
"""

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import write_results
from bench.listeners import Listener, Process, slow_channel
from local.running import RunningStack, local_stack

KIND, REFRESH = "role_creation", "hospital_province_refresh"
WATCHERS, CHANGES = 100, 40
AT_ONCE = 16  # handshakes
ROUNDS = 5
LOST_SECONDS = 120.0
PARAMETERS = {"RequestsPerSecond": "2000", "RequestBurst": "4000", "WritesPerMinute": "1000000"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench NAME=notices")
    parser.add_argument("--sockets", type=int, default=1_000)
    sockets = parser.parse_args().sockets
    figures: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 1)}

    def note(name: str, row: dict[str, Any]) -> None:
        figures[name] = row
        print(name, row, flush=True)

    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder), parameters=PARAMETERS) as stack:
        stack.request("PATCH", f"/api/v1/queue/{KIND}", json={"paused": True, "max_queued": 20_000})
        note(f"{WATCHERS} on one task", asyncio.run(on_one_task(stack, WATCHERS, CHANGES)))
        note(f"{sockets} on one task", asyncio.run(on_one_task(stack, sockets, 10)))
        note(f"{sockets} tasks, one on each", asyncio.run(one_on_each(stack, sockets)))
    with tempfile.TemporaryDirectory() as folder, slow_channel(Path(folder), PARAMETERS) as stack:
        note("a slow channel", paired(stack))
    show(figures)
    write_results("notices.json", figures)


async def on_one_task(stack: RunningStack, number: int, changes: int) -> dict[str, Any]:
    """Change a task's title so many times, with so many who listen to it."""
    (task_id,) = await asyncio.to_thread(submitted, stack, 1)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        gateway = Process(stack.pid)
        listeners = await opened(stack, session, [task_id] * number)
        held = gateway.memory_kb()
        for change in range(changes + 1):
            path = f"/api/v1/tasks/{task_id}"
            answer = await asyncio.to_thread(stack.request, "PATCH", path, json={"title": f"title {change}"})
            assert answer.status == 200, answer.body
            if change == 0:  # starts the processes
                first = await heard(listeners, 1)
            await asyncio.sleep(max(0.2, number / 500))  # so that each is told before the next
        figures = {"first_ms": first["p95_ms"], **await heard(listeners, changes + 1, but=1)}
        figures |= gateway.cost(held, number, number * (changes + 1))
        await asyncio.gather(*(listener.close() for listener in listeners))
    return figures


async def one_on_each(stack: RunningStack, number: int) -> dict[str, Any]:
    """Cancel so many tasks at once, each of which someone listens to."""
    ids = await asyncio.to_thread(submitted, stack, number)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        gateway = Process(stack.pid)
        listeners = await opened(stack, session, ids)
        held = gateway.memory_kb()
        body = {"action": "cancel", "filter": {"kind": [KIND], "status": ["PENDING"]}}
        answer = await asyncio.to_thread(stack.request, "POST", "/api/v1/tasks/actions", json=body)
        assert answer.status == 202, answer.body
        figures = await heard(listeners, 1)
        figures |= gateway.cost(held, number, number)
        await asyncio.gather(*(listener.close() for listener in listeners))
    return figures


def submitted(stack: RunningStack, number: int) -> list[str]:
    """Submit so many tasks, which wait."""
    found: list[str] = []
    stamp = time.monotonic_ns()
    for some in itertools.batched(range(number), 100, strict=False):
        items = [{"kind": KIND, "params": {"task_id": f"T-{stamp}-{each}", "strategy_id": "S"}} for each in some]
        answer = stack.request("POST", "/api/v1/tasks/batch", json={"items": items})
        found += [item["task_id"] for item in answer.json()["items"]]
    return found


async def opened(stack: RunningStack, session: aiohttp.ClientSession, ids: Sequence[str]) -> list[Listener]:
    """Connect a client for each id, which subscribes to it."""
    token, room = stack.token(), asyncio.Semaphore(AT_ONCE)

    async def one(task_id: str) -> Listener:
        async with room:
            return await Listener.open(stack.url, session, token, task_id)

    return list(await asyncio.gather(*map(one, ids)))


async def heard(listeners: Sequence[Listener], number: int, but: int = 0) -> dict[str, Any]:
    """Wait until each has heard `number` notices; return how long they took, without the first `but`."""
    deadline = time.monotonic() + LOST_SECONDS
    while any(len(listener.heard) < number for listener in listeners) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    frames = [frame for listener in listeners for frame in list(listener.heard.values())[but:]]
    taken = sorted(1000 * (at - datetime.fromisoformat(moment).timestamp()) for moment, at in frames)
    by_notice: dict[str, float] = {}
    for moment, at in frames:
        by_notice[moment] = max(by_notice.get(moment, 0), 1000 * (at - datetime.fromisoformat(moment).timestamp()))
    return {
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(taken[int(len(taken) * 0.95)], 1),
        "last_listener_p50_ms": round(statistics.median(by_notice.values()), 1),
        "frames": len(frames),
        "lost": sum(max(0, number - len(listener.heard)) for listener in listeners),
        "twice": sum(listener.twice for listener in listeners),
    }


def paired(stack: RunningStack) -> dict[str, Any]:
    """Refresh a province for a tenant that nobody listens to and for one whose listeners are slow, in turns."""
    taken: dict[str, list[float]] = {"nobody": [], "slow": []}
    for number in range(2 * ROUNDS):
        tenant = ("nobody", "slow")[(number + number // 2) % 2]
        token = stack.token(tenant)
        started = time.perf_counter()
        body = {"kind": REFRESH, "params": {"province": "海南省"}}
        task = stack.request("POST", "/api/v1/tasks", token=token, json=body).json()
        while True:
            path = f"/api/v1/tasks/{quote(task['task_id'])}"
            answer = stack.request("GET", path, token=token, headers={"Prefer": "wait=20"})
            if answer.json()["status"] == "SUCCEEDED":
                break
        taken[tenant].append(time.perf_counter() - started)
    return {
        "rounds": ROUNDS,
        "nobody_listens_s": round(statistics.median(taken["nobody"]), 2),
        "slow_listeners_s": round(statistics.median(taken["slow"]), 2),
        "ratio": round(statistics.median(taken["slow"]) / statistics.median(taken["nobody"]), 3),
    }


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"notices, load average {figures['load_average']}")
    for heading in ("", "p50 ms", "p95 ms", "last p50", "frames", "lost", "twice", "KB a socket", "gateway ms a frame"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in figures.items():
        if isinstance(row, dict) and "p50_ms" in row:
            names = ("p50_ms", "p95_ms", "last_listener_p50_ms", "frames", "lost", "twice", "kb_a_socket", "ms_a_frame")
            table.add_row(name, *(str(row[key]) for key in names))
    Console().print(table)


if __name__ == "__main__":
    main()
