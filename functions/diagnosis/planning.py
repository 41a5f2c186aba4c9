"""Planning a diagnosis: a step for each cell and one for the report; then what is still to be asked, model by model."""

from itertools import groupby

from diagnosis import store
from diagnosis.model import ANALYZING, FETCHING, INIT, PLAN, REPORT, Cell, Diagnosis, kept
from diagnosis.requests import CellStep, Column, Plan
from longhaul import database, llm
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Task
from longhaul.tasks.steps import PlannedStep, plan_steps, step
from longhaul.workflows import Attempt

MOST_IN_FLIGHT = 40  # iterations of an inline Map


def plan(request: Attempt) -> Plan:
    """What this attempt has to ask. Raises UnknownModel, NotFound (what it continues), TaskStopped.

    Cells that an attempt before it has finished are left out, with what it already failed to get: only who resumes or
    retries the task asks for that again.
    """
    task = _task(request.task_id)
    asked = Diagnosis.model_validate(task.params)
    models = {name: llm.model_named(name) for name in asked.models}
    with step(request.task_id, request.attempt, key=PLAN, level=INIT, label="正在规划提问") as run:
        if not run.done:
            taken = kept(_former(asked, task), asked) if asked.continues else []

            def write(tx: Session) -> None:
                plan_steps(tx, request.task_id, request.attempt, _steps(asked.cells()))
                store.begin(tx, request.task_id, asked)
                if asked.continues:
                    store.take_over(tx, request.task_id, asked.continues, taken)

            run.complete({"cells": len(asked.cells())}, save=write)
    with database.connection() as session:
        waiting = {cell.key for cell in store.list_cells(session, request.task_id) if cell.waits}
    cells = sorted((cell for cell in asked.cells() if cell.key in waiting), key=lambda cell: cell.model)
    return Plan(
        columns=[
            Column(
                max_in_flight=min(MOST_IN_FLIGHT, models[name].max_concurrent),
                cells=[
                    CellStep(task_id=request.task_id, attempt=request.attempt, key=cell.key, label=cell.label)
                    for cell in column
                ],
            )
            for name, column in groupby(cells, key=lambda cell: cell.model)
        ]
    )


def _steps(cells: list[Cell]) -> list[PlannedStep]:
    planned = [PlannedStep(cell.key, FETCHING, cell.label) for cell in cells]
    return [*planned, PlannedStep(REPORT, ANALYZING, "正在生成诊断报告")]


def _former(asked: Diagnosis, task: Task) -> Diagnosis:
    with database.connection() as session:
        former = task_store.fetch_for_tenant(session, asked.continues or "", task.tenant_id)
    if former is None or former.kind != task.kind:
        raise NotFound(f"there is no diagnosis {asked.continues} to continue")
    return Diagnosis.model_validate(former.params)


def _task(task_id: str) -> Task:
    with database.connection() as session:
        task = task_store.fetch(session, task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}")
    return task
