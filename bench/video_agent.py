"""The figures that a video agent's owner asks for, each beside what was before: an ORM, OFFSET and lazy loads.

It fills a database of its own with tasks, videos and conversations, and calls the handlers as Lambda does. Times and
rates are of one process, without HTTP and without AWS's time, which here is moto's: what else the machine does is in
them. What was before needs the packages of requirements/bench.txt, and is left out where they cannot be installed. The
figures go to video_agent.json.
"""

import argparse
import base64
import contextlib
import gzip
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from bench.calls_data import Server, own_database
from bench.counting import Counting
from bench.environment import SETTINGS, environment
from bench.workload_peers import Peer

TENANT, DEPTH, PAGE = "bench", 10_000, 20
FILL = Path(__file__).with_suffix(".sql")
TIMES = 30
PEER_TIMES = 5  # what was before takes seconds a page where it sorts half a million rows
READS, PAGES = 600, 40  # of the mix that the hit rate is of: pages, of which few are read often
TARGETS = {
    "api_p95_ms": ("<", 200.0),
    "database_p95_ms": ("<", 100.0),
    "creations_a_second": (">", 100.0),
    "creations_a_second_in_batches": (">", 100.0),
    "reads_a_second": (">", 500.0),
    "hit_rate": (">", 0.6),
    "error_rate": ("<", 0.01),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    arguments.add_argument("--thousands", type=int, default=1000, help="of tasks, half of them one tenant's")
    arguments.add_argument("--keep", action="store_true", help="keep the database, whose name is printed")
    arguments.add_argument("--database", help="a database that was kept, which is then not filled anew")
    given = arguments.parse_args()
    server = Server.at(given.database_url)
    with contextlib.ExitStack() as stack:
        name = given.database or stack.enter_context(own_database(server, keep=given.keep))
        stack.enter_context(environment(server.secret(name)))
        os.environ.update(
            KIND_MODULES="videos.kinds,tasks.kinds",
            VIDEOS_BUCKET="videos",
            NOTICES_QUEUE_URL=os.environ["DISPATCH_QUEUE_URL"],  # nobody takes from either
        )
        from database import schema

        if not given.database:
            schema.migrate()
            schema.create_lanes()
            fill(server, name, given.thousands)
            print(f"filled {name}", flush=True)
        login = "{user}:{password}@{host}:{port}".format_map(server.options)
        before = peer_figures(f"mysql+pymysql://{login}/{name}?charset=utf8mb4")
        watch = Watch()
        after = cases(watch)
        figures = {
            "tasks": given.thousands * 1000,
            "load_average": round(os.getloadavg()[0], 1),
            "targets": targets(watch),
            "cpu_ms": watch.cpu_ms,
            "before": before,
            "after": after,
            "sizes": sizes(watch),
        }
    show(figures, Console())
    write_results("video_agent.json", figures)


def fill(server: Server, name: str, thousands: int) -> None:
    with closing(server.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_numbers (n INT PRIMARY KEY)")
        cursor.executemany("INSERT INTO bench_numbers VALUES (%s)", [(number,) for number in range(1000)])
        statement, *rest = FILL.read_text(encoding="utf-8").split(";\n")
        for first in range(0, thousands, 20):
            last = min(first + 19, thousands - 1)
            cursor.execute(statement, {"tenant": TENANT, "first": first, "last": last})
        for one in rest:
            if one.strip():
                cursor.execute(one)
                cursor.fetchall()


def peer_figures(database: str) -> dict[str, Any]:
    """What the ORM takes, by case; empty where it cannot be run."""
    peer = Peer("sqlalchemy_reads", f"--database={database}")
    try:
        return dict(peer.run(PEER_TIMES))
    finally:
        peer.stop()


class Watch:
    """Calls handlers, and keeps what the calls and their statements took."""

    def __init__(self) -> None:
        self.counting = Counting(TENANT)
        self.api_ms: list[float] = []
        self.database_ms: list[float] = []
        self.cpu_ms: dict[str, float] = {}
        self.calls = self.errors = 0
        from longhaul import database
        from longhaul.observability import metrics

        metrics.provider.namespace = SETTINGS["POWERTOOLS_METRICS_NAMESPACE"]  # it was made before the environment
        run = database.Session.run

        def timed(session: Any, name: str, sql: str, parameters: Any) -> Any:
            started = time.perf_counter()
            try:
                return run(session, name, sql, parameters)
            finally:
                self.database_ms.append((time.perf_counter() - started) * 1000)

        database.Session.run = timed  # type: ignore[assignment,method-assign]

    def call(self, function: Any, method: str, path: str, query: str = "", body: Any = None, **headers: str) -> Any:
        """The answer of a call, which is counted as an error when it is none of a good one."""
        answer, taken = self.counting.call(function, method, path, query=query, body=body, **headers)
        self.api_ms.append(taken)
        self.calls += 1
        self.errors += answer["statusCode"] >= 400
        return answer


def cases(watch: Watch) -> dict[str, dict[str, float]]:
    """What the handlers take, by the cases of the peer."""
    from videos import serve_conversations, serve_videos
    from videos.videos import question_of
    from videos.wire import cursor_of

    question = question_of(TENANT, [])
    deep = cursor_of(question, place_behind(DEPTH))
    asked: dict[str, tuple[Any, str, str]] = {
        "videos, first page": (serve_videos, "/api/v1/videos", f"limit={PAGE}"),
        "videos, row 10,000": (serve_videos, "/api/v1/videos", f"limit={PAGE}&cursor={deep}"),
        "a video with its scenes": (serve_videos, "/api/v1/videos/bench-00000000", ""),
        "conversations": (serve_conversations, "/api/v1/conversations", f"limit={PAGE}"),
    }
    figures = {}
    for name, (function, path, query) in asked.items():
        watch.call(function, "GET", path, query)
        taken = []
        for _ in range(TIMES):
            answer = watch.call(function, "GET", path, query)
            taken.append(watch.api_ms[-1])
        figures[name] = {
            "p50_ms": round(statistics.median(taken), 2),
            "p95_ms": p95(taken),
            "statements": watch.counting.statements,
            "bytes": length(answer),
        }
    return figures


def targets(watch: Watch) -> dict[str, float]:
    from tasks import serve_batches, serve_lists, serve_tasks

    one = {"kind": "video_generation", "params": {"topic": "tides"}}
    path = "/api/v1/tasks"
    single = rate(watch, "creation", 100, lambda: watch.call(serve_tasks, "POST", path, body=one))
    batch = {"items": [one] * 50}
    batches = rate(watch, "batch of 50", 4, lambda: watch.call(serve_batches, "POST", f"{path}/batch", body=batch)) * 50
    drawn, hits = random.Random(7), 0
    seen = [min(PAGES, int(drawn.paretovariate(1))) for _ in range(READS)]

    def read() -> None:
        nonlocal hits
        watch.call(serve_lists, "GET", f"{path}/summary", f"page={seen.pop()}")
        hits += not watch.counting.statements

    reads = rate(watch, "read", READS, read)
    return {
        "api_p95_ms": p95(watch.api_ms),
        "database_p95_ms": p95(watch.database_ms),
        "creations_a_second": round(single, 1),
        "creations_a_second_in_batches": round(batches, 1),
        "reads_a_second": round(reads, 1),
        "hit_rate": round(hits / READS, 3),
        "error_rate": round(watch.errors / watch.calls, 4),
    }


def sizes(watch: Watch) -> dict[str, float]:
    """Of a list with all fields and of its summary; and the requests that a hundred creations are."""
    from tasks import serve_lists

    full, summary = (
        length(watch.call(serve_lists, "GET", path, f"page_size={PAGE}"))
        for path in ("/api/v1/tasks", "/api/v1/tasks/summary")
    )
    return {
        "list_bytes": full,
        "summary_bytes": summary,
        "summary_saves": round(1 - summary / full, 3),
        "requests_of_100_creations": 100,
        "requests_of_100_creations_in_batches": 1,
    }


def rate(watch: Watch, name: str, times: int, work: Callable[[], object]) -> float:
    """How often a second one process does this, without AWS's time.

    `watch` keeps its processor time, with AWS's client: it says less of what else the machine does.
    """
    before, cpu = len(watch.api_ms), time.process_time()
    for _ in range(times):
        work()
    watch.cpu_ms[name] = round((time.process_time() - cpu) * 1000 / times, 2)
    return times / (sum(watch.api_ms[before:]) / 1000)


def length(answer: dict[str, Any]) -> int:
    """Of a body, uncompressed."""
    body: str = answer["body"]
    return len(gzip.decompress(base64.b64decode(body)) if answer.get("isBase64Encoded") else body.encode())


def p95(values: list[float]) -> float:
    return round(sorted(values)[int(len(values) * 0.95)], 2)


def place_behind(depth: int) -> Any:
    """Return the place of the tenant's task behind `depth` others."""
    from longhaul import database
    from longhaul.tasks.listing import Place

    sql = "SELECT id, created_at FROM tasks WHERE tenant_id = %s ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %s"
    with database.connection() as session:
        row = session.run("place", sql, (TENANT, depth)).fetchone()
    assert row, f"the tenant has fewer than {depth} tasks: fill more thousands"
    return Place(row["created_at"], int(row["id"]))


def show(figures: dict[str, Any], console: Console) -> None:
    load = f"{figures['tasks']:,} tasks, load average {figures['load_average']}"
    table = Table("", "target", "measured", title=load)
    for name, (sign, bound) in TARGETS.items():
        table.add_row(name.replace("_", " "), f"{sign} {bound:g}", f"{figures['targets'][name]:g}")
    console.print(table)
    table = Table("", "before p50 ms", "p95", "SQL", "after p50 ms", "p95", "SQL")
    for name, after in figures["after"].items():
        before = figures["before"].get(name) or {}
        shown = [str(before.get(key, "-")) for key in ("p50_ms", "p95_ms", "statements")]
        table.add_row(name, *shown, *(str(after[key]) for key in ("p50_ms", "p95_ms", "statements")))
    console.print(table)
    console.print(json.dumps({"cpu_ms": figures["cpu_ms"], **figures["sizes"]}))


if __name__ == "__main__":
    main()
