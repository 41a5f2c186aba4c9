"""The cost of a page of a campaign's calls, from 20 jobs to 200,000, read in four ways (`page_contenders`).

It fills a database of its own with a million calls and reads the first, middle and last page of 20 of each size, the
four ways in turn on one connection. Then it calls the handler of `query_page` for pages that miss the cache and pages
that hit it. The medians go to page_query.json and .svg, all other figures to page_query_details.json.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console

from bench import calls_data, page_results, results_folder, write_results
from bench.calls_data import Server
from bench.environment import environment

PAGE_SIZE = 20
ROUNDS = 3  # over all cells, so that a busy minute of the machine does not fall on one cell alone
MAX_PASSES = 40  # of each contender in a cell and round
MIN_PASSES = 3
PASSES_SECONDS = 1.0  # no more passes after so long
CALLS = 10  # of the handler in a cell and round
CAMPAIGNS_STALE = 5
COLD_STARTS = 9
UNWANTED = ("boto3", "botocore.client", "alibabacloud_outboundbot20191226", "phonenumbers")  # at a start
COLD_START = f"""
import sys, time
started, worked = time.perf_counter(), time.process_time()
import calls.query_page
print((time.perf_counter() - started) * 1000, (time.process_time() - worked) * 1000)
print(*(name for name in {UNWANTED!r} if name in sys.modules))
"""

type Cell = dict[str, list[float]]  # milliseconds by contender


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="about how many calls (%(default)s)")
    arguments.add_argument("--keep", action="store_true", help="leave the database there")
    given = arguments.parse_args()
    server, console = Server.at(given.database_url), Console()
    with calls_data.own_database(server, keep=given.keep) as name, environment(server.secret(name)):
        from database import schema

        schema.migrate()
        tasks, started = calls_data.campaigns(given.rows), time.perf_counter()
        rows = calls_data.fill(server, name, tasks)
        console.print(f"{rows:,} calls in {name}, filled in {time.perf_counter() - started:.0f} s")
        cells, details = measure(tasks, lambda task_id: calls_data.reopen(server, name, task_id))
    details = {"rows": rows, "load_average": round(os.getloadavg()[0], 1)} | details
    page_results.draw(cells, results_folder() / "page_query.svg")
    page_results.show(cells, details, console)
    write_results("page_query.json", cells)
    write_results("page_query_details.json", details)


def measure(tasks: dict[int, list[str]], reopen: Callable[[str], None]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the medians of each task size and page, and the other figures."""
    from bench.handler_parts import Call, watched_handler
    from longhaul.database import connections

    connection, call = connections.open_connection(), watched_handler()
    missed, hit = list[Call](), list[Call]()
    taken: dict[tuple[int, str], Cell] = defaultdict(lambda: defaultdict(list))
    for turn in range(ROUNDS):
        for size, some in tasks.items():
            task_id = some[turn % len(some)]
            for page, number in pages_of(size).items():
                cell = taken[size, page]
                race(connection, cell, task_id, number)
                calls = handle(call, {"task_id": task_id, "page": number}, CALLS)
                missed, hit = missed + calls["miss"], hit + calls["hit"]
                cell["handler"] += [one.own_ms for one in calls["miss"]]
    cells = [
        {"task_size": size, "page": page} | {f"{name}_ms": median(values) for name, values in cell.items()}
        for (size, page), cell in taken.items()
    ]
    hundred = handle(call, {"task_id": calls_data.RECORDED, "page_size": 100}, ROUNDS * CALLS)
    stale = tasks[min(tasks)][:CAMPAIGNS_STALE]
    for task_id in stale:
        reopen(task_id)
    reading = [handle(call, {"task_id": task_id}, 1) for task_id in stale]
    return cells, {
        "miss": summary(missed),
        "hit": summary(hit),
        "stale_first": summary([one for calls in reading for one in calls["miss"]]),
        "stale_next": summary([one for calls in reading for one in calls["hit"]]),
        "miss_of_100": summary(hundred["miss"]),
        "hit_of_100": summary(hundred["hit"]),
        "cold_start": cold_start(),
    }


def pages_of(size: int) -> dict[str, int]:
    """Return the numbers of the first, the middle and the last page."""
    last = size // PAGE_SIZE
    return {"first": 1, "middle": (last + 1) // 2, "last": last}


def race(connection: Any, cell: Cell, task_id: str, number: int) -> None:
    """Read the page in the four ways in turn. The first pass fills the server's buffers and does not count."""
    from bench.page_contenders import contenders

    racing = contenders(connection, task_id, (number - 1) * PAGE_SIZE + 1, PAGE_SIZE)
    spent: dict[str, list[float]] = {name: [] for name in racing}
    for _ in range(MAX_PASSES + 1):
        for name, contender in racing.items():
            if sum(spent[name]) > PASSES_SECONDS and len(spent[name]) > MIN_PASSES:
                continue
            started = time.perf_counter()
            if contender() != PAGE_SIZE:
                raise SystemExit(f"bench: {name} did not find the whole page {number} of {task_id}")
            spent[name].append(time.perf_counter() - started)
    for name, seconds in spent.items():
        cell[name] += [one * 1000 for one in seconds[1:]]


def handle(call: Callable[[dict[str, Any]], Any], body: dict[str, Any], times: int) -> dict[str, list[Any]]:
    """Call the handler for a page after its campaign changed, and again when it is cached."""
    from bench.handler_parts import SQL, event_of
    from calls.freshness import forget_pages

    calls: dict[str, list[Any]] = {"miss": [], "hit": []}
    for _ in range(times):
        forget_pages(body["task_id"])
        for expected in calls:
            one = call(event_of(body, calls_data.TENANT))
            found = "miss" if one.counts[SQL] else "hit"
            if (one.answer["statusCode"], found) != (200, expected):
                raise SystemExit(f"bench: {body} is a {found}, not a {expected}: {one.answer}")
            calls[expected].append(one)
    return calls


def summary(calls: list[Any]) -> dict[str, Any]:
    """Return medians of the time, also by part, and the statements and AWS calls of one call."""
    from bench.handler_parts import AWS, SQL

    return {
        "calls": len(calls),
        "own_ms": median(one.own_ms for one in calls),
        "own_parts_ms": {part: median(one.parts.get(part, 0.0) for one in calls) for part in calls[0].parts},
        "sql_ms": median(one.sql_ms for one in calls),
        "aws_ms": median(one.aws_ms for one in calls),
        "processor_ms": median(one.processor_ms for one in calls),
        "statements": statistics.mean(one.counts[SQL] for one in calls),
        "aws_calls": {
            name.removeprefix(f"{AWS}:"): statistics.mean(one.counts[name] for one in calls)
            for name in calls[0].counts
            if name.startswith(AWS)
        },
        "answer_bytes": len(calls[0].answer["body"]) * 3 // 4,  # compressed; base64 for the gateway
    }


def cold_start() -> dict[str, Any]:
    """Return the cost of importing `query_page` in a new process, and what it imports needlessly."""
    found = [
        subprocess.run([sys.executable, "-c", COLD_START], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(COLD_STARTS)
    ]
    return {
        "import_ms": median(float(passed) for passed, *_ in found),
        "import_processor_ms": median(float(worked) for _, worked, *_ in found),
        "unwanted": found[0][2:],
    }


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


if __name__ == "__main__":
    main()
