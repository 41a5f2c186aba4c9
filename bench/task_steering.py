"""The cost of each writing route among 200,000 tasks, 100,000 of them the caller's: time, statements, AWS calls.

It fills a database of its own and calls the handlers as Lambda does. The floor is one guarded UPDATE of one row and its
COMMIT on the same connection. The figures go to task_steering.json.
"""

import argparse
import contextlib
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from bench.calls_data import Server, own_database
from bench.counting import Counting
from bench.environment import environment
from bench.task_lists import TENANT, fill

TIMES = 40
BATCH = 100
TASKS = "/api/v1/tasks"
PROVINCE = {"kind": "hospital_province_refresh", "params": {"province": "海南省"}}

type Request = dict[str, Any]  # {function, method, path, query?, body?}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="the server (%(default)s)")
    arguments.add_argument("--thousands", type=int, default=200, help="of tasks, half of them one tenant's")
    given = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        server = Server.at(given.database_url)
        name = stack.enter_context(own_database(server, keep=False))
        stack.enter_context(environment(server.secret(name)))
        from database import schema

        schema.migrate()
        fill(server, name, given.thousands)
        schema.create_lanes()
        _empty_lanes()
        routes = measure()
    figures = {"tasks": given.thousands * 1000, "load_average": round(os.getloadavg()[0], 1), "routes": routes}
    show(figures)
    write_results("task_steering.json", figures)


def _empty_lanes() -> None:
    """Cancel the pending tasks, as they exceed the queue's limit."""
    from longhaul import database

    with database.connection() as session:
        session.run("end", "UPDATE tasks SET status = 'SUCCEEDED' WHERE status IN ('PENDING', 'RUNNING')", {})
        session.run("widen", "UPDATE lanes SET max_queued = 20000, paused = 1", {})


def measure() -> dict[str, dict[str, Any]]:
    counting = Counting(TENANT)
    figures = {}
    for name, (status, made) in requests().items():
        taken, statements, calls = [], [], Counter[str]()
        for request in made:
            answer, milliseconds = counting.call(**request)
            assert answer["statusCode"] == status, answer
            taken.append(milliseconds)
            statements.append(counting.statements)
            calls = Counter(counting.aws_calls)
        figures[name] = {
            "p50_ms": round(statistics.median(taken), 2),
            "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 2),
            "statements": statistics.mode(statements),
            "aws_calls": dict(calls),
        }
    return figures | {"floor": floor()}


def requests() -> dict[str, tuple[int, Iterator[Request]]]:
    """Return by name: the expected status, and the requests, each made when it is sent."""
    from tasks import serve_batches, serve_queue, serve_tasks

    numbers = count()

    def another() -> str:
        """Return another priority than the last time: setting the present one would cost less."""
        return ("low", "high")[next(numbers) % 2]

    def each(make: Callable[[], Request]) -> Iterator[Request]:
        return (make() for _ in range(TIMES))

    def submit(**more: Any) -> Request:
        return {"function": serve_tasks, "method": "POST", "path": TASKS, "body": PROVINCE | more}

    def steer(action: str, status: str) -> Request:
        return {"function": serve_tasks, "method": "POST", "path": f"{TASKS}/{_task(status)}/{action}"}

    def change(**body: Any) -> Request:
        return {"function": serve_tasks, "method": "PATCH", "path": f"{TASKS}/{_task('PENDING')}", "body": body}

    def many(method: str, path: str, **more: Any) -> Request:
        return {"function": serve_batches, "method": method, "path": path, **more}

    def changes() -> list[Request]:
        priority = another()
        return [{"task_id": task_id, "priority": priority} for task_id in _tasks("PENDING", BATCH)]

    return {
        "POST /tasks": (202, each(submit)),
        "POST /tasks, with a key": (
            202,
            each(lambda: submit() | {"idempotency_key": f"key-{next(numbers)}"}),
        ),
        "POST /tasks/{id}/cancel, waiting": (200, each(lambda: steer("cancel", "PENDING"))),
        "POST /tasks/{id}/pause": (200, each(lambda: steer("pause", "RUNNING"))),
        "POST /tasks/{id}/resume": (200, each(lambda: steer("resume", "PAUSED"))),
        "POST /tasks/{id}/retry": (200, each(lambda: steer("retry", "FAILED"))),
        "PATCH /tasks/{id}": (200, each(lambda: change(priority=another()))),
        "GET /queue": (200, each(lambda: {"function": serve_queue, "method": "GET", "path": "/api/v1/queue"})),
        "PATCH /queue/{kind}": (
            200,
            each(
                lambda: {
                    "function": serve_queue,
                    "method": "PATCH",
                    "path": f"/api/v1/queue/{PROVINCE['kind']}",
                    "body": {"max_queued": 20_000},
                }
            ),
        ),
        "POST /tasks/batch, of 100": (
            200,
            each(lambda: many("POST", f"{TASKS}/batch", body={"items": [PROVINCE] * BATCH})),
        ),
        "PATCH /tasks/batch, of 100": (200, each(lambda: many("PATCH", f"{TASKS}/batch", body={"items": changes()}))),
        "POST /tasks/actions, dry run": (
            200,
            each(
                lambda: many(
                    "POST",
                    f"{TASKS}/actions",
                    body={"action": "cancel", "filter": {"status": ["PENDING"]}, "dry_run": True},
                )
            ),
        ),
        "POST /tasks/actions": (
            202,
            each(
                lambda: many("POST", f"{TASKS}/actions", body={"action": "cancel", "filter": {"status": ["PENDING"]}})
            ),
        ),
    }


def _task(status: str) -> str:
    return _tasks(status, 1)[0]


def _tasks(status: str, number: int) -> list[str]:
    """Return tasks of the tenant with this status. For RUNNING, a waiting task is first set to it."""
    from longhaul import database

    with database.connection() as session:
        if status == "RUNNING":
            waiting = (
                "UPDATE tasks SET status = 'RUNNING', attempt = 1 WHERE tenant_id = %s AND status = 'PENDING' LIMIT 1"
            )
            session.run("start", waiting, [TENANT])
        chosen = "SELECT task_id FROM tasks WHERE tenant_id = %s AND status = %s ORDER BY created_at LIMIT %s"
        rows = session.run("choose", chosen, [TENANT, status, number]).fetchall()
    return [row["task_id"] for row in rows]


def floor() -> dict[str, float]:
    from longhaul import database

    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        with database.transaction() as tx:
            tx.run("floor", "UPDATE tasks SET heartbeat_at = UTC_TIMESTAMP(6) WHERE id = 50000", {})
        taken.append((time.perf_counter() - started) * 1000)
    return {"p50_ms": round(statistics.median(taken), 2), "p95_ms": round(sorted(taken)[int(TIMES * 0.95)], 2)}


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"{figures['tasks']:,} tasks, load average {figures['load_average']}; without AWS's time")
    for heading in ("", "p50 ms", "p95 ms", "SQL", "AWS"):
        table.add_column(heading, justify="right" if heading in ("p50 ms", "p95 ms", "SQL") else "left")
    for name, row in figures["routes"].items():
        calls = ", ".join(f"{number} {action}" for action, number in row.get("aws_calls", {}).items())
        table.add_row(name, f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}", str(row.get("statements", "")), calls)
    Console().print(table)


if __name__ == "__main__":
    main()
