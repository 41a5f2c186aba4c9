"""What a caller may do to a task. To ask for what is so already is no mistake."""

from collections.abc import Callable

from longhaul import database
from longhaul.database import Session
from longhaul.errors import IllegalTransition, NotFound
from longhaul.tasks import closing, executions, store, tally
from longhaul.tasks.model import TRANSITIONS, Status, Task, Transition, allowed_actions


def cancel(task_id: str, tenant_id: str) -> Task:
    """The task, CANCELLED.

    No step starts after this: each asks the row first. The execution is stopped too, and if that fails it ends by
    itself at its next step. Raises NotFound, IllegalTransition.
    """
    return _stop(task_id, tenant_id, Transition.CANCEL)


def pause(task_id: str, tenant_id: str) -> Task:
    """The task, PAUSED: its attempt ends as by `cancel`, its finished steps are kept, its lane is free for another.

    Raises NotFound, IllegalTransition.
    """
    return _stop(task_id, tenant_id, Transition.PAUSE)


def resume(task_id: str, tenant_id: str) -> Task:
    """The task, PENDING: its next attempt skips the finished steps. One that waits or runs already stays so.

    Raises NotFound, IllegalTransition.
    """
    return _change(task_id, tenant_id, Transition.RESUME, store.resume, so_already=(Status.PENDING, Status.RUNNING))


def _stop(task_id: str, tenant_id: str, transition: Transition) -> Task:
    def write(tx: Session, task: Task) -> bool:
        final = tally.final_tally(tx, task)
        return store.stop(tx, task, transition, progress=final.progress, statistics=final.statistics)

    return _change(task_id, tenant_id, transition, write, so_already=(TRANSITIONS[transition].target,))


def _change(
    task_id: str,
    tenant_id: str,
    transition: Transition,
    write: Callable[[Session, Task], bool],
    *,
    so_already: tuple[Status, ...],
) -> Task:
    """The task as `write` has changed it, or as it is when it is `so_already`."""
    task = _fetch(task_id, tenant_id)
    # Read again where it was written: it may have come to another attempt since it was read.
    changed = database.run_transaction(lambda tx: store.fetch(tx, task_id) if write(tx, task) else None)
    if changed is None:
        return _as_it_is(task_id, tenant_id, transition, so_already)
    if changed.status != Status.PENDING:
        executions.stop(changed, transition)
    closing.settle(changed)
    return changed


def _as_it_is(task_id: str, tenant_id: str, transition: Transition, so_already: tuple[Status, ...]) -> Task:
    task = _fetch(task_id, tenant_id)
    if task.status not in so_already:
        raise IllegalTransition(
            f"a {task.status} task cannot be {transition}",
            task_status=task.status,
            allowed_actions=allowed_actions(task.status),
        )
    return task


def _fetch(task_id: str, tenant_id: str) -> Task:
    with database.connection() as session:
        task = store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task
