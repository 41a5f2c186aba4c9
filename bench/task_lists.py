"""The cost of listing among 200,000 tasks: each list route, first and deep pages, for a tenant with 100,000 of them.

It fills a database of its own and calls the handlers as Lambda does, for responses that miss the cache and that hit it.
It counts statements, rows that the server read, and AWS calls. The floor is 20 rows by primary key, read in turn on the
same connection. The figures go to task_lists.json; --embedded uses the embedded engine instead of MariaDB.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import results_folder, write_results
from bench.calls_data import Server, own_database
from bench.counting import Counting
from bench.environment import environment
from local.options import ROOT

TENANT = "bench"
ROUNDS = 3
CALLS = 20  # of each route in a round
OTHERS = 100  # tenants that share the other half
FILL = Path(__file__).with_suffix(".sql")

RAN: dict[str, tuple[str, Any]] = {}  # each statement by its name, as it first ran


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    arguments.add_argument("--embedded", action="store_true", help="measure on the embedded engine")
    arguments.add_argument("--thousands", type=int, default=200, help="of tasks, half of them one tenant's")
    given = arguments.parse_args()
    console = Console()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(embedded()) if given.embedded else Server.at(given.database_url)
        name = stack.enter_context(own_database(server, keep=False))
        stack.enter_context(environment(server.secret(name)))
        from database import schema

        schema.migrate()
        fill(server, name, given.thousands)
        routes = measure()
        plans = {} if given.embedded else explain()
    engine = "embedded" if given.embedded else "mariadb"
    figures = {
        "tasks": given.thousands * 1000,
        "load_average": round(os.getloadavg()[0], 1),
        "routes": routes,
        "plans": plans,
    }
    path = results_folder() / "task_lists.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    show(engine, figures, console)
    write_results(path.name, known | {engine: figures})


@contextmanager
def embedded() -> Iterator[Server]:
    """The embedded engine in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "tests/integration/embedded_server.py"), f"{folder}/db"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
            assert process.stdout
            yield Server(json.loads(process.stdout.readline()))
            process.kill()


def fill(server: Server, name: str, thousands: int) -> None:
    with closing(server.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_numbers (n INT PRIMARY KEY)")
        cursor.executemany("INSERT INTO bench_numbers VALUES (%s)", [(number,) for number in range(1000)])
        statement, steps, *rest = FILL.read_text(encoding="utf-8").split(";\n")
        for first in range(0, thousands, 5):  # the embedded engine stops a statement after ten seconds
            cursor.execute(statement, {"tenant": TENANT, "others": OTHERS, "first": first, "last": first + 4})
        for one in (steps, *rest):
            if one.strip():
                cursor.execute(one)
                cursor.fetchall()


def measure() -> dict[str, dict[str, Any]]:
    """Return the figures of each route by its name."""
    from tasks import read_task, serve_lists

    counting = Counting(TENANT)

    def call(path: str, query: str, **headers: str) -> float:
        function = read_task if path.count("/") == 4 and path.rsplit("/", 1)[1].startswith("bench-") else serve_lists
        answer, milliseconds = counting.call(function, "GET", path, query=query, **headers)
        assert answer["statusCode"] == 200, answer
        return milliseconds

    routes = requests()
    taken: dict[str, dict[str, list[float]]] = {name: {"miss": [], "hit": [], "floor": []} for name in routes}
    counts: dict[str, dict[str, Counter[str]]] = {name: {} for name in routes}
    for _ in range(ROUNDS):
        for name, (path, query) in routes.items():
            for how, headers in (("miss", {"cache_control": "no-cache"}), ("hit", {})):
                taken[name][how] += [call(path, query, **headers) for _ in range(CALLS)]
                counts[name][how] = counting.aws_calls | Counter(statements=counting.statements)
            before = rows_read()
            call(path, query, cache_control="no-cache")
            counts[name]["miss"]["rows_read"] = rows_read() - before
            taken[name]["floor"] += [floor() for _ in range(CALLS)]
    RAN.update(counting.ran)
    return {name: summary(taken[name], counts[name]) for name in routes}


def summary(taken: dict[str, list[float]], counts: dict[str, Counter[str]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for how, values in taken.items():
        figures[f"{how}_p50_ms"] = round(statistics.median(values), 2)
        figures[f"{how}_p95_ms"] = round(sorted(values)[int(len(values) * 0.95)], 2)
    for how, counted in counts.items():
        figures[f"{how}_statements"] = counted["statements"]
        figures[f"{how}_aws_calls"] = {key: number for key, number in counted.items() if key[0].isupper()}
    return figures | {"miss_rows_read": counts["miss"]["rows_read"]}


def requests() -> dict[str, tuple[str, str]]:
    """Return (path, query) by name. Deep cursors are in the middle of an order."""
    from longhaul.tasks.listing import Order, Place, Question, Sort
    from tasks.page_answers import cursor_at

    tasks = "/api/v1/tasks"
    middle = {Sort.created_at: _moment(100_000), Sort.updated_at: _moment(100_000), Sort.priority: 2, Sort.progress: 50}
    found = {
        "GET /tasks, first": (tasks, ""),
        "GET /tasks, page of 1,000": (tasks, "page_size=1000"),
        "GET /tasks, row 10,000": (tasks, "page=501"),
        "GET /tasks, one rare status": (tasks, "status=RUNNING"),
        "GET /tasks, kind and priority": (tasks, "kind=call_campaign&priority=high"),
        "GET /tasks, a rare error": (tasks, "error_code=bad_answer"),
        "GET /tasks, any other error": (tasks, "error_code=!deadline_exceeded"),
        "GET /tasks, text of many titles": (tasks, "title=9"),
        "GET /tasks, text of no title": (tasks, "title=nowhere"),
        "GET /tasks/summary, first": (f"{tasks}/summary", ""),
        "GET /tasks/summary, page of 1,000": (f"{tasks}/summary", "page_size=1000"),
        "GET /tasks/active": (f"{tasks}/active", ""),
        "GET /tasks/{id}": (f"{tasks}/bench-00000000", ""),
        "GET /tasks/{id}/steps, first": (f"{tasks}/bench-00000000/steps", ""),
        "GET /tasks/{id}/steps, FAILED": (f"{tasks}/bench-00000000/steps", "status=FAILED&level=district"),
        "GET /tasks/{id}/events": (f"{tasks}/bench-00000000/events", ""),
    }
    for sort in Sort:
        for order in Order:
            query = f"sort_by={sort}&sort_order={order}"
            cursor = cursor_at(Question(TENANT, sort=sort, order=order), Place(middle[sort], 100_001))
            found[f"GET /tasks/cursor, {sort} {order}, first"] = (f"{tasks}/cursor", query)
            found[f"GET /tasks/cursor, {sort} {order}, middle"] = (f"{tasks}/cursor", f"{query}&cursor={cursor}")
    return found


def _moment(seconds: int) -> Any:
    from datetime import datetime, timedelta

    return datetime(2026, 11, 1) + timedelta(seconds=seconds)


def rows_read() -> int:
    """Return the rows and index entries that the server read for this connection; 0 where it does not count them."""
    from longhaul import database

    with database.connection() as session:
        rows = session.run("status", "SHOW SESSION STATUS LIKE 'Handler_read%%'", {}).fetchall()
    return sum(int(row["Value"]) for row in rows)


def explain() -> dict[str, list[str]]:
    """Return the server's plan of each statement, step by step."""
    from longhaul import database

    found = {}
    with database.connection() as session:
        for name, (sql, parameters) in sorted(RAN.items()):
            if name not in ("floor", "status"):
                steps = session.run("explain", f"EXPLAIN {sql}", parameters).fetchall()
                found[name] = [f"{step['table']}: {step['type']} {step['key']} ({step['Extra']})" for step in steps]
    return found


def floor() -> float:
    """Return the milliseconds to read 20 rows by primary key."""
    from longhaul import database

    started = time.perf_counter()
    with database.connection() as session:
        session.run("floor", "SELECT * FROM tasks WHERE id BETWEEN 50000 AND 50019", {}).fetchall()
    return (time.perf_counter() - started) * 1000


def show(engine: str, figures: dict[str, Any], console: Console) -> None:
    table = Table(
        title=f"{figures['tasks']:,} tasks, {engine}, load average {figures['load_average']}; without AWS's time"
    )
    for heading in ("", "miss p50", "p95", "hit p50", "p95", "floor", "SQL", "rows"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, row in figures["routes"].items():
        times = [
            f"{row[key]:.2f}" for key in ("miss_p50_ms", "miss_p95_ms", "hit_p50_ms", "hit_p95_ms", "floor_p50_ms")
        ]
        sql = f"{row['miss_statements']}, {row['hit_statements']}"
        table.add_row(name, *times, sql, f"{row['miss_rows_read']:,}")
    console.print(table)


if __name__ == "__main__":
    main()
