"""Diagnoses as their callers read and steer them, beside what the task core does for every task."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from diagnosis import store
from diagnosis.kinds import KINDS
from diagnosis.model import Budget, Cell, CellState, Diagnosis
from diagnosis.store import Costs, DiagnosisRow, GridCell, StoredCell
from longhaul import database, stored
from longhaul.database import Session
from longhaul.errors import Conflict, IllegalTransition, KeyReused, NotFound
from longhaul.idempotency import KeyedRequest, claim
from longhaul.tasks import following
from longhaul.tasks import store as task_store
from longhaul.tasks.following import SyncStatus
from longhaul.tasks.live import LiveItem
from longhaul.tasks.model import TERMINAL, Status, Task, allowed_actions
from longhaul.tasks.submission import Submission, find_made, submit

KIND = KINDS[0].name


@dataclass(frozen=True)
class ReadDiagnosis:
    """`row` is None until the diagnosis was planned."""

    task: Task
    params: Diagnosis
    row: DiagnosisRow | None
    costs: Costs

    @property
    def budget(self) -> Budget:
        """As it is now; a caller may have changed it since the submission."""
        return self.row.budget if self.row else self.params


@dataclass(frozen=True)
class ReadCell:
    """A cell in full. `row` is None until it was asked, `reason` unless it failed or was skipped."""

    cell: Cell
    state: CellState
    reason: str | None
    row: StoredCell | None


@dataclass(frozen=True)
class Retry:
    """The diagnosis that continues another, with the number of cells that it asks.

    `replayed`: the same Idempotency-Key has made it before.
    """

    task: Task
    continues: str
    missing: int
    replayed: bool


@dataclass(frozen=True)
class ExecutionProgress:
    """The progress of a diagnosis, from its row or its live item; `cells` is None when the database did not answer."""

    seen: Task | LiveItem
    sync: SyncStatus
    cells: int | None


def read(task_id: str, tenant_id: str) -> ReadDiagnosis:
    """Here and below: raises NotFound."""
    with database.connection() as session:
        task, params = _find(session, task_id, tenant_id)
        return ReadDiagnosis(task, params, store.fetch(session, task_id), store.sum_costs(session, task_id))


def read_grid(task_id: str, tenant_id: str) -> dict[Cell, GridCell]:
    """Every cell, question by question. Until the diagnosis was planned, all of them wait."""
    with database.connection() as session:
        _, params = _find(session, task_id, tenant_id)
        planned = {cell.key: cell for cell in store.list_cells(session, task_id)}
    return {cell: planned.get(cell.key) or _waiting(cell) for cell in params.cells()}


def read_cell(task_id: str, tenant_id: str, key: str) -> ReadCell:
    with database.connection() as session:
        _, params = _find(session, task_id, tenant_id)
        cell = params.cell(key)
        if cell is None:
            raise NotFound(f"there is no cell {key} in {task_id}")
        state, reason = store.fetch_state(session, task_id, key)
        return ReadCell(cell, state, reason, store.fetch_cell(session, task_id, key))


def change_budget(
    task_id: str, tenant_id: str, changes: Mapping[str, Any], *, request: KeyedRequest | None = None
) -> tuple[Budget, Costs]:
    """Changes fields of what the diagnosis may spend; returns the budget and its costs. One that it has paused must be
    resumed.

    A request that was carried out before changes nothing, and returns the present budget. Raises IllegalTransition,
    KeyReused.
    """

    def write(tx: Session) -> tuple[Budget, Costs]:
        task, params = _find(tx, task_id, tenant_id)
        if claim(tx, request):
            if task.status in TERMINAL and task.status != Status.FAILED:  # a FAILED one may be retried
                raise _refused(task, "given another budget")
            store.change_budget(tx, task_id, params, changes)
        row = store.fetch(tx, task_id)
        return row.budget if row else params, store.sum_costs(tx, task_id)

    return database.run_transaction(write)


def retry(task_id: str, tenant_id: str, user_id: str, *, idempotency_key: str | None = None) -> Retry:
    """A new diagnosis, which takes over the answers of this ended one and asks the cells without one.

    This one stays as it is: its end is final, and its report states what was known then. The same key gives the same
    new diagnosis again. Raises Conflict when every cell was answered; IllegalTransition when it has not ended, or has
    FAILED and is retried as any task; KeyReused.
    """
    key = idempotency_key and f"diagnoses/{hashlib.sha256(idempotency_key.encode()).hexdigest()}"
    if (made := find_made(tenant_id, key)) is not None:
        return _replayed(made, task_id, tenant_id)
    with database.connection() as session:
        task, params = _find(session, task_id, tenant_id)
        cells = store.list_cells(session, task_id)
        row = store.fetch(session, task_id)
    if task.status not in (Status.SUCCEEDED, Status.CANCELLED):
        raise _refused(task, "continued by another")
    missing = _missing(params, cells)
    if not missing:
        raise Conflict("every cell was answered: there is nothing to retry")
    budget = row.budget.model_dump(mode="json") if row else {}  # as it is now, not as it was submitted
    new_params = task.params | budget | {"continues": task_id}
    placed = submit(
        Submission(tenant_id, user_id, KIND, new_params, priority=task.priority, title=task.title, idempotency_key=key)
    )
    return Retry(placed.task, task_id, missing, replayed=placed.replayed)


def read_progress(task_id: str, tenant_id: str) -> ExecutionProgress:
    """As `GET /api/v1/tasks/{id}` reads it."""
    view = following.read_task(task_id, tenant_id)
    seen = view.task or view.item
    if seen is None or seen.kind != KIND:
        raise NotFound(f"there is no diagnosis {task_id}")
    cells = None if view.task is None else len(stored.read(Diagnosis, following.task_row(task_id).params).cells())
    return ExecutionProgress(seen, view.sync, cells)


def _replayed(made: Task, task_id: str, tenant_id: str) -> Retry:
    """The diagnosis that this key has made before. KeyReused when it continues another one."""
    if made.params.get("continues") != task_id:
        raise KeyReused(errors=[{"pointer": "header/Idempotency-Key", "detail": f"it made {made.task_id}"}])
    with database.connection() as session:
        _, params = _find(session, task_id, tenant_id)
        cells = store.list_cells(session, task_id)
    return Retry(made, task_id, _missing(params, cells), replayed=True)


def _missing(params: Diagnosis, cells: Sequence[GridCell]) -> int:
    """The number of cells without an answer."""
    return len(params.cells()) - sum(cell.state == CellState.answered for cell in cells)


def _waiting(cell: Cell) -> GridCell:
    return GridCell(cell.key, CellState.waiting, None, None, None, 0, Decimal(0), 0.0)


def _find(session: Session, task_id: str, tenant_id: str) -> tuple[Task, Diagnosis]:
    task = task_store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None or task.kind != KIND:
        raise NotFound(f"there is no diagnosis {task_id}")
    return task, stored.read(Diagnosis, task.params)


def _refused(task: Task, change: str) -> IllegalTransition:
    return IllegalTransition(
        f"a {task.status} diagnosis cannot be {change}",
        task_status=task.status,
        allowed_actions=allowed_actions(task.status),
    )
