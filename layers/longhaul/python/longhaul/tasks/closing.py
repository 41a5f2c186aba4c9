"""Closing a task: its last state, result and statistics, or another attempt when the error was transient."""

from dataclasses import dataclass
from typing import Any

from longhaul import database, live
from longhaul.database import Session
from longhaul.observability import logger
from longhaul.tasks import hints, retrying, scopes, store, tally, transition_store
from longhaul.tasks.kinds import kind_named
from longhaul.tasks.model import Task, TaskError, Transition


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: with a result, or with an error."""

    result: dict[str, Any] | None = None
    error: TaskError | None = None


def close(task_id: str, attempt: int, outcome: Outcome) -> bool:
    """Close the task if this is still its attempt; whether it was. Repeating it changes nothing.

    Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None or task.attempt != attempt:
        logger.info("nothing to close", extra={"task_id": task_id, "attempt": attempt})
        return False
    if outcome.error and retrying.may_retry(task, outcome.error):
        return retrying.requeue(task, outcome.error)
    return finish(task, Transition.FAIL if outcome.error else Transition.SUCCEED, outcome)


def close_dead(execution_arn: str, task_id: str, attempt: int, error: TaskError) -> bool:
    """Close the attempt whose execution died, if the execution is the attempt's own and not a part of it."""
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None or task.execution_arn != execution_arn:
        return False
    return close(task_id, attempt, Outcome(error=error))


def finish(task: Task, transition: Transition, outcome: Outcome) -> bool:
    """To SUCCEEDED or FAILED, frees the lane and wakes the dispatcher; False when the task had moved on."""

    def write(tx: Session) -> Task | None:
        final = tally.final_tally(tx, task)
        closed = transition_store.finish(
            tx,
            task,
            transition,
            progress=final.progress,
            statistics=final.statistics,
            result=outcome.result,
            error=outcome.error,
            stage=kind_named(task.kind).final_stage if transition == Transition.SUCCEED else None,
        )
        return store.fetch(tx, task.task_id) if closed else None

    ended = database.run_transaction(write)
    if ended is not None:
        settle(ended)
    return ended is not None


def settle(task: Task) -> None:
    """After a task has left its lane or come back to it: its live item says so, and the lane's next one may start."""
    live.overwrite(live.item_of(task))
    scopes.changed(task)
    logger.info("task settled", extra=task.log_context | {"status": task.status, "error": task.error_code})
    hints.hint_dispatch(task.kind)
