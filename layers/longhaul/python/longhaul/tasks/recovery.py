"""Recovery: what the rows say is running, held against what is. Once a minute, in bounded batches."""

import time

from longhaul import database
from longhaul.aws import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks import lifecycle, live, store
from longhaul.tasks.kinds import kind_named, kinds
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError, Transition

QUIET_SECONDS = 30  # a task not heard of for so long is looked at
BATCH = 100
GONE = "its execution was gone and was started again; finished steps are kept"
UNHEARD = "everything was started anew, and so was its work; finished steps are kept"


def recover(*, restarted: bool = False) -> dict[str, int]:
    """Restart executions that are gone, close those that died, fail tasks past their deadline; how many of each.

    `restarted`: what ran executions and held messages has been started anew and remembers nothing. Then each running
    task is looked at, however lately it was heard of, and a queue gets its message again. A kind that this version
    does not know is left to the version that does.
    """
    with database.connection() as session:
        overdue = [task for task in store.list_overdue(session, BATCH) if task.kind in kinds()]
        quiet = store.list_quiet(session, 0 if restarted else QUIET_SECONDS, BATCH)
        quiet = [task for task in quiet if task.kind in kinds()]
    late = {task.task_id for task in overdue}
    failed = sum(_fail_overdue(task) for task in overdue)
    recovered = sum(_recover(task, restarted=restarted) for task in quiet if task.task_id not in late)
    return {"overdue": failed, "recovered": recovered}


def _fail_overdue(task: Task) -> bool:
    error = TaskError("deadline_exceeded", f"the task had not ended by {task.deadline:%Y-%m-%d %H:%M:%S} UTC")
    return lifecycle.finish(task, Transition.EXPIRE, Outcome(error=error), stopping=error.code)


def _recover(task: Task, *, restarted: bool) -> bool:
    if task.execution_arn is None:
        return False
    try:
        status = workflows.describe(task.execution_arn)
        if status is None:
            # Its dispatcher died before it started it, or Step Functions lost it; the same name starts once.
            return _start_again(task, GONE)
        if restarted and workflows.of_queue(task.execution_arn):
            return _start_again(task, UNHEARD)
    except WorkflowUnavailable as error:
        logger.warning("cannot look at the execution", extra=task.log_context | {"reason": str(error)})
        return False
    if status == "RUNNING":
        return _requeue_stale(task)
    # It has ended and its end did not reach us; one that succeeded without closing its task did nothing of use.
    died = TaskError("Execution." + status, f"the execution ended as {status} and left the task running")
    return lifecycle.close(task.task_id, task.attempt, Outcome(error=died))


def _start_again(task: Task, reason: str) -> bool:
    """Start the same attempt's execution again, and say so in its history. Raises WorkflowUnavailable."""
    if not database.run_transaction(lambda tx: store.restart(tx, task, reason)):
        return False
    lifecycle.after_change([task])
    lifecycle.start_execution(task)
    logger.warning("execution started again", extra=task.log_context | {"reason": reason})
    return True


def _requeue_stale(task: Task) -> bool:
    allowed = kind_named(task.kind).stale_seconds
    seen = max(
        task.heartbeat_at.timestamp() if task.heartbeat_at else 0.0,
        item.updated_at if (item := live.read(task.task_id)) and item.attempt == task.attempt else 0.0,
    )
    if time.time() - seen < allowed:
        return False
    error = TaskError("stale", f"nothing has been heard of it for {allowed} s")
    return lifecycle.requeue(task, error, stopping=error.code)
