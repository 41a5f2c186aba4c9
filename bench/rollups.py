"""What roll-ups cost a transition, and how long the monitor's routes take at ten million tasks.

First eight writers make fifty transitions a second of one tenant and kind: without counting, as it is, and with one row
for all of them. Then the roll-ups of ten million tasks in 90 days are generated, and each route is called as Lambda
calls it, past the cache. The floor is a `SELECT 1`. The figures go to rollups.json.
"""

import argparse
import contextlib
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

from pymysql.connections import Connection
from rich.console import Console
from rich.table import Table

from bench import write_results
from bench.calls_data import Server, own_database
from bench.counting import Counting
from bench.environment import environment

WRITERS, A_SECOND, TRANSITIONS, ROUNDS = 8, 50, 160, 3
TASKS, DAYS = 10_000_000, 90
TENANT, KIND = "acme", "hospital_province_refresh"
KINDS = (KIND, "hospital_full_refresh", "call_campaign", "brand_diagnosis", "role_creation")
SHARE = {TENANT: 0.5, "": 1.0}  # of all tasks: half of them are one tenant's
KEPT_HERE = {1: 900, 60: 900, 1_440: DAYS, 11_520: 12}  # roll-ups of each span: more than any window reads
# The same again in each span before.
EARLIER = """
INSERT INTO task_rollups
SELECT tenant_id, span, start - place * %s, kind, event, bucket, number, microseconds, shortest, longest, units, best
FROM task_rollups
JOIN (
    WITH RECURSIVE places AS (SELECT 1 AS place UNION ALL SELECT place + 1 FROM places WHERE place < %s)
    SELECT place FROM places
) AS places
WHERE tenant_id = %s AND span = %s AND start = %s"""
TOTALS = """
INSERT INTO task_totals
SELECT tenant_id, span, start, kind, event, LEAST(bucket, 0), SUM(number), SUM(microseconds), MIN(shortest),
    MAX(longest), SUM(units), MAX(best)
FROM task_rollups GROUP BY 1, 2, 3, 4, 5, 6"""
SAMPLE = 1_000  # durations, from which those of a roll-up are scaled
TIMES = 12
ROUTES = (
    *(("metrics", window) for window in ("15m", "3h", "24h", "7d", "90d")),
    *((route, "90d") for route in ("report", "health", "performance", "issues")),
    ("timeseries", "3h&step=1m"),
    ("timeseries", "7d&step=1h"),
    ("timeseries", "7d&step=1h&figure=running_p95"),
    ("timeseries", "90d&step=1d&figure=running_p95"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    given = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        server = Server.at(given.database_url)
        name = stack.enter_context(own_database(server, keep=False))
        stack.enter_context(environment(server.secret(name)))
        from database import schema

        schema.migrate()
        schema.create_lanes()
        connection = stack.enter_context(contextlib.closing(server.connect(name)))
        connection.cursor().execute("UPDATE lanes SET max_queued = 1000000")
        figures = {
            "load_average": round(os.getloadavg()[0], 1),
            "submit_ms": measure_submit(),
            "transitions_ms": measure_writers(connection),
            "rows": generate(connection),
            "routes_ms": measure_routes(),
        }
    show(figures)
    write_results("rollups.json", figures)


def percentiles(taken: list[float]) -> dict[str, float]:
    """Of milliseconds; the best is what the others would be on a machine that does nothing else."""
    ranked = sorted(taken)
    found = {"best": ranked[0], "p50": statistics.median(ranked), "p95": ranked[int(len(ranked) * 0.95)]}
    return {name: round(value, 2) for name, value in found.items()}


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds it takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measure_submit() -> dict[str, dict[str, float]]:
    """The insert of a task alone in autocommit mode, as it was, and in a transaction with its count."""
    from longhaul import database
    from longhaul.tasks import rollups, store
    from longhaul.tasks.submission import Submission, prepare

    def values() -> dict[str, Any]:
        return vars(prepare(Submission(TENANT, "ada", KIND, {"province": "海南省"}))) | {"open_key": None}

    def alone() -> None:
        with database.connection() as session, mock.patch.object(rollups, "count_submitted"):
            store.insert(session, **new)

    def counted() -> None:
        database.run_transaction(lambda tx: store.insert(tx, **new))

    taken: dict[str, list[float]] = {"alone": [], "counted": []}
    for _ in range(300):
        for name, insert in (("alone", alone), ("counted", counted)):
            new = values()
            taken[name].append(timed(insert))
    return {name: percentiles(some) for name, some in taken.items()}


def measure_writers(connection: Connection) -> dict[str, dict[str, float]]:
    from longhaul.tasks import rollups

    count_events = rollups._queries.count_events
    text = rollups._queries._texts["count_events"].replace("CONNECTION_ID()", "0")
    shared = getattr(type(rollups._queries)(text), "count_events")  # noqa: B009
    variants = {"not counted": lambda *_, **__: None, "a row a writer": count_events, "one row for all": shared}
    taken: dict[str, list[float]] = {name: [] for name in variants}
    waits = Counter[str]()
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for each of them
        for name, count in variants.items():
            with mock.patch.object(rollups._queries, "count_events", count):
                before = row_waits(connection)
                taken[name] += write()
                waits[name] += row_waits(connection) - before
    return {name: percentiles(some) | {"row_lock_waits": waits[name]} for name, some in taken.items()}


def write() -> list[float]:
    """Let the writers move tasks of their own at the pace; return the milliseconds of each transition."""
    taken: list[float] = []
    begin, pause = threading.Barrier(WRITERS), WRITERS / A_SECOND

    def work(place: int) -> None:
        from longhaul import database

        tasks = moving(TRANSITIONS // WRITERS)
        begin.wait()
        due = time.monotonic() + place * pause / WRITERS
        for task in tasks:
            time.sleep(max(0.0, due - time.monotonic()))
            due += pause
            taken.append(timed(partial(database.run_transaction, partial(cancel, task.id))))
        database.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def cancel(row_id: int, tx: Any) -> None:
    from longhaul.tasks import store
    from longhaul.tasks.model import Transition

    store.stop(tx, TENANT, Transition.CANCEL, {row_id: None})


def moving(number: int) -> list[Any]:
    """New tasks that may be moved."""
    from longhaul import database
    from longhaul.tasks import rollups, store
    from longhaul.tasks.submission import Submission, prepare

    tasks = []
    with database.connection() as session, mock.patch.object(rollups, "count_submitted"):
        for _ in range(number):
            new = vars(prepare(Submission(TENANT, "ada", KIND, {"province": "海南省"}))) | {"open_key": None}
            store.insert(session, **new)
            tasks.append(store.fetch(session, new["task_id"]))
    return tasks


def row_waits(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")
        return int(cursor.fetchall()[0][1])


def generate(connection: Connection) -> int:
    """Fill the roll-ups; return their number. Durations are log-normal, about 5 s of waiting and 5 min of running."""
    from longhaul.tasks import rollups

    now, per_minute = rollups.minute_now(), TASKS / DAYS / 1_440 / len(KINDS)
    chance = random.Random(7)
    statement = "INSERT INTO task_rollups VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    total = 0
    connection.begin()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM task_counts")
        for span, number in KEPT_HERE.items():
            for reader, share in SHARE.items():
                counts = list(happened(chance, max(1, round(per_minute * share * span))))
                start = now // span * span
                cursor.executemany(
                    statement, [(reader, span, start, kind, *count) for kind in KINDS for count in counts]
                )
                total += number * cursor.execute(EARLIER, (span, number - 1, reader, span, start)) // (number - 1)
        connection.commit()
        cursor.execute(TOTALS)
        connection.commit()
        cursor.execute("ANALYZE TABLE task_rollups, task_totals")
        cursor.fetchall()
    return total


def happened(chance: random.Random, tasks: int) -> Iterator[tuple[Any, ...]]:
    """The (event, bucket, number, microseconds, shortest, longest, units, best) of `tasks` tasks."""
    yield ("submitted", -1, tasks, 0, None, None, 0, 0.0)
    drawn = min(tasks, SAMPLE)
    for event, seconds, width, part in (
        ("started", 5, 1.5, 1.0),
        ("succeeded", 300, 1.0, 0.95),
        ("failed", 60, 1.0, 0.04),
        ("cancelled", 60, 1.5, 0.01),
    ):
        buckets = Counter(
            bucket_of(seconds * chance.lognormvariate(0, width)) for _ in range(max(1, round(drawn * part)))
        )
        for bucket, number in buckets.items():
            number = number * tasks // drawn
            took = int(1e5 * 2 ** (bucket / 2))
            units = 100 * number if event == "succeeded" else 0
            yield (event, bucket, number, number * took, took, took, units, 100e6 / took)


def bucket_of(seconds: float) -> int:
    from longhaul.tasks.figures import LAST_BUCKET, upper_bound

    return next((bucket for bucket in range(LAST_BUCKET) if seconds <= upper_bound(bucket)), LAST_BUCKET)


def measure_routes() -> dict[str, dict[str, float]]:
    from longhaul import database
    from monitor import serve_monitor

    def one() -> None:
        with database.connection() as session:
            session.run("floor", "SELECT 1", {})

    found = {"floor: SELECT 1": percentiles([timed(one) for _ in range(TIMES)])}
    counting = Counting(TENANT)
    for route, window in ROUTES:
        for reader in ("", "&all_tenants=true"):
            query, path = f"window={window}{reader}", f"/api/v1/monitor/{route}"
            taken = []
            for _ in range(TIMES):
                answer, milliseconds = counting.call(serve_monitor, "GET", path, query=query, cache_control="no-cache")
                assert answer["statusCode"] == 200, answer
                taken.append(milliseconds)
            found[f"{route}?{query}"] = percentiles(taken)
    return found


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"milliseconds, load average {figures['load_average']}; {figures['rows']:,} roll-ups")
    for column in ("what", "best", "p50", "p95"):
        table.add_column(column)
    for part in ("submit_ms", "transitions_ms", "routes_ms"):
        for name, taken in figures[part].items():
            waits = f" ({taken['row_lock_waits']} lock waits)" if "row_lock_waits" in taken else ""
            table.add_row(name + waits, *(str(taken[column]) for column in ("best", "p50", "p95")))
    Console().print(table)


if __name__ == "__main__":
    main()
