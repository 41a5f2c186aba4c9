"""What a caller may do to a task."""

from longhaul import database, workflows
from longhaul.database import Session
from longhaul.errors import IllegalTransition, NotFound, WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks import closing, store, tally
from longhaul.tasks.model import Status, Task, allowed_actions


def cancel(task_id: str, tenant_id: str) -> Task:
    """The task, CANCELLED; a task that is so already stays so.

    No step starts after this: each asks the row first. The execution is stopped too, and if that fails it ends by
    itself at its next step. Raises NotFound, IllegalTransition.
    """
    task = _fetch(task_id, tenant_id)

    def write(tx: Session) -> bool:
        final = tally.final_tally(tx, task)
        return store.cancel(tx, task, progress=final.progress, statistics=final.statistics)

    if database.run_transaction(write):
        _stop(task)
        closing.settle(task)
    cancelled = _fetch(task_id, tenant_id)
    if cancelled.status != Status.CANCELLED:
        raise IllegalTransition(
            f"a {cancelled.status} task cannot be cancelled",
            task_status=cancelled.status,
            allowed_actions=allowed_actions(cancelled.status),
        )
    return cancelled


def _stop(task: Task) -> None:
    if task.execution_arn is None:
        return
    try:
        workflows.stop(task.execution_arn, "cancelled")
    except WorkflowUnavailable as error:
        logger.warning("execution not stopped", extra=task.log_context | {"reason": str(error)})


def _fetch(task_id: str, tenant_id: str) -> Task:
    with database.connection() as session:
        task = store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task
