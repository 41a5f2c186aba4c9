"""Carrying a bulk action out, a range at a time. Killed between any two lines it goes on from its steps.

What a range changed is told to the world after its commit (executions are stopped, live items and cached answers
follow, the dispatcher is woken). Until that is done the step's output names the rows, so that whoever comes next tells
it again; it looks at what each task is then, so that telling it twice or late does no harm.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from longhaul import database, live
from longhaul.database import Session
from longhaul.errors import TaskStopped
from longhaul.observability import logger
from longhaul.tasks import closing, executions, hints, scopes, store, tally
from longhaul.tasks.bulk import effects, planning
from longhaul.tasks.bulk import store as bulk_store
from longhaul.tasks.bulk.planning import RANGE, TooManyMatches
from longhaul.tasks.bulk.selection import BulkAction
from longhaul.tasks.bulk.store import Range
from longhaul.tasks.closing import Outcome
from longhaul.tasks.model import Status, StepStatus, Task, TaskError
from longhaul.tasks.steps import step

BUDGET_SECONDS = 30.0  # of one invocation; what is left then is the next one's


def act(task_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Go on with this bulk action, as far as the time goes. Does nothing for a task that does not run.

    Raises DatabaseUnavailable, and WorkflowUnavailable when the queue that should bring it back is away.
    """
    until = clock() + BUDGET_SECONDS
    with database.connection() as session:
        task = store.fetch(session, task_id)
    if task is None:
        return
    _tell_untold(task)  # also of one that was cancelled meanwhile
    if task.status != Status.RUNNING:
        return
    try:
        planning.plan(task)
        if not _work(task, lambda: clock() < until):
            executions.start(task)  # the same message again, to go on
            return
    except TaskStopped as stopped:
        logger.info("bulk action stopped", extra=task.log_context | {"reason": str(stopped)})
        return
    except TooManyMatches as error:
        closing.close(task_id, task.attempt, Outcome(error=TaskError(error.code, str(error))))
        return
    with database.connection() as session:
        result = tally.final_tally(session, task).statistics
    closing.close(task_id, task.attempt, Outcome(result=result))


def _work(task: Task, in_time: Callable[[], bool]) -> bool:
    """Change range after range; whether all are done. At least one is, so that it comes to an end."""
    waiting = [row for row in _ranges(task) if row["status"] != StepStatus.SUCCEEDED]
    for number, row in enumerate(waiting):
        if number and not in_time():
            return False
        _change(task, row["step_key"], row["label"])
    return True


def _ranges(task: Task) -> list[dict[str, Any]]:
    with database.connection() as session:
        return bulk_store.list_steps(session, task.task_id, RANGE)


def _change(task: Task, key: str, label: str) -> None:
    """Change the tasks of a range, and tell the world of it."""
    action = BulkAction.model_validate(task.params)
    selection = planning.selected(task)

    def write(tx: Session) -> tuple[dict[str, Any], int]:
        ids = effects.change(tx, action, selection, Range.of_key(key))
        return ({"untold": ids} if ids else {}), len(ids)

    with step(task.task_id, task.attempt, key=key, level=RANGE, label=label) as changing:
        if not changing.done:
            changing.complete_by(write)
        _tell(task, key, changing.output)


def _tell_untold(task: Task) -> None:
    for row in _ranges(task):
        if row["status"] == StepStatus.SUCCEEDED:
            _tell(task, row["step_key"], json.loads(row["output"] or "{}"))


def _tell(task: Task, key: str, output: dict[str, Any]) -> None:
    """Tell the world what has become of the tasks that this step changed, unless it was told."""
    ids: Sequence[int] = output.get("untold", ())
    if not ids:
        return
    with database.connection() as session:
        targets = bulk_store.list_targets(session, ids)
        # Only those that ever ran have an execution, and perhaps a live item.
        started = store.fetch_all(session, [target.id for target in targets if target.attempt])
    for changed in started:
        if changed.status in (Status.CANCELLED, Status.PAUSED):
            executions.stop(changed, changed.status)
    live.overwrite_all(live.item_of(changed) for changed in started)
    scopes.changed_many(task.tenant_id, [target.task_id for target in targets])
    waiting = {target.kind for target in targets if target.status == Status.PENDING}
    hints.hint_lanes({changed.kind for changed in started} | waiting)
    with database.connection() as session:
        bulk_store.settle(session, task.task_id, key)
