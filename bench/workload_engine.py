"""The engine of code-first workloads in this process: its functions called as the state machine calls them.

What is counted is everything but the step's own work: planning, running, counting the progress, finishing. The progress
messages are handed to `update_progress` as SQS does where they wait: 50 at once.
"""

import contextlib
import io
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.calls_data import Server, own_database
from bench.counting import Counting
from bench.environment import environment
from bench.handler_parts import Context

TENANT = "bench"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:run-step"
MESSAGES = 50  # that update_progress is given at once, as in its deployment.yaml
PARTS = ("plan", "run", "progress", "finish")

type Cost = dict[str, float]  # {wall_ms, cpu_ms, aws_ms, statements, round_trips, aws_calls}


@contextlib.contextmanager
def engine(server: Server) -> Iterator["Engine"]:
    """The functions' environment, on a migrated database of its own."""
    with own_database(server, keep=False) as name, environment(server.secret(name)):
        os.environ.update(
            KIND_MODULES="tasks.kinds,bench.instant",
            STEP_FUNCTIONS=json.dumps({"RunStep": FUNCTION}),
            WORKFLOW_ARNS=json.dumps({"RunWorkload": "arn:aws:states:us-east-1:123456789012:stateMachine:RunWorkload"}),
        )
        from bench.instant import SAVED
        from database import schema
        from longhaul import database
        from longhaul.observability import logger

        logger.setLevel("ERROR")  # it was made before this environment
        schema.migrate()
        schema.create_lanes()
        with database.connection() as session:
            session.run("saved", SAVED, {})
        yield Engine()


class _Context(Context):
    """As of a call that has just begun."""

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # Powertools' is static
        return 900_000


class Engine:
    """Runs tasks of instant steps to their end, one batch after the other."""

    def __init__(self) -> None:
        self._counting = Counting(TENANT)
        self._trips = count_round_trips()

    def run(self, kind: str, items: int) -> dict[str, Cost]:
        """Run one task. Returns the cost of each part, and of the `whole`, by step; `batches` of the running part."""
        from engine import finish_task, plan_stage, run_step

        request = {"task_id": _submitted(kind, items), "attempt": 1}
        costs, batches = {part: Counter[str]() for part in PARTS}, 0
        while (page := self._call(costs["plan"], plan_stage, request))["next"] == "run":
            for batch in page["batches"]:
                outcome = self._call(costs["run"], run_step, request | batch | {"stage": page["stage"]})
                assert outcome["next"] == "done", outcome
                batches += 1
        self._count_progress(costs["progress"])
        assert self._call(costs["finish"], finish_task, request) == {"finished": True}
        whole = sum(costs.values(), Counter[str]())
        of_step = {part: {name: value / items for name, value in cost.items()} for part, cost in costs.items()}
        run = {name: value / batches for name, value in costs["run"].items()}
        return of_step | {"whole": {name: value / items for name, value in whole.items()}, "batch": run}

    def _count_progress(self, cost: Counter[str]) -> None:
        import boto3

        from tasks import update_progress

        sqs, url = boto3.client("sqs"), os.environ["PROGRESS_QUEUE_URL"]
        while bodies := _received(sqs, url):
            records = [
                {"messageId": str(number), "body": body, "eventSource": "aws:sqs", "attributes": {}}
                for number, body in enumerate(bodies)
            ]
            answer = self._call(cost, update_progress, {"Records": records})
            assert answer == {"batchItemFailures": []}, answer

    def _call(self, cost: Counter[str], function: Any, event: dict[str, Any]) -> Any:
        """Call a function (a module), and add what it cost."""
        counting = self._counting
        counting.statements, counting.aws_ms, trips = 0, 0.0, self._trips["sent"]
        counting.aws_calls.clear()
        started, processor = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):  # the metrics, which Lambda takes from there
            answer = function.handler(event, _Context())
        wall, processor = time.perf_counter() - started, time.process_time() - processor
        cost.update(
            {
                "wall_ms": wall * 1000,
                "cpu_ms": processor * 1000,
                "aws_ms": counting.aws_ms,
                "statements": counting.statements,
                "round_trips": self._trips["sent"] - trips,
                "aws_calls": counting.aws_calls.total(),
            }
        )
        return answer


def _submitted(kind: str, items: int) -> str:
    """Return the id of a task that RUNS, without the workflow that the dispatcher would start."""
    from longhaul import database
    from longhaul.tasks.submission import Submission, submit

    task = submit(Submission(TENANT, "bench", kind, {"items": items})).task
    start = "UPDATE tasks SET status = 'RUNNING', attempt = 1, started_at = UTC_TIMESTAMP(6) WHERE task_id = %s"
    with database.connection() as session:
        session.run("start", start, [task.task_id])
    return task.task_id


def _received(sqs: Any, url: str) -> list[str]:
    bodies: list[str] = []
    while len(bodies) < MESSAGES:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            break
        bodies += [message["Body"] for message in messages]
        entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return bodies


def count_round_trips() -> Counter[str]:
    """Count from now on each command that is sent to the database: statements, BEGIN, COMMIT, pings."""
    from pymysql import connections

    Connection: Any = connections.Connection  # noqa: N806 (its types hide the method)
    sent, execute = Counter[str](), Connection._execute_command

    def counted(connection: Any, command: Any, sql: Any) -> None:
        sent["sent"] += 1
        execute(connection, command, sql)

    Connection._execute_command = counted
    return sent
