"""Another attempt for a task whose present one came to nothing: with back-off, a bounded number of times."""

from longhaul import database
from longhaul.tasks import causes, hints, scopes, transition_store
from longhaul.tasks.model import Task, TaskError

BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 60.0


def backoff(retries: int) -> float:
    """Seconds before the next attempt: 1, 2, 4 .. 60 (seed 004)."""
    return float(min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**retries))


def may_retry(task: Task, error: TaskError) -> bool:
    """Whether the error is transient and the task has retries left."""
    return task.retries < task.max_retries and causes.is_transient(error.code)


def requeue(task: Task, error: TaskError) -> bool:
    """RUNNING -> PENDING for this attempt, after a back-off. Whether it was still to be had."""
    delay = backoff(task.retries)
    moved = database.run_transaction(lambda tx: transition_store.requeue(tx, task, error=error, delay=delay))
    if moved:
        scopes.changed(task)
        hints.hint_dispatch(task.kind, delay=delay)
    return moved
