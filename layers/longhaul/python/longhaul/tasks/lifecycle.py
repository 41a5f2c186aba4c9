"""The life of a task: every change of its status, its priority, its title and its start, alone or with others.

A change is one guarded statement in a transaction, with the event that it leaves. Behind the commit comes
`after_change`: all that follows a change is written there, once. A worker that dies between the two leaves a right row:
cached answers expire within a minute, and recovery finds the rest.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as remembered
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longhaul import cache, database, settings
from longhaul.aws import sqs, workflows
from longhaul.aws.workflows import Attempt
from longhaul.database import Session
from longhaul.errors import AlreadyOpen, WorkflowUnavailable, is_away, is_transient
from longhaul.idempotency import KeyedRequest, claim
from longhaul.observability import logger
from longhaul.tasks import changes, live, progress, publication, store
from longhaul.tasks.changes import RUN_AFTER, Room, Wish
from longhaul.tasks.kinds import kind_named
from longhaul.tasks.model import TRANSITIONS, Status, Task, TaskError, Transition, task_tag, tenant_tag
from longhaul.tasks.store import Values

BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 60.0
AWAY_SECONDS = 15.0  # an inactive function's network interface takes a minute, a database's failover as long

# What a caller may ask for again: the statuses in which that changes nothing and succeeds.
_SO_ALREADY = {
    Transition.CANCEL: (Status.CANCELLED,),
    Transition.PAUSE: (Status.PAUSED,),
    Transition.RESUME: (Status.PENDING, Status.RUNNING),
    Transition.RETRY: (),
}


class Wakeup(BaseModel):
    """To the dispatcher: this kind's lane may have something to start. Losing one costs at most a minute."""

    model_config = ConfigDict(frozen=True)
    kind: str = Field(min_length=1, max_length=64)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: with a result, or with an error."""

    result: dict[str, Any] | None = None
    error: TaskError | None = None


def after_change(tasks: Sequence[Task], *, moved: bool = True, stopping: str = "", heard: bool | None = None) -> None:
    """What follows a change of these tasks' rows, as they are now. Never raises for AWS; calling it twice does no harm.

    Live items follow the rows, cached answers are forgotten, notices are announced. Where a status or a start has
    `moved`, executions of what was cancelled or paused are stopped (with `stopping` as the cause, of any), and the
    dispatcher is woken. `heard`: see `publication.announce`.
    """
    for task in tasks if moved else ():
        if stopping or task.status in (Status.CANCELLED, Status.PAUSED):
            _stop_execution(task, stopping or task.status)
    # The live item of what runs is `following.record_progress`'s; what never ran has none.
    live.overwrite(live.item_of(task) for task in tasks if task.attempt and task.status != Status.RUNNING)
    known = (task_tag(task.task_id) for task in tasks if not task.is_new)  # of a new one nothing is cached
    cache.invalidate(*known, *(tenant_tag(task.tenant_id) for task in tasks))
    publication.announce(tasks, heard=heard)
    lanes: dict[int, set[str]] = defaultdict(set)
    for task in tasks if moved else ():
        if task.status != Status.RUNNING and (delay := _start_delay(task)) <= sqs.MAX_DELAY:
            lanes[delay].add(task.kind)
    for delay, kinds in lanes.items():
        wake(kinds, delay=delay)


def wake(kinds: Iterable[str], *, delay: int = 0) -> None:
    """Wake the dispatcher for these kinds' lanes in `delay` seconds."""
    url = settings.of(settings.DispatchQueue).dispatch_queue_url
    sqs.send(url, [Wakeup(kind=kind) for kind in sorted(kinds)], delay=delay)


def start_execution(task: Task) -> None:
    """Start the run of its present attempt; doing so twice starts one. Raises WorkflowUnavailable."""
    if task.execution_arn is None:
        raise ValueError(f"{task.task_id} has no attempt to start")
    workflows.start(task.execution_arn, Attempt(task_id=task.task_id, attempt=task.attempt))


def close(task_id: str, attempt: int, outcome: Outcome, *, execution_arn: str | None = None) -> bool:
    """Close the task, or requeue it after a transient error, if this is still its attempt. Repeating changes nothing.

    `execution_arn`: the execution that died; nothing happens if it is only a part of the attempt's own.
    """
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None or task.attempt != attempt or execution_arn not in (None, task.execution_arn):
        return False
    if outcome.error and task.retries < task.max_retries and is_transient(outcome.error.code):
        return requeue(task, outcome.error)
    return finish(task, Transition.FAIL if outcome.error else Transition.SUCCEED, outcome)


def finish(task: Task, transition: Transition, outcome: Outcome, *, stopping: str = "") -> bool:
    """To SUCCEEDED or FAILED; False when the task had moved on. `stopping`: why its execution is to end, if it runs."""

    def write(tx: Session) -> Task | None:
        closed = store.finish(
            tx,
            task,
            transition,
            progress.count_final(tx, task),
            result=outcome.result,
            error=outcome.error,
            stage=kind_named(task.kind).final_stage if transition == Transition.SUCCEED else None,
        )
        return store.fetch(tx, task.task_id) if closed else None

    return _settled(database.run_transaction(write), stopping)


def requeue(task: Task, error: TaskError, *, stopping: str = "") -> bool:
    """RUNNING -> PENDING for this attempt, after a back-off; False when the task had moved on."""
    delay = backoff(task.retries, error.code)

    def write(tx: Session) -> Task | None:
        return store.fetch(tx, task.task_id) if store.requeue(tx, task, error, delay) else None

    return _settled(database.run_transaction(write), stopping)


def backoff(retries: int, code: str) -> float:
    """Seconds before the next attempt: 1, 2, 4 .. 60; after an error that says that something is away 15, 30, 60."""
    first = AWAY_SECONDS if is_away(code) else BACKOFF_SECONDS
    return float(min(MAX_BACKOFF_SECONDS, first * 2**retries))


def cancel(task_id: str, tenant_id: str, *, request: KeyedRequest | None = None) -> Task:
    """The task, CANCELLED.

    No step starts after this: each asks the row first. The execution is stopped too, and if that fails it ends by
    itself at its next step. Raises NotFound, IllegalTransition, KeyReused, as the next three do.
    """
    return _move(task_id, tenant_id, Transition.CANCEL, request)


def pause(
    task_id: str, tenant_id: str, *, reason: TaskError | None = None, request: KeyedRequest | None = None
) -> Task:
    """The task, PAUSED: its attempt ends as by `cancel`, its finished steps are kept, its lane is free for another.

    `reason` is the task's error until it is resumed, where its own work asks for the pause.
    """
    return _move(task_id, tenant_id, Transition.PAUSE, request, reason)


def resume(task_id: str, tenant_id: str, *, request: KeyedRequest | None = None) -> Task:
    """The task, PENDING: its next attempt skips the finished steps. One that waits or runs already stays so."""
    return _move(task_id, tenant_id, Transition.RESUME, request)


def retry(task_id: str, tenant_id: str, *, request: KeyedRequest | None = None) -> Task:
    """The task that had FAILED, PENDING: its next attempt does what failed or was not reached, and nothing again.

    It has the retries and the time of a new task. Raises AlreadyOpen when another task has taken its place
    (`Kind.open_key`).
    """
    return _move(task_id, tenant_id, Transition.RETRY, request)


def move_all(tx: Session, transition: Transition, tasks: Sequence[Task], reason: TaskError | None = None) -> list[Task]:
    """Cancel, pause, resume or retry a tenant's tasks that this transaction has locked; those that were moved.

    `after_change` is the caller's to call, behind the commit.
    """
    tenant_id = tasks[0].tenant_id
    if transition not in (Transition.CANCEL, Transition.PAUSE):
        return store.reopen(tx, tenant_id, transition, tasks)
    reached = {task.id: progress.count_final(tx, task) if task.attempt else None for task in tasks}
    moved = store.stop(tx, tenant_id, transition, reached, reason)
    if moved != len(tasks):  # they are locked: the guard cannot have found another status
        raise AssertionError(f"{moved} of {len(tasks)} locked tasks were {transition}")
    return list(tasks)


def change(
    task_id: str,
    tenant_id: str,
    wish: Wish,
    *,
    check: Callable[[Task], None] = lambda _: None,
    request: KeyedRequest | None = None,
) -> Task:
    """The task with the priority, title and start that are wished for.

    One that has ended keeps its priority, and only a PENDING one has a start to change. `check` sees the task as nobody
    else can change it until this is done; what it raises is raised. Raises NotFound, IllegalTransition, InvalidRequest,
    TooManyScheduled, KeyReused.
    """

    def write(tx: Session) -> tuple[Task, Collection[str]]:
        first = claim(tx, request)
        task = _locked(tx, task_id, tenant_id)
        if not first:
            return task, ()
        check(task)
        values = changes.wished(task, wish, remembered(lambda: store.now(tx)), Room(tx, tenant_id))
        if not values.detail:
            return task, ()
        store.change(tx, {task.id: values})
        return store.fetch(tx, task_id) or task, values.detail

    task, changed = database.run_transaction(write)
    if changed:
        after_change([task], moved=RUN_AFTER in changed)
    return task


def hasten(tenant_id: str, wishes: Mapping[str, Sequence[Wish]]) -> dict[str, Task]:
    """The tenant's open tasks by their open keys, each hastened by all who submit for the same thing again.

    Raises DatabaseUnavailable; then none was changed.
    """

    def write(tx: Session) -> tuple[dict[str, Task], dict[str, Values]]:
        opened = store.lock_open(tx, tenant_id, sorted(wishes))
        now = store.now(tx)
        changed = {key: changes.hastened(task, wishes[key], now) for key, task in opened.items()}
        changed = {key: values for key, values in changed.items() if values.detail}
        for key, values in changed.items():
            store.change(tx, {opened[key].id: values})
            opened[key] = store.fetch(tx, opened[key].task_id) or opened[key]
        return opened, changed

    opened, changed = database.run_transaction(write) if wishes else ({}, {})
    for key, values in changed.items():
        after_change([opened[key]], moved=RUN_AFTER in values.detail)
    return opened


def _move(
    task_id: str,
    tenant_id: str,
    transition: Transition,
    request: KeyedRequest | None,
    reason: TaskError | None = None,
) -> Task:
    """The task moved, or as it is where it is so already or the request was carried out before."""

    def write(tx: Session) -> tuple[Task, bool]:
        first = claim(tx, request)
        task = _locked(tx, task_id, tenant_id)
        if not first or task.status in _SO_ALREADY[transition]:
            return task, False
        if task.status not in TRANSITIONS[transition].sources:
            raise changes.refused(task.status, transition)
        if not move_all(tx, transition, [task], reason):
            rival = store.find_rival(tx, task_id) or ""
            raise AlreadyOpen(f"{rival} is open for the same thing", open_task_id=rival)
        return store.fetch(tx, task_id) or task, True

    task, moved = database.run_transaction(write)
    if moved:
        _settled(task)
    return task


def _settled(task: Task | None, stopping: str = "") -> bool:
    if task is None:
        return False
    after_change([task], stopping=stopping)
    logger.info("task settled", extra=task.log_context | {"status": task.status, "error": task.error_code})
    return True


def _locked(tx: Session, task_id: str, tenant_id: str) -> Task:
    task = store.lock(tx, task_id, tenant_id)
    if task is None:
        raise changes.missing(task_id)
    return task


def _stop_execution(task: Task, cause: str) -> None:
    """Stop it, if there ever was one. One that is not to be reached ends by itself: each of its steps asks the row."""
    if task.execution_arn is None:
        return
    try:
        workflows.stop(task.execution_arn, Attempt(task_id=task.task_id, attempt=task.attempt), cause)
    except WorkflowUnavailable as error:
        logger.warning("execution not stopped", extra=task.log_context | {"reason": str(error)})


def _start_delay(task: Task) -> int:
    """Whole seconds until the lane has to look: none, but for a task that is to start later."""
    if task.status != Status.PENDING:
        return 0
    return max(0, math.ceil((task.run_after - task.updated_at).total_seconds()))  # both are the database's times
