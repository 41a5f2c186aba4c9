"""Dispatching: from PENDING to RUNNING, never more of a kind than its lane allows."""

from collections.abc import Iterable

from longhaul import database, workflows
from longhaul.database import Session
from longhaul.errors import WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks import executions, retrying, scopes, store, transition_store
from longhaul.tasks.kinds import kind_named, kinds
from longhaul.tasks.lanes import turns
from longhaul.tasks.model import Task, TaskError


def dispatch(names: Iterable[str] | None = None) -> int:
    """Start what may start in the lanes of these kinds (None: of all); how many were started."""
    return sum(_dispatch_lane(name) for name in (kinds() if names is None else sorted(set(names) & kinds().keys())))


def _dispatch_lane(name: str) -> int:
    kind = kind_named(name)
    prefix = workflows.execution_prefix(kind.workflow)

    def claim(tx: Session) -> list[Task]:
        taken = turns.take(tx, name)
        if not taken:
            return []
        transition_store.start(tx, taken, execution_prefix=prefix, seconds_allowed=kind.seconds_allowed)
        return store.fetch_all(tx, [task.id for task in taken])

    started = database.run_transaction(claim)
    scopes.changed(*started)
    for task in started:
        try:
            executions.start(task)
            logger.info("task started", extra=task.log_context)
        except WorkflowUnavailable as error:
            retrying.requeue(task, TaskError(error.code, str(error)))
    return len(started)
