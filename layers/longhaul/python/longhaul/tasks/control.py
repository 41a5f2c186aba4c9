"""What a caller may do to a task. To ask for what is so already is no mistake."""

from collections.abc import Callable

from longhaul import database
from longhaul.database import Session
from longhaul.errors import IllegalTransition, NotFound
from longhaul.tasks import closing, executions, scopes, store, tally, transition_store
from longhaul.tasks.model import TERMINAL, TRANSITIONS, Priority, Status, Task, TaskError, Transition, allowed_actions


def cancel(task_id: str, tenant_id: str) -> Task:
    """The task, CANCELLED.

    No step starts after this: each asks the row first. The execution is stopped too, and if that fails it ends by
    itself at its next step. Raises NotFound, IllegalTransition.
    """
    return _stop(task_id, tenant_id, Transition.CANCEL)


def pause(task_id: str, tenant_id: str, *, reason: TaskError | None = None) -> Task:
    """The task, PAUSED: its attempt ends as by `cancel`, its finished steps are kept, its lane is free for another.

    `reason` is the task's error until it is resumed, where its own work asks for the pause. Raises NotFound,
    IllegalTransition.
    """
    return _stop(task_id, tenant_id, Transition.PAUSE, reason)


def resume(task_id: str, tenant_id: str) -> Task:
    """The task, PENDING: its next attempt skips the finished steps. One that waits or runs already stays so.

    Raises NotFound, IllegalTransition.
    """
    return _change(
        task_id, tenant_id, Transition.RESUME, transition_store.resume, so_already=(Status.PENDING, Status.RUNNING)
    )


def retry(task_id: str, tenant_id: str) -> Task:
    """The task that had FAILED, PENDING: its next attempt does what failed or was not reached, and nothing again.

    It has the retries and the time of a new task. Of two who ask at once one is refused, as there is nothing to retry
    any more. What retrying means to work outside is its kind's matter, as with resuming. Raises NotFound,
    IllegalTransition, AlreadyOpen.
    """
    return _change(task_id, tenant_id, Transition.RETRY, transition_store.retry, so_already=())


def change(
    task_id: str,
    tenant_id: str,
    *,
    priority: Priority | None = None,
    title: str | None = None,
    check: Callable[[Task], None] = lambda _: None,
) -> Task:
    """The task with this priority and title; what is None stays. One that has ended keeps its priority.

    `check` sees the task as nobody else can change it until this is done; what it raises is raised. Raises NotFound,
    IllegalTransition.
    """

    def write(tx: Session) -> tuple[Task, bool]:
        task = transition_store.lock(tx, task_id, tenant_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        check(task)
        if priority is not None and task.status in TERMINAL:
            raise _refused(task, "reprioritised")
        wanted = task.priority if priority is None else priority
        named = task.title if title is None else title
        detail = {"priority": [task.priority.name, wanted.name], "title": [task.title, named]}
        differences = {field: [was, now] for field, (was, now) in detail.items() if was != now}
        if not differences:
            return task, False
        transition_store.change(tx, task, priority=wanted, title=named, detail=differences)
        return store.fetch(tx, task_id) or task, True

    task, changed = database.run_transaction(write)
    if changed:
        scopes.changed(task)
    return task


def _stop(task_id: str, tenant_id: str, transition: Transition, reason: TaskError | None = None) -> Task:
    def write(tx: Session, task: Task) -> bool:
        final = tally.final_tally(tx, task)
        return transition_store.stop(
            tx, task, transition, progress=final.progress, statistics=final.statistics, reason=reason
        )

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
        raise _refused(task, transition)
    return task


def _refused(task: Task, asked: str) -> IllegalTransition:
    return IllegalTransition(
        f"a {task.status} task cannot be {asked}",
        task_status=task.status,
        allowed_actions=allowed_actions(task.status),
    )


def _fetch(task_id: str, tenant_id: str) -> Task:
    with database.connection() as session:
        task = store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task
