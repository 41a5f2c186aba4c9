"""A task's own work pauses it, until somebody answers: for an approval, or because its budget is reached."""

from collections.abc import Callable

from longhaul import database
from longhaul.database import Session
from longhaul.errors import TaskStopped
from longhaul.tasks import lifecycle
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Status, Task, TaskError, Transition


def pause_unless(task: Task, reason: TaskError, answered: Callable[[Session], bool]) -> None:
    """Pause the attempt with this reason, unless the question behind it is `answered`: it was asked before, and
    somebody resumed the task since. `answered` also writes that it is asked now, in the transaction of the pause.

    The task is locked first: of two steps that ask at once, the second finds its attempt ended, and takes that for no
    answer. Raises TaskStopped when the task is paused, now or before.
    """
    paused = database.run_transaction(lambda tx: _pause(tx, task, reason, answered))
    if paused:
        lifecycle.after_change([paused])
        raise TaskStopped(f"{task.task_id} is paused: {reason.message}")


def _pause(tx: Session, task: Task, reason: TaskError, answered: Callable[[Session], bool]) -> Task | None:
    locked = task_store.lock(tx, task.task_id, task.tenant_id)
    if locked is None or locked.status != Status.RUNNING or locked.attempt != task.attempt:
        raise TaskStopped
    if answered(tx):
        return None
    lifecycle.move_all(tx, Transition.PAUSE, [locked], reason)
    return task_store.fetch(tx, task.task_id)
