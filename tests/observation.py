"""What a running stack shows of itself: its tasks over HTTP, the rows in its database, its processes, its queues.

For the end-to-end and the fault tests: they assert on these, never on the passing of time.
"""

import contextlib
import functools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import pymysql
from pymysql.cursors import DictCursor

from local.running import Answer, RunningStack, eventually
from local.template.model import STACK_NAME
from longhaul.database import connections

KIND = "hospital_province_refresh"
PAGE = "/api/query-task-execution"
TENANT = "local"
FIGURES = (  # of a task's statistics: what has been done, which only grows
    "cities_processed",
    "districts_processed",
    "hospitals_found",
    "final",
    "connected",
    "interested",
    "talk_seconds",
)
LOOK_EVERY = 0.1
SETTLE_SECONDS = 120.0

type Row = dict[str, Any]


class Watch:
    """A task's documents, as they were polled one after the other while it was watched."""

    def __init__(self) -> None:
        self.documents: list[Row] = []

    def assert_never_back(self) -> None:
        """Neither progress nor a figure of the statistics was ever lower than before, and none is over the whole."""
        assert len(self.documents) > 2, "too little was seen"
        progress = [document["progress"] for document in self.documents]
        assert progress == sorted(progress)
        assert progress[-1] <= 100
        for name in FIGURES:
            figures = [document["statistics"].get(name, 0) for document in self.documents]
            assert figures == sorted(figures), name


class Observer:
    """Submits to a stack and looks at what comes of it."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self._physical: dict[str, str] = {}

    # ------------------------------------------------------------------------------------------------- over HTTP

    @functools.cached_property
    def token(self) -> str:
        """One token of every scope for all requests: to sign one costs more than to send one."""
        return self.stack.token(TENANT)

    def request(self, method: str, path: str, **options: Any) -> Answer:
        """Past the cache: the tests write rows by SQL, of which nobody tells it."""
        headers = {"cache-control": "no-cache", **options.pop("headers", {})}
        return self.stack.request(method, path, **{"token": self.token, "headers": headers, **options})

    def get(self, path: str) -> Row:
        answer = self.request("GET", path)
        assert answer.status == 200, answer.body.decode()
        document: Row = answer.json()
        return document

    def post(self, path: str, body: Row) -> Row:
        answer = self.request("POST", path, json=body)
        assert answer.status in (200, 202), answer.body.decode()
        document: Row = answer.json()
        return document

    def submit(self, province: str) -> str:
        """Submit a refresh; return the task's id."""
        return str(self.post("/api/v1/tasks", {"kind": KIND, "params": {"province": province}})["task_id"])

    def call(self, leads: Sequence[Row], **params: Any) -> str:
        """Submit a campaign; return the task's id."""
        params = {"name": "秋季回访", "script_id": "script-1", "leads": list(leads), **params}
        return str(self.post("/api/v1/tasks", {"kind": "call_campaign", "params": params})["task_id"])

    def page(self, task_id: str, **asked: Any) -> Row:
        """A page of a campaign's calls."""
        return self.post(PAGE, {"task_id": task_id, **asked})

    def read(self, task_id: str) -> Row:
        return self.get(path_of(task_id))

    def cancel(self, task_id: str) -> Answer:
        return self.steer(task_id, "cancel")

    def steer(self, task_id: str, action: str) -> Answer:
        """Ask for `cancel`, `pause` or `resume`."""
        return self.request("POST", f"{path_of(task_id)}/{action}")

    def ended(self, task_id: str, seconds: float = 90.0) -> Row:
        """Wait until the task has ended, by its row; return its document."""
        eventually(lambda: self.task(task_id)["finished_at"], seconds)
        return self.read(task_id)

    def refresh(self, province: str) -> Row:
        """Submit a refresh and wait for its end."""
        return self.ended(self.submit(province))

    @contextlib.contextmanager
    def watching(self, task_id: str) -> Iterator[Watch]:
        """Poll the task as its caller would until the block ends, and once more then. 503 is an answer, 500 is not."""
        watch, done = Watch(), threading.Event()
        refused: list[bytes] = []

        def look() -> None:
            answer = self.request("GET", path_of(task_id))
            if answer.status == 200:
                watch.documents.append(answer.json())
            elif answer.status != 503:
                refused.append(answer.body)

        def poll() -> None:
            while not done.wait(LOOK_EVERY):
                look()

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield watch
        finally:
            done.set()
            thread.join()
        look()
        assert refused == []

    # -------------------------------------------------------------------------------------------- in the database

    def sql(self, statement: str, *parameters: Any) -> list[Row]:
        """Run a statement on a connection of its own: the database may have been away since the last one."""
        connection = pymysql.connect(
            unix_socket=self._secret["unix_socket"],  # the embedded engine has no other address
            user=self._secret["username"],
            database=self._secret["dbname"],
            charset="utf8mb4",
            conv=connections.CONVERSIONS,
            autocommit=True,
            cursorclass=DictCursor,
            ssl_disabled=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def task(self, task_id: str) -> Row:
        (row,) = self.sql("SELECT * FROM tasks WHERE task_id = %s", task_id)
        return row

    def events(self, task_id: str) -> list[str]:
        """What happened to the task, in order."""
        rows = self.sql("SELECT event FROM task_events WHERE task_id = %s ORDER BY id", task_id)
        return [row["event"] for row in rows]

    def steps(self, task_id: str) -> dict[str, Row]:
        """The task's steps by key."""
        rows = self.sql("SELECT * FROM task_steps WHERE task_id = %s ORDER BY step_key", task_id)
        return {row["step_key"]: row for row in rows}

    def done(self, task_id: str, level: str = "district") -> set[str]:
        """The codes of the level's divisions whose step has SUCCEEDED."""
        steps = self.steps(task_id).items()
        return {key.split("/")[1] for key, row in steps if row["level"] == level and row["status"] == "SUCCEEDED"}

    @functools.cached_property
    def _secret(self) -> Row:
        found = self.aws("secretsmanager").get_secret_value(SecretId=f"{STACK_NAME}/database")
        secret: Row = json.loads(found["SecretString"])
        return secret

    # ------------------------------------------------------------------------------------------------ around them

    def aws(self, service: str) -> Any:
        """A client of the stack's AWS."""
        return self.stack.aws(service)

    def physical(self, logical_id: str) -> str:
        """What CloudFormation made of a resource of the template; a queue's is its URL."""
        if logical_id not in self._physical:
            found = self.aws("cloudformation").describe_stack_resource(
                StackName=STACK_NAME, LogicalResourceId=logical_id
            )
            self._physical[logical_id] = found["StackResourceDetail"]["PhysicalResourceId"]
        return self._physical[logical_id]

    def settle(self) -> None:
        """Wait until no function is at work, three looks running."""
        eventually(lambda: all(self._idle() for _ in range(3)), SETTLE_SECONDS)

    def _idle(self) -> bool:
        time.sleep(0.05)
        return not any(worker["busy"] for worker in self.stack.about()["workers"])


def path_of(task_id: str) -> str:
    return f"/api/v1/tasks/{quote(task_id)}"
