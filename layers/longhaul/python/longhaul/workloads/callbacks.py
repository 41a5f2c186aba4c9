"""Callbacks: what a step waits for from outside arrives, once, and wakes its task's workflow."""

from typing import Any

from longhaul import database
from longhaul.aws import workflows
from longhaul.errors import Conflict, NotFound, WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks.store import dumps
from longhaul.workloads import store


class CallbackUsed(Conflict):
    """The callback was completed before, with another body."""

    code = "callback_used"


def complete(token: str, body: dict[str, Any]) -> str:
    """Hand `body` to the step that waits for it; the task's id. The same body again changes nothing.

    The row is what counts: a workflow that is not woken looks again within 15 minutes. Raises NotFound for a token that
    is unknown, has expired or whose task has ended; CallbackUsed.
    """
    with database.connection() as session:
        arrived = store.arrive(session, token, dumps(body) or "{}")
        found = store.find_callback(session, token)
    if found is None or (not arrived and found.body is None):
        raise NotFound("there is no such callback, or it has expired")
    if found.body != body:
        raise CallbackUsed
    if found.wakeup:
        try:
            workflows.wake(found.wakeup)
        except WorkflowUnavailable as error:
            logger.warning("workflow not woken", extra={"task_id": found.task_id, "reason": str(error)})
    return found.task_id
