"""Plans a diagnosis: a step for each cell and one for the report; then the cells to ask, model by model.

The state machine's states carry cells by their keys, never texts.
"""

from itertools import groupby

from pydantic import BaseModel, Field

from diagnosis import store
from diagnosis.model import (
    ANALYZING,
    FETCHING,
    INIT,
    MAX_QUESTIONS,
    PLAN,
    PLANNING,
    REPORT,
    REPORTING,
    Cell,
    CellState,
    Diagnosis,
    common_cells,
)
from longhaul import database, llm, stored
from longhaul.aws.workflows import Attempt
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Task
from longhaul.tasks.step_batches import AT_ONCE, calls_and_threads
from longhaul.tasks.steps import PlannedStep, plan_steps, step


class CellStep(Attempt):
    """A cell to be asked, by its key."""

    key: str = Field(min_length=1, max_length=96)


class CellBatch(Attempt):
    """Cells of one model to be asked, `at_once` of them at a time."""

    keys: list[str] = Field(min_length=1, max_length=MAX_QUESTIONS)
    at_once: int = Field(ge=1, le=AT_ONCE)


class Column(BaseModel):
    """The cells to ask of one model: as many batches as are asked at once.

    `cells`, each by itself and `max_in_flight` at once, is read by executions that began before there were batches.
    """

    max_in_flight: int
    cells: list[CellStep]
    batches: list[CellBatch] = []


class Plan(BaseModel):
    columns: list[Column]


def plan(request: Attempt) -> Plan:
    """The cells that this attempt has to ask. Raises UnknownModel, NotFound (what it continues), TaskStopped.

    Cells that an earlier attempt has finished are left out, the failed ones too: a failed cell is asked again only when
    a caller resumes or retries the task.
    """
    task = _task(request.task_id)
    params = stored.read(Diagnosis, task.params)
    models = {name: llm.model_named(name) for name in params.models}
    with step(request.task_id, request.attempt, key=PLAN, level=INIT, label=PLANNING) as run:
        if not run.done:
            taken = common_cells(_former(params, task), params) if params.continues else []

            def write(tx: Session) -> None:
                plan_steps(tx, request.task_id, request.attempt, _steps(params.cells()))
                store.begin(tx, request.task_id, params)
                if params.continues:
                    store.take_over(tx, request.task_id, params.continues, taken)

            run.complete({"cells": len(params.cells())}, save=write)
    with database.connection() as session:
        planned = store.list_cells(session, request.task_id)
    waiting = {cell.key for cell in planned if cell.state == CellState.waiting}
    cells = sorted((cell for cell in params.cells() if cell.key in waiting), key=lambda cell: cell.model)
    return Plan(
        columns=[
            _column(request, [cell.key for cell in column], models[name].max_concurrent)
            for name, column in groupby(cells, key=lambda cell: cell.model)
        ]
    )


def _column(request: Attempt, keys: list[str], in_flight: int) -> Column:
    attempt = request.model_dump()
    return Column(
        max_in_flight=in_flight,
        cells=[CellStep(**attempt, key=key) for key in keys],
        batches=_batches(request, keys, in_flight),
    )


def _batches(request: Attempt, keys: list[str], in_flight: int) -> list[CellBatch]:
    """All at once are as many cells as the model takes, and no batch waits for another."""
    calls, threads = calls_and_threads(in_flight)
    size = max(threads, -(-len(keys) // calls))
    parts = (keys[start : start + size] for start in range(0, len(keys), size))
    return [CellBatch(**request.model_dump(), keys=part, at_once=threads) for part in parts]


def _steps(cells: list[Cell]) -> list[PlannedStep]:
    planned = [PlannedStep(cell.key, FETCHING, cell.label) for cell in cells]
    return [*planned, PlannedStep(REPORT, ANALYZING, REPORTING)]


def _former(params: Diagnosis, task: Task) -> Diagnosis:
    """The params of the diagnosis that this one continues."""
    with database.connection() as session:
        former = task_store.fetch_for_tenant(session, params.continues or "", task.tenant_id)
    if former is None or former.kind != task.kind:
        raise NotFound(f"there is no diagnosis {params.continues} to continue")
    return stored.read(Diagnosis, former.params)


def _task(task_id: str) -> Task:
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task
