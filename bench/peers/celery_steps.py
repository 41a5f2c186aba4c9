"""Celery: a task a step, with Redis as broker and result backend, two worker processes, and progress in MySQL.

Each step writes down in its row that it is done. The rows are planned before, as a caller who shows progress has them.
"""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import pymysql
from celery import Celery, group

from bench.peers import serve

CONCURRENCY = 2
READY_SECONDS = 60.0
REDIS = os.environ.get("BENCH_REDIS", "")
app = Celery("bench", broker=REDIS, backend=REDIS)
app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=4)
_open: dict[int, Any] = {}  # connections by process


@app.task(name="do_step")
def do_step(task_id: str, number: int) -> dict[str, int]:
    output = {"square": number**2}
    with _connection().cursor() as cursor:
        cursor.execute(
            "UPDATE steps SET status = 'SUCCEEDED', output = %s, finished_at = UTC_TIMESTAMP(6) "
            "WHERE task_id = %s AND number = %s",
            (f'{{"square":{output["square"]}}}', task_id, number),
        )
    return output


def run(steps: int) -> None:
    """Plan the steps, send them, and wait for their results."""
    task_id = uuid.uuid4().hex
    with _connection().cursor() as cursor:
        planned = [(task_id, number) for number in range(steps)]
        cursor.executemany("INSERT INTO steps (task_id, number, status) VALUES (%s, %s, 'PENDING')", planned)
    group(do_step.s(task_id, number) for number in range(steps)).apply_async().get(timeout=600)


def _connection() -> Any:
    if os.getpid() not in _open:
        at = urlsplit(os.environ["BENCH_DATABASE"])
        _open[os.getpid()] = pymysql.connect(
            host=at.hostname,
            port=at.port or 3306,
            user=at.username or "root",
            password=at.password or "",
            database=at.path.strip("/"),
            autocommit=True,
        )
    return _open[os.getpid()]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--redis-port", type=int, required=True)
    port = arguments.parse_args().redis_port
    if not shutil.which("redis-server"):
        raise SystemExit("there is no redis-server on PATH")
    with _connection().cursor() as cursor:
        cursor.execute(
            "CREATE TABLE steps (task_id CHAR(32), number INT, status VARCHAR(16), output TEXT, "
            "finished_at DATETIME(6), PRIMARY KEY (task_id, number))"
        )
    redis = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    _wait(port)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "bench.peers.celery_steps",
            "worker",
            "-c",
            str(CONCURRENCY),
            "-l",
            "ERROR",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        serve(f"Celery, Redis, {CONCURRENCY} processes, progress in MySQL", run)
    finally:
        app.close()  # before what it is connected to
        for process in (worker, redis):
            process.terminate()
            process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise SystemExit("redis-server does not start")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
