"""DBOS: a workflow of steps, one after the other, or with `--queue` a workflow a step.

The queue limits nothing, as a limit of five would wait for its polling. What DBOS does it stores in Postgres; that is
its progress, too.
"""

import argparse

import psycopg
from dbos import DBOS
from psycopg import sql

from bench.peers import serve

QUEUE, POLLING_SECONDS = "bench", 0.05


@DBOS.step()
def do_step(number: int) -> dict[str, int]:
    return {"square": number**2}


@DBOS.workflow()
def run_steps(steps: int) -> int:
    return sum(do_step(number)["square"] for number in range(steps))


@DBOS.workflow()
def run_one(number: int) -> dict[str, int]:
    return do_step(number)


@DBOS.workflow()
def fan_out(steps: int) -> int:
    handles = [DBOS.enqueue_workflow(QUEUE, run_one, number) for number in range(steps)]
    return sum(handle.get_result()["square"] for handle in handles)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", required=True, help="postgresql://..., which is made")
    arguments.add_argument("--queue", action="store_true")
    given = arguments.parse_args()
    DBOS(config={"name": "bench", "system_database_url": given.database, "log_level": "ERROR"})
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLLING_SECONDS)
    how, work = ("a workflow a step, by a queue", fan_out) if given.queue else ("the steps of one workflow", run_steps)
    serve(f"DBOS, Postgres: {how}", work)
    DBOS.destroy()
    _drop(given.database)


def _drop(database: str) -> None:
    """Drop the database, which DBOS has made."""
    server, _, name = database.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
