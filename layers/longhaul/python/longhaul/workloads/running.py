"""Runs a batch of a stage's items, one after the other, and says what is to be done about those that have not ended.

    begin (counts the try) -> the step's own function -> finish, in one transaction with what it saves

Who is killed leaves the item begun: the next one begins it again and counts one try more. Who was given the same batch
finds each item begun by the other, and leaves it.
"""

import math
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field

from longhaul import database, stored
from longhaul.aws import workflows
from longhaul.aws.workflows import Attempt
from longhaul.errors import PermanentError, StepTimeout, TaskStopped, TransientError
from longhaul.observability import logger
from longhaul.tasks import steps
from longhaul.tasks.model import StepStatus, Task, TaskError
from longhaul.tasks.step_batches import work_through
from longhaul.workloads import budgets, planning, store
from longhaul.workloads.budgets import BudgetChanged, BudgetReached
from longhaul.workloads.contexts import Callback, StepContext, StepRun, Waiting
from longhaul.workloads.declaration import Workload
from longhaul.workloads.documents import document
from longhaul.workloads.stages import Stage
from longhaul.workloads.store import OpenItem

TRANSIENT_RETRIES = 12  # as patient as every workflow is when a provider or the database is away
MAX_BACKOFF_SECONDS = 60.0
CHANGED_SECONDS = 1.0  # until a request is held against the budget that the task has now
SPARE_SECONDS = 20.0  # of the function's time, to write down how it went
MAX_WAIT_SECONDS = 900  # an attempt that is not heard of for longer is taken for dead
ROUND_SECONDS = 1_800  # after which a batch that waits ends: a history holds 25,000 events

_random = random.SystemRandom()


class Batch(Attempt):
    """Items of a stage by their ordinals. `until`: when the batch's execution ends; 0 on its first run."""

    stage: str = Field(min_length=1, max_length=32)
    first: int = Field(ge=1)
    last: int = Field(ge=1)
    until: int = 0
    wakeup: str | None = Field(None, max_length=2048)
    error: dict[str, str] | None = None


class Outcome(BaseModel):
    """`next`: whether the batch has ended, runs again at once, or after `wait` seconds, or by a callback if sooner."""

    next: Literal["done", "again", "wait", "callback"]
    wait: int = 0
    until: int = 0


class BadOutput(PermanentError):
    """What the step returned cannot be stored."""

    code = "bad_output"


class WorkerDied(PermanentError):
    """The step's worker died each time."""

    code = "worker_died"


class _Wait(NamedTuple):
    """What an item waits for: so many seconds, or a callback if that comes sooner."""

    seconds: float
    by_callback: bool = False


def run_batch(request: Batch) -> Outcome:
    """Run what is due of the batch. Never raises for a step's own error: its row tells. Raises DatabaseUnavailable."""
    until = request.until or int(time.time()) + ROUND_SECONDS
    try:
        task, workload = _known(request.task_id, request.attempt)
        stage = workload.stage_named(request.stage)
        if stage is None:
            return Outcome(next="done")  # the next page says that the stage is gone
        with database.connection() as session:
            items = store.open_batch(session, request.task_id, request.attempt, stage.name, request.first, request.last)
        if request.error:
            return _give_up(request, items)
        if request.wakeup:
            return _await(request, items, until)
        return _outcome(_run_all(task, workload, stage, items), until)
    except TaskStopped:
        return Outcome(next="done")


@lru_cache(maxsize=16)
def _known(task_id: str, attempt: int) -> tuple[Task, Workload[Any]]:
    """The task as it was when this process first saw this attempt: its params do not change.

    Whether it still runs, the statement that reads the batch tells. Raises TaskStopped.
    """
    return planning.find(Attempt(task_id=task_id, attempt=attempt))


def _run_all(task: Task, workload: Workload[Any], stage: Stage[Any], items: list[OpenItem]) -> list[_Wait]:
    """Run the items that are due; what those that have not ended wait for."""
    params, ended = stored.read(workload.params, task.params), []
    waits = [_Wait(item.wait, item.token is not None) for item in items if item.wait > 0]

    def run(item: OpenItem) -> None:
        if wait := _run_item(task, params, workload, stage, item):
            waits.append(wait)
        else:
            ended.append(item)

    due = [item for item in items if item.wait <= 0]
    if work_through(due, run, at_once=1, seconds=stage.timeout + SPARE_SECONDS):
        waits.append(_Wait(0.0))
    if ended:
        steps.announce(task.task_id, task.attempt, stage.name, ended[-1].label)
    elif waits:
        steps.beat([task.task_id])
    return waits


def _outcome(waits: list[_Wait], until: int) -> Outcome:
    if not waits or time.time() >= until:
        return Outcome(next="done", until=until)
    seconds = min(MAX_WAIT_SECONDS, *(wait.seconds for wait in waits), until - time.time())
    if min(wait.seconds for wait in waits) <= 0:
        return Outcome(next="again", until=until)
    by_callback = any(wait.by_callback for wait in waits)
    return Outcome(next="callback" if by_callback else "wait", wait=max(1, math.ceil(seconds)), until=until)


def _run_item(task: Task, params: Any, workload: Workload[Any], stage: Stage[Any], item: OpenItem) -> _Wait | None:
    """Run one item; None when it has ended, or another has it. Raises TaskStopped."""
    if item.died and item.tries > stage.retries:
        _fail(task, item, WorkerDied(f"its worker died, at the last of {item.tries} tries"))
        return None
    with database.connection() as session:
        if not store.begin_item(session, task.task_id, task.attempt, item):
            planning.find(Attempt(task_id=task.task_id, attempt=task.attempt))  # raises TaskStopped
            return None
    tries = item.tries + 1
    run = StepRun(item, tries, workload.budget(params))
    try:
        with _limited(stage.timeout):
            output = stage.run(StepContext(task, params, run))
        _finish(task, item, run, _checked(item, output))
    except Waiting as waiting:
        _delay(task, item, tries, waiting.seconds, None)
        return _Wait(waiting.seconds, isinstance(waiting, Callback))
    except TaskStopped:
        raise
    except Exception as error:  # whatever the step raises is its item's end, or its next try
        if isinstance(error, BudgetReached) and workload.over_budget == "pause":
            try:
                budgets.pause(task, error)
            except BudgetChanged:
                _delay(task, item, tries, CHANGED_SECONDS, None)
                return _Wait(CHANGED_SECONDS)
        return _fail_or_delay(task, stage, item, tries, error)
    return None


def _finish(task: Task, item: OpenItem, run: StepRun, output: dict[str, Any]) -> None:
    """Remember what the step returned, with what it saves. Nothing happens when a twin was faster."""
    how: dict[str, Any] = {"status": StepStatus.SUCCEEDED, "units": 1, "output": output}
    if not run.saves:
        with database.connection() as session:
            steps.finish_step(session, task.task_id, task.attempt, item.step_key, **how)
        return

    def write(tx: database.Session) -> None:
        if steps.finish_step(tx, task.task_id, task.attempt, item.step_key, **how):
            for save in run.saves:
                save(tx)

    database.run_transaction(write)


def _checked(item: OpenItem, output: Any) -> dict[str, Any]:
    try:
        return document(output)
    except ValueError as error:
        raise BadOutput(f"what the step of {item.item_key} returned {error}") from error


def _fail_or_delay(task: Task, stage: Stage[Any], item: OpenItem, tries: int, error: Exception) -> _Wait | None:
    allowed = max(stage.retries, TRANSIENT_RETRIES) if _is_away(error) else stage.retries
    if isinstance(error, PermanentError) or tries > allowed:
        logger.warning("step failed", extra=task.log_context | {"step": item.step_key}, exc_info=error)
        _fail(task, item, error)
        return None
    hint = getattr(error, "retry_after", None) or 0.0
    backoff = min(MAX_BACKOFF_SECONDS, 2.0 ** (tries - 1)) * _random.uniform(0.5, 1)
    seconds = max(1.0, backoff, float(hint))
    logger.warning("step will be tried again", extra=task.log_context | {"step": item.step_key, "reason": str(error)})
    _delay(task, item, tries, seconds, error)
    return _Wait(seconds)


def _is_away(error: Exception) -> bool:
    return isinstance(error, TransientError) and not isinstance(error, StepTimeout)


def _delay(task: Task, item: OpenItem, tries: int, seconds: float, error: Exception | None) -> None:
    with database.connection() as session:
        reason = TaskError.of(error) if error else None
        store.delay_item(session, task.task_id, task.attempt, item.step_key, tries, seconds, reason)


def _fail(task: Task, item: OpenItem, error: Exception) -> None:
    with database.connection() as session:
        steps.finish_step(
            session, task.task_id, task.attempt, item.step_key, status=StepStatus.FAILED, error=TaskError.of(error)
        )


def _give_up(request: Batch, items: list[OpenItem]) -> Outcome:
    """The batch's function could not be run, however often: what is left of it failed."""
    error = TaskError.from_cause((request.error or {}).get("Error", ""), (request.error or {}).get("Cause", ""))
    with database.connection() as session:
        for item in items:
            steps.finish_step(
                session, request.task_id, request.attempt, item.step_key, status=StepStatus.FAILED, error=error
            )
    steps.announce(request.task_id, request.attempt, request.stage, items[-1].label if items else "")
    return Outcome(next="done")


def _await(request: Batch, items: list[OpenItem], until: int) -> Outcome:
    """Store the workflow's token with the callbacks that are waited for; wake it if one has arrived meanwhile."""
    waiting = [item.step_key for item in items if item.token]
    with database.connection() as session:
        arrived = store.await_callbacks(session, request.task_id, waiting, request.wakeup or "") if waiting else 1
    if arrived:
        workflows.wake(request.wakeup or "")
    return Outcome(next="again", until=until)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises StepTimeout in the block when it takes longer. Only in a process's main thread, where Lambda calls us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise StepTimeout(f"the step took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
