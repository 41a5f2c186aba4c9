"""What the functions of a workload are given: the task, and for a step also its item and what it can do.

A step may wait without costing anything meanwhile: `raise Later(seconds=15)`, or `raise callback`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools import Logger
from pydantic import BaseModel, JsonValue

from longhaul import database
from longhaul.database import Session
from longhaul.errors import PermanentError, TaskStopped
from longhaul.observability import logger
from longhaul.tasks import steps
from longhaul.tasks.model import StepStatus, Task, TaskError
from longhaul.workloads import store
from longhaul.workloads.store import OpenItem

if TYPE_CHECKING:
    from longhaul.workloads.spending import Llm, Purse

MAX_LATER_SECONDS = 86_400.0
MAX_CALLBACK_SECONDS = 7 * 86_400
MAX_MEMORY_BYTES = 64 * 1024  # of what one step remembers
REPORT_SECONDS = 1.0  # between two reports of a step that are written
CALLBACK_PATH = "/api/v1/callbacks/"


class Waiting(Exception):
    """The step waits: not a failure."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"waits for {seconds:g} s")
        self.seconds = seconds


class Later(Waiting):
    """Raised by a step: run me again in so many seconds (1 to 86,400). No function runs meanwhile.

    A step that polls remembers with `step.once` what it polls.
    """

    def __init__(self, seconds: float) -> None:
        if not 1 <= seconds <= MAX_LATER_SECONDS:
            raise ValueError(f"a step waits for 1 to {MAX_LATER_SECONDS:g} s, not {seconds:g}")
        super().__init__(seconds)


class Callback(Waiting):
    """What a step waits for from outside. Raise it to wait; when `arrived`, `body` is the JSON that was sent.

    Whoever knows `path` completes it, once: `POST {path}` with a JSON object of at most 64 KB.
    """

    def __init__(self, token: str, body: Mapping[str, Any] | None, seconds: float) -> None:
        super().__init__(seconds)
        self.token = token
        self.body = body

    @property
    def path(self) -> str:
        return CALLBACK_PATH + self.token

    @property
    def arrived(self) -> bool:
        return self.body is not None


class CallbackExpired(PermanentError):
    """Nobody completed the callback in time."""

    code = "callback_expired"


@dataclass(frozen=True)
class Output:
    """What an item of a stage came to: `output` is what its step returned, empty unless it SUCCEEDED; `error` says why
    it FAILED."""

    key: str
    label: str
    status: StepStatus
    output: dict[str, Any]
    error: TaskError | None = None


class Named(Protocol):
    """A stage."""

    name: str


class TaskContext[P: BaseModel]:
    """The task that a plan, a step or a result belongs to. `params` are what was submitted, validated."""

    def __init__(self, task: Task, params: P) -> None:
        self.task_id = task.task_id
        self.tenant_id = task.tenant_id
        self.user_id = task.user_id
        self.attempt = task.attempt
        self.params = params

    def outputs(self, stage: Named | str) -> Iterator[Output]:
        """What the items of an earlier stage came to, in the order in which they were planned, a page at a time.

        `stage` is the stage, or its name.
        """
        name = stage if isinstance(stage, str) else stage.name
        return (
            Output(row.key.removeprefix(f"{name}/"), row.label, row.status, row.output, row.error)
            for row in store.iterate_outputs(self.task_id, name)
        )

    @property
    def log(self) -> Logger:
        """A logger whose lines carry the task's id."""
        logger.append_keys(task_id=self.task_id)
        return logger


@dataclass
class StepRun:
    """One try of a step, as the engine and the context share it."""

    item: OpenItem
    tries: int
    budget: Decimal | None = None
    saves: list[Callable[[Session], object]] = field(default_factory=list)
    reported_at: float = 0.0


class StepContext[P: BaseModel](TaskContext[P]):
    """One try of one item's step. `key`, `label` and `input` are the item's; `tries` counts from 1."""

    def __init__(self, task: Task, params: P, run: StepRun) -> None:
        super().__init__(task, params)
        self._run = run
        self.key = run.item.item_key
        self.label = run.item.label
        self.input: dict[str, Any] = run.item.input
        self.tries = run.tries

    @cached_property
    def llm(self) -> "Llm":
        """The deployment's language models."""
        from longhaul.workloads.spending import Llm  # here, as every function knows every kind and few ask a model

        return Llm(self.purse)

    @cached_property
    def purse(self) -> "Purse":
        """The task's money, for a step that pays a provider itself; `llm` pays by itself."""
        from longhaul.workloads.spending import Purse

        return Purse(self.task_id, self._run.item.step_key, self._run.budget)

    def once[Value: JsonValue](self, name: str, work: Callable[[], Value]) -> Value:
        """What `work` returned the first time, in whichever try that was: it is stored at once.

        For what must not be done again when the step is: `job = step.once("job", lambda: provider.create(...))`. Should
        the worker die between the two, `work` is called again. Raises TaskStopped, and PermanentError when the step
        would remember more than 64 KB.
        """
        memory = self._run.item.memory
        if name not in memory:
            memory[name] = work()
            self._remember()
        value: Value = memory[name]
        return value

    def forget(self, name: str) -> None:
        """Forget what `once` remembers by this name: of a job that failed, so that the next try creates another.

        Raises TaskStopped.
        """
        if name in self._run.item.memory:
            del self._run.item.memory[name]
            self._remember()

    def _remember(self) -> None:
        text = json.dumps(self._run.item.memory, ensure_ascii=False)
        if len(text.encode()) > MAX_MEMORY_BYTES:
            raise PermanentError(f"step {self.key} remembers more than {MAX_MEMORY_BYTES // 1024} KB")
        with database.connection() as session:
            if not store.remember(session, self.task_id, self.attempt, self._run.item.step_key, self.tries, text):
                raise TaskStopped

    def save(self, write: Callable[[Session], object]) -> None:
        """Writes rows of the workload's own in the transaction that finishes the step: both or neither."""
        self._run.saves.append(write)

    def heartbeat(self) -> None:
        """Raises TaskStopped when the task was cancelled or paused. For long steps, so that they end soon."""
        with database.connection() as session:
            if not store.beat(session, self.task_id, self.attempt):
                raise TaskStopped

    def report(self, fraction: float) -> None:
        """How far this item is, 0 to 1; the task's progress counts it. Written once a second. Raises as `heartbeat`."""
        now = time.monotonic()
        if now - self._run.reported_at < REPORT_SECONDS:
            return
        self._run.reported_at = now
        self.heartbeat()
        with database.connection() as session:
            store.report(session, self.task_id, self._run.item.step_key, min(1.0, max(0.0, fraction)))
        steps.announce(self.task_id, self.attempt, self._run.item.stage, self.label)

    def callback(self, *, timeout: int = 3_600) -> Callback:
        """This step's callback, the same in each try. It expires `timeout` seconds (to 7 days) after it was first made.

        Raises CallbackExpired when it has not arrived by then.
        """
        if not 1 <= timeout <= MAX_CALLBACK_SECONDS:
            raise ValueError(f"a callback waits for 1 to {MAX_CALLBACK_SECONDS} s")
        with database.connection() as session:
            found = store.make_callback(session, self.task_id, self.attempt, self._run.item.step_key, timeout)
        if found.body is None and found.seconds_left <= 0:
            raise CallbackExpired(f"nobody completed {self.key} in time")
        return Callback(found.token, found.body, found.seconds_left)
