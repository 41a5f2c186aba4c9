"""Recovery: what the rows say is running, held against what is. Once a minute, in bounded batches."""

import time

from longhaul import database, live, workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks import closing, executions, retrying, store
from longhaul.tasks.closing import Outcome
from longhaul.tasks.kinds import kind_named
from longhaul.tasks.model import Task, TaskError, Transition

QUIET_SECONDS = 30  # a task not heard of for so long is looked at
BATCH = 100


def recover() -> dict[str, int]:
    """Restart executions that are gone, close those that died, fail tasks past their deadline; how many of each."""
    with database.connection() as session:
        overdue = store.list_overdue(session, BATCH)
        quiet = store.list_quiet(session, QUIET_SECONDS, BATCH)
    late = {task.task_id for task in overdue}
    failed = sum(_fail_overdue(task) for task in overdue)
    recovered = sum(_recover(task) for task in quiet if task.task_id not in late)
    return {"overdue": failed, "recovered": recovered}


def _fail_overdue(task: Task) -> bool:
    error = TaskError("deadline_exceeded", f"the task had not ended by {task.deadline:%Y-%m-%d %H:%M:%S} UTC")
    closed = closing.finish(task, Transition.EXPIRE, Outcome(error=error))
    if closed:
        executions.stop(task, error.code)
    return closed


def _recover(task: Task) -> bool:
    if task.execution_arn is None:
        return False
    try:
        status = workflows.describe(task.execution_arn)
        if status is None:
            # Its dispatcher died before it started it, or Step Functions lost it; the same name starts once.
            executions.start(task)
            logger.warning("execution was gone, started again", extra=task.log_context)
            return True
    except WorkflowUnavailable as error:
        logger.warning("cannot look at the execution", extra=task.log_context | {"reason": str(error)})
        return False
    if status == "RUNNING":
        return _requeue_stale(task)
    # It has ended and its end did not reach us; one that succeeded without closing its task did nothing of use.
    died = TaskError("Execution." + status, f"the execution ended as {status} and left the task running")
    return closing.close(task.task_id, task.attempt, Outcome(error=died))


def _requeue_stale(task: Task) -> bool:
    allowed = kind_named(task.kind).stale_seconds
    seen = max(
        task.heartbeat_at.timestamp() if task.heartbeat_at else 0.0,
        item.updated_at if (item := live.read(task.task_id)) and item.attempt == task.attempt else 0.0,
    )
    if time.time() - seen < allowed:
        return False
    moved = retrying.requeue(task, TaskError("stale", f"nothing has been heard of it for {allowed} s"))
    if moved:
        executions.stop(task, "stale")
    return moved
