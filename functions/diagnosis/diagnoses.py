"""Diagnoses as their callers see and steer them, beside what the task core does for every task."""

from diagnosis import documents, store
from diagnosis.cells import CellState
from diagnosis.kinds import KINDS
from diagnosis.model import INIT, Budget, Diagnosis
from diagnosis.views import AnswerDocument, DiagnosisDocument, Estimate, ExecutionStatus, Grid, Retried, Spending
from longhaul import database, llm
from longhaul.database import Session
from longhaul.errors import Conflict, IllegalTransition, NotFound
from longhaul.tasks import reading
from longhaul.tasks import store as task_store
from longhaul.tasks.model import TERMINAL, Status, Task, allowed_actions
from longhaul.tasks.submission import Submission, submit

KIND = KINDS[0].name


def estimate(asked: Diagnosis) -> Estimate:
    """Raises UnknownModel."""
    return documents.estimate(asked, [llm.model_named(name) for name in asked.models])


def read(task_id: str, tenant_id: str) -> DiagnosisDocument:
    with database.connection() as session:
        task, asked = _find(session, task_id, tenant_id)
        return documents.diagnosis(task, asked, store.fetch(session, task_id), store.sum_costs(session, task_id))


def read_grid(task_id: str, tenant_id: str) -> Grid:
    with database.connection() as session:
        _, asked = _find(session, task_id, tenant_id)
        return documents.grid(task_id, asked, store.list_cells(session, task_id))


def read_cell(task_id: str, tenant_id: str, key: str) -> AnswerDocument:
    with database.connection() as session:
        _, asked = _find(session, task_id, tenant_id)
        cell = asked.cell(key)
        if cell is None:
            raise NotFound(f"there is no cell {key} in {task_id}")
        state, reason = store.fetch_state(session, task_id, key)
        return documents.answer(cell, state, reason, store.fetch_cell(session, task_id, key))


def change_budget(task_id: str, tenant_id: str, budget: Budget) -> Spending:
    """What the diagnosis may spend from now on; one that was paused for its budget goes on when it is resumed."""
    with database.connection() as session:
        task, _ = _find(session, task_id, tenant_id)
        if task.status in TERMINAL and task.status != Status.FAILED:  # a FAILED one may be retried
            raise _refused(task, "given another budget")
        store.change_budget(session, task_id, budget)
        return documents.spending(budget, store.sum_costs(session, task_id))


def retry(task_id: str, tenant_id: str, user_id: str) -> Retried:
    """A new diagnosis that asks what this one, which has ended, did not get, and takes its answers over.

    This one stays as it is: an end is final, and its report is what was known then. Raises Conflict when every cell was
    answered; IllegalTransition when it has not ended, or has FAILED: then it is retried as any task.
    """
    with database.connection() as session:
        task, asked = _find(session, task_id, tenant_id)
        cells = store.list_cells(session, task_id)
        row = store.fetch(session, task_id)
    if task.status not in (Status.SUCCEEDED, Status.CANCELLED):
        raise _refused(task, "continued by another")
    missing = len(asked.cells()) - sum(cell.state == CellState.answered for cell in cells)
    if not missing:
        raise Conflict("every cell was answered: there is nothing to retry")
    budget = row.budget.model_dump(mode="json") if row else {}  # as it is now, not as it was submitted
    params = task.params | budget | {"continues": task_id}
    new = submit(Submission(tenant_id, user_id, KIND, params, priority=task.priority, title=task.title))
    return Retried(task_id=new.task_id, status=new.status, continues=task_id, cells=missing)


def read_status(task_id: str, tenant_id: str) -> ExecutionStatus:
    """As `GET /api/v1/tasks/{id}` reads it: from the row and the live item."""
    view = reading.read_task(task_id, tenant_id)
    seen = view.task or view.item
    if seen is None or seen.kind != KIND:
        raise NotFound(f"there is no diagnosis {task_id}")
    return ExecutionStatus(
        execution_id=task_id,
        task_id=task_id,
        status=Status(seen.status),
        stage=seen.stage or INIT,
        progress=seen.progress,
        completed=seen.statistics.get("cells_done", 0),
        total=None if view.task is None else len(Diagnosis.model_validate(reading.task_params(task_id)).cells()),
        current_step=seen.current_step,
        cache_sync_status=view.sync,
    )


def _find(session: Session, task_id: str, tenant_id: str) -> tuple[Task, Diagnosis]:
    task = task_store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None or task.kind != KIND:
        raise NotFound(f"there is no diagnosis {task_id}")
    return task, Diagnosis.model_validate(task.params)


def _refused(task: Task, asked: str) -> IllegalTransition:
    return IllegalTransition(
        f"a {task.status} diagnosis cannot be {asked}",
        task_status=task.status,
        allowed_actions=allowed_actions(task.status),
    )
