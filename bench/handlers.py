"""The processor time of a cold start and of the four hottest requests, beside FastAPI on the same MariaDB.

It fills a database of its own and calls handlers as Lambda does: a task that is cached, a submission, a page of calls
with twenty signed recordings that is cached, and one that is not. FastAPI and SQLAlchemy serve the same rows in turn
(bench/peers/fastapi_handlers.py; left out where its packages cannot be installed). Times are processor milliseconds of
the whole process, so what else the machine does hardly counts. A cold start is a new process that imports a function
and gives its first answer. Beside them stand the round trips of `ask_model` and what a million steps cost by list
price, both counted. The figures go to handlers.json.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import calls_data, results_folder, write_results
from bench.asking_trips import asking_trips
from bench.calls_data import Server, own_database
from bench.counting import request_event
from bench.environment import environment
from bench.handler_parts import Context
from bench.step_prices import step_prices
from bench.workload_peers import Peer

TENANT = calls_data.TENANT
NUMBERS = count()  # of roles: the same one twice is one task
ROUNDS, TIMES, COLD_STARTS = 4, 60, 7
PARTS = ("cold_start", "handlers_cpu_ms", "ask_model_round_trips", "a_million_steps")
GOAL_COLD_START = 170.0
COLD_START = """
import contextlib, io, json, sys, time
event = json.loads(sys.argv[1])
began = time.process_time()
import tasks.serve_tasks as function
imported = time.process_time()
from bench.handler_parts import Context
ready = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    answer = function.handler(event, Context())
answered = time.process_time()
assert answer["statusCode"] == 202, answer
print((imported - began) * 1000, (answered - ready) * 1000, len(sys.modules))
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    arguments.add_argument("--part", action="append", choices=PARTS, help="measure this alone; may be given again")
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="of each request and its peer (%(default)s)")
    given = arguments.parse_args()
    server, console = Server.at(given.database_url), Console()
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(own_database(server, keep=False))
        stack.enter_context(surroundings(server, name))
        figures = measure(server, name, given.part or PARTS, given.rounds)
    show(figures, console)
    write_results("handlers.json", known_figures() | figures)


def known_figures() -> dict[str, Any]:
    """What was written before."""
    path = results_folder() / "handlers.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known


@contextlib.contextmanager
def surroundings(server: Server, name: str) -> Iterator[None]:
    """The environment of all functions that are called, and a migrated database with a few campaigns."""
    with environment(server.secret(name)):
        os.environ.update(
            NOTICES_QUEUE_URL=os.environ["DISPATCH_QUEUE_URL"],  # nobody takes from either
            KIND_MODULES="calls.kinds,diagnosis.kinds,roles.kinds,tasks.kinds",
        )
        from database import schema
        from longhaul.observability import logger, metrics

        metrics.provider.namespace = os.environ["POWERTOOLS_METRICS_NAMESPACE"]  # both were made before the environment
        logger.setLevel("ERROR")
        schema.migrate()
        schema.create_lanes()
        calls_data.fill(server, name, calls_data.campaigns(2_000))
        yield


def measure(server: Server, name: str, parts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return the figures of each part, with the load that the machine had."""
    measures: dict[str, Callable[[], Any]] = {
        "cold_start": cold_start,
        "handlers_cpu_ms": lambda: handlers(server, name, rounds),
        "ask_model_round_trips": lambda: asking_trips(TENANT),
        "a_million_steps": step_prices,
    }
    return {part: {"load_average": round(os.getloadavg()[0], 1), **measures[part]()} for part in parts}


def handlers(server: Server, name: str, rounds: int) -> dict[str, Any]:
    """Return by who serves them the processor milliseconds of each request."""
    task_id = submitted_task()
    login = "{user}:{password}@{host}:{port}".format_map(server.options)
    database = f"mysql+pymysql://{login}/{name}?charset=utf8mb4"
    peer = Peer("fastapi_handlers", f"--database={database}", f"--task={task_id}", f"--campaign={calls_data.RECORDED}")
    try:
        ours, theirs = take_turns(cases(task_id), peer, rounds)
    finally:
        peer.stop()
    return {"longhaul": ours, "fastapi": theirs}


def cold_start() -> dict[str, float]:
    """Of `serve_tasks`: its import, and the first submission with its connections."""
    found = [
        subprocess.run(
            [sys.executable, "-c", COLD_START, json.dumps(submission())], stdout=subprocess.PIPE, text=True, check=True
        )
        for _ in range(COLD_STARTS)
    ]
    imports, firsts, modules = zip(*(map(float, one.stdout.split()) for one in found), strict=True)
    return {
        "import_cpu_ms": round(statistics.median(imports), 1),
        "first_answer_cpu_ms": round(statistics.median(firsts), 1),
        "cpu_ms": round(statistics.median(map(sum, zip(imports, firsts, strict=True))), 1),
        "goal_cpu_ms": GOAL_COLD_START,
        "modules": modules[0],
    }


def submission() -> dict[str, Any]:
    """The event of a submission of a new role."""
    body = {"kind": "role_creation", "params": {"task_id": f"T-{next(NUMBERS)}", "strategy_id": "S"}}
    return request_event(TENANT, "POST", "/api/v1/tasks", body=body)


def submitted_task() -> str:
    from tasks import serve_tasks

    answer = called(serve_tasks, submission())
    task_id: str = json.loads(answer["body"])["task_id"]
    from longhaul import database

    with database.connection() as session:  # a place in the queue is a statement more, which an ended task has not
        session.run("end", "UPDATE tasks SET status = 'SUCCEEDED', progress = 100 WHERE task_id = %s", [task_id])
    return task_id


def cases(task_id: str) -> dict[str, Callable[[], float]]:
    """Return by name what serves one request, and returns its processor milliseconds."""
    from calls import query_page
    from calls.freshness import forget_pages
    from tasks import read_task, serve_tasks

    task = request_event(TENANT, "GET", f"/api/v1/tasks/{task_id}")
    page = request_event(TENANT, "POST", "/api/query-task-execution", body={"task_id": calls_data.RECORDED})

    def missed() -> float:
        forget_pages(calls_data.RECORDED)
        return timed(query_page, page)

    return {
        "task_hit": lambda: timed(read_task, task),
        "submit": lambda: timed(serve_tasks, submission()),
        "page_hit": lambda: timed(query_page, page),
        "page_miss": missed,
    }


def take_turns(
    ours: dict[str, Callable[[], float]], peer: Peer, rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the medians of each case, of the handlers and of the peer."""
    mine: dict[str, list[float]] = {name: [] for name in ours}
    theirs: dict[str, list[float]] = {name: [] for name in ours}
    for _ in range(rounds):
        for name, serve in ours.items():
            serve()
            mine[name] += [serve() for _ in range(TIMES)]
        for name, milliseconds in peer.run(TIMES).items():
            theirs[name].append(milliseconds)
    return (
        {name: round(statistics.median(values), 3) for name, values in mine.items()},
        {name: round(statistics.median(values), 3) for name, values in theirs.items() if values},
    )


def timed(function: Any, event: dict[str, Any]) -> float:
    before = time.process_time()
    called(function, event)
    return (time.process_time() - before) * 1000


def called(function: Any, event: dict[str, Any]) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()):  # the metrics, which Lambda takes from there
        answer: dict[str, Any] = function.handler(event, Context())
    assert answer["statusCode"] in (200, 202), answer
    return answer


def show(figures: dict[str, Any], console: Console) -> None:
    if cold := figures.get("cold_start"):
        console.print("cold start, processor ms:", cold)
    if cpu := figures.get("handlers_cpu_ms"):
        table = Table("processor ms", "Longhaul", "FastAPI", title=f"load average {cpu['load_average']}")
        for name, milliseconds in cpu["longhaul"].items():
            table.add_row(name.replace("_", " "), f"{milliseconds:.2f}", f"{cpu['fastapi'].get(name, '-')}")
        console.print(table)
    for part in PARTS[2:]:
        if part in figures:
            console.print(part, json.dumps(figures[part], indent=1))


if __name__ == "__main__":
    main()
