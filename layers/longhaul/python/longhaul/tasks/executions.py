"""A task's execution: the run of its present attempt, in a state machine or through a queue."""

from longhaul import workflows
from longhaul.errors import WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks.model import Task
from longhaul.workflows import Attempt


def start(task: Task) -> None:
    """Start it; doing so twice starts one. Raises WorkflowUnavailable."""
    if task.execution_arn is None:
        raise ValueError(f"{task.task_id} has no attempt to start")
    workflows.start(task.execution_arn, _attempt(task))


def stop(task: Task, cause: str) -> None:
    """Stop it, if there ever was one. One that is not to be reached ends by itself: each of its steps asks the row."""
    if task.execution_arn is None:
        return
    try:
        workflows.stop(task.execution_arn, _attempt(task), cause)
    except WorkflowUnavailable as error:
        logger.warning("execution not stopped", extra=task.log_context | {"reason": str(error)})


def _attempt(task: Task) -> Attempt:
    return Attempt(task_id=task.task_id, attempt=task.attempt)
