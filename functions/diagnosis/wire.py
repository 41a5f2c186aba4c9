"""Diagnoses over HTTP: the request of a budget, the documents, and the functions that make these from rows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from diagnosis import budget
from diagnosis.diagnoses import ExecutionProgress, ReadCell, ReadDiagnosis, Retry
from diagnosis.model import INIT, Budget, Cell, CellState, Diagnosis, Extraction
from diagnosis.report import Report
from diagnosis.store import Costs, GridCell
from longhaul import stored
from longhaul.http import Timestamp
from longhaul.tasks.following import SyncStatus
from longhaul.tasks.model import Status

MONEY_DIGITS = 6  # after the point

type Money = Annotated[float, Field(description="In the currency of the models' prices.", examples=[0.42])]
type Key = Annotated[str, Field(examples=["q07/deepseek"])]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelEstimate(_View):
    """What a model's column is likely to take."""

    model: str = Field(examples=["deepseek"])
    calls: int = Field(description="Two a cell: the question, and the reading of its answer.")
    prompt_tokens: int
    completion_tokens: int
    cost: Money
    cost_at_most: Money


class Estimate(_View):
    """What a diagnosis is likely to take, for answers of an ordinary length; nothing is asked."""

    cells: int
    calls: int
    tokens: int
    cost: Money
    cost_at_most: Money
    by_model: list[ModelEstimate]


class Spending(_View):
    """A diagnosis's budget, and what is spent of it. What is reserved is for requests that are under way."""

    max_cost: Money | None
    max_tokens: int | None
    cost: Money
    tokens: int
    reserved_cost: Money
    reserved_tokens: int


class DiagnosisDocument(_View):
    """A diagnosis; its report is there once it has SUCCEEDED."""

    task_id: str = Field(examples=["brand_diagnosis_20261125_143052_1a2b3c4d"])
    status: Status
    continues: str | None = Field(description="The diagnosis whose answers were taken over.")
    spending: Spending
    report: Report | None


class CellDocument(_View):
    """A cell of the grid."""

    key: Key
    model: str
    state: CellState
    reason: str | None = Field(description="Why it failed or was skipped.")
    named: bool | None = Field(description="Whether its answer names the brand; null unless it was answered.")
    rank: int | None
    sentiment: float | None
    tokens: int
    cost: Money
    seconds: float = Field(description="Of its requests together.")


class Sums(_View):
    """Of a row, of a column, or of the grid."""

    waiting: int
    answered: int
    failed: int
    skipped: int
    named: int
    tokens: int
    cost: Money


class GridRow(_View):
    question: str = Field(examples=["q07"])
    text: str
    cells: list[CellDocument]
    sums: Sums


class GridColumn(_View):
    model: str
    sums: Sums


class Grid(_View):
    """Every cell, a row for each question and a column for each model."""

    task_id: str
    rows: list[GridRow]
    columns: list[GridColumn]
    sums: Sums


class AnswerDocument(_View):
    """A cell in full. Without an answer it was not asked yet, or its model did not answer."""

    key: Key
    question: str
    model: str
    state: CellState
    reason: str | None
    answer: str | None
    extraction: Extraction | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Money
    seconds: float
    asked_by: str | None = Field(description="The diagnosis that paid for the answer.")
    answered_at: Timestamp | None


class Retried(_View):
    """The diagnosis that asks again what this one did not get."""

    task_id: str = Field(examples=["brand_diagnosis_20261125_143052_1a2b3c4d"])
    status: Status
    continues: str
    cells: int = Field(description="Cells that are asked; the others' answers are taken over.")


class ExecutionStatus(_View):
    """The progress of a diagnosis, by the names of an older API."""

    execution_id: str
    task_id: str
    status: Status
    stage: str = Field(description="init, ai_fetching, analyzing, completed.", examples=["ai_fetching"])
    progress: int
    completed: int = Field(description="Cells that were answered.")
    failed: int = Field(description="Cells that failed or were skipped.")
    total: int | None = Field(description="Cells; null when the database does not answer.")
    current_step: str | None
    cache_sync_status: SyncStatus


def estimate(params: Diagnosis, columns: Sequence[budget.Estimate]) -> Estimate:
    return Estimate(
        cells=len(params.cells()),
        calls=sum(column.calls for column in columns),
        tokens=sum(column.prompt_tokens + column.completion_tokens for column in columns),
        cost=money(sum((column.cost for column in columns), Decimal(0))),
        cost_at_most=money(sum((column.max_cost for column in columns), Decimal(0))),
        by_model=[_model_estimate(column) for column in columns],
    )


def diagnosis(read: ReadDiagnosis) -> DiagnosisDocument:
    report = read.row.report if read.row else None
    return DiagnosisDocument(
        task_id=read.task.task_id,
        status=read.task.status,
        continues=read.params.continues,
        spending=spending(read.budget, read.costs),
        report=stored.read(Report, report) if report else None,
    )


def spending(limits: Budget, costs: Costs) -> Spending:
    return Spending(
        max_cost=None if limits.max_cost is None else money(limits.max_cost),
        max_tokens=limits.max_tokens,
        cost=money(costs.spent.cost),
        tokens=costs.spent.tokens,
        reserved_cost=money(costs.reserved.cost),
        reserved_tokens=costs.reserved.tokens,
    )


def grid(task_id: str, cells: Mapping[Cell, GridCell]) -> Grid:
    texts = {cell.question: cell.text for cell in cells}
    rows = []
    for question, text in texts.items():
        here = {cell: row for cell, row in cells.items() if cell.question == question}
        shown = [_cell(cell, row) for cell, row in here.items()]
        rows.append(GridRow(question=question, text=text, cells=shown, sums=_sums(list(here.values()))))
    columns = [
        GridColumn(model=model, sums=_sums([row for cell, row in cells.items() if cell.model == model]))
        for model in dict.fromkeys(cell.model for cell in cells)
    ]
    return Grid(task_id=task_id, rows=rows, columns=columns, sums=_sums(list(cells.values())))


def answer(read: ReadCell) -> AnswerDocument:
    row = read.row
    return AnswerDocument(
        key=read.cell.key,
        question=read.cell.text,
        model=read.cell.model,
        state=read.state,
        reason=read.reason,
        answer=row.answer if row else None,
        extraction=row.extraction if row else None,
        requests=row.requests if row else 0,
        prompt_tokens=row.prompt_tokens if row else 0,
        completion_tokens=row.completion_tokens if row else 0,
        cost=money(row.cost) if row else 0.0,
        seconds=round(row.seconds, 3) if row else 0.0,
        asked_by=row.asked_by if row else None,
        answered_at=row.answered_at if row else None,
    )


def retried(retry: Retry) -> Retried:
    task = retry.task
    return Retried(task_id=task.task_id, status=task.status, continues=retry.continues, cells=retry.missing)


def execution_status(read: ExecutionProgress) -> ExecutionStatus:
    seen = read.seen
    return ExecutionStatus(
        execution_id=seen.task_id,
        task_id=seen.task_id,
        status=Status(seen.status),
        stage=seen.stage or INIT,
        progress=seen.progress,
        completed=seen.statistics.get("cells_done", 0),
        failed=seen.statistics.get("cells_failed", 0),
        total=read.cells,
        current_step=seen.current_step,
        cache_sync_status=read.sync,
    )


def money(amount: Decimal) -> float:
    return round(float(amount), MONEY_DIGITS)


def _model_estimate(column: budget.Estimate) -> ModelEstimate:
    return ModelEstimate(
        model=column.model,
        calls=column.calls,
        prompt_tokens=column.prompt_tokens,
        completion_tokens=column.completion_tokens,
        cost=money(column.cost),
        cost_at_most=money(column.max_cost),
    )


def _cell(cell: Cell, row: GridCell) -> CellDocument:
    extraction = row.extraction
    return CellDocument(
        key=cell.key,
        model=cell.model,
        state=row.state,
        reason=row.reason,
        named=extraction.named if extraction else None,
        rank=extraction.rank if extraction else None,
        sentiment=extraction.sentiment if extraction else None,
        tokens=row.tokens,
        cost=money(row.cost),
        seconds=round(row.seconds, 3),
    )


def _sums(rows: Sequence[GridCell]) -> Sums:
    states = [row.state for row in rows]
    return Sums(
        **{state.value: states.count(state) for state in CellState},
        named=sum(row.extraction is not None and row.extraction.named for row in rows),
        tokens=sum(row.tokens for row in rows),
        cost=money(sum((row.cost for row in rows), Decimal(0))),
    )
