"""From rows to documents."""

from collections.abc import Sequence
from decimal import Decimal

from diagnosis import prices
from diagnosis.cells import AskedCell, CellState, Costs, DiagnosisRow, GridCell
from diagnosis.model import Budget, Cell, Diagnosis
from diagnosis.prices import Expected
from diagnosis.report import Report
from diagnosis.views import (
    AnswerDocument,
    CellDocument,
    DiagnosisDocument,
    Estimate,
    Grid,
    GridColumn,
    GridRow,
    ModelEstimate,
    Spending,
    Sums,
)
from longhaul.settings import Model
from longhaul.tasks.model import Task

PLACES = 6  # of money on the wire


def estimate(asked: Diagnosis, models: Sequence[Model]) -> Estimate:
    columns = [(model.name, prices.expected(asked, model)) for model in models]
    return Estimate(
        cells=len(asked.cells()),
        calls=sum(column.calls for _, column in columns),
        tokens=sum(column.prompt_tokens + column.completion_tokens for _, column in columns),
        cost=money(sum((column.cost for _, column in columns), Decimal(0))),
        cost_at_most=money(sum((column.most for _, column in columns), Decimal(0))),
        by_model=[_model_estimate(name, column) for name, column in columns],
    )


def diagnosis(task: Task, asked: Diagnosis, row: DiagnosisRow | None, costs: Costs) -> DiagnosisDocument:
    return DiagnosisDocument(
        task_id=task.task_id,
        status=task.status,
        continues=asked.continues,
        spending=spending(row.budget if row else asked, costs),
        report=Report.model_validate(row.report) if row and row.report else None,
    )


def spending(budget: Budget, costs: Costs) -> Spending:
    return Spending(
        max_cost=None if budget.max_cost is None else money(budget.max_cost),
        max_tokens=budget.max_tokens,
        cost=money(costs.spent.cost),
        tokens=costs.spent.tokens,
        reserved_cost=money(costs.reserved.cost),
        reserved_tokens=costs.reserved.tokens,
    )


def grid(task_id: str, asked: Diagnosis, stored: Sequence[GridCell]) -> Grid:
    """Before it was planned, all of its cells wait."""
    known = {cell.key: cell for cell in stored}
    cells = {cell: known.get(cell.key) or _unplanned(cell) for cell in asked.cells()}
    texts = {cell.question: cell.text for cell in cells}
    rows = []
    for question, text in texts.items():
        here = {cell: one for cell, one in cells.items() if cell.question == question}
        shown = [_cell(cell, one) for cell, one in here.items()]
        rows.append(GridRow(question=question, text=text, cells=shown, sums=_sums(list(here.values()))))
    columns = [
        GridColumn(model=model, sums=_sums([one for cell, one in cells.items() if cell.model == model]))
        for model in asked.models
    ]
    return Grid(task_id=task_id, rows=rows, columns=columns, sums=_sums(list(cells.values())))


def answer(cell: Cell, state: CellState, reason: str | None, asked: AskedCell | None) -> AnswerDocument:
    return AnswerDocument(
        key=cell.key,
        question=cell.text,
        model=cell.model,
        state=state,
        reason=reason,
        answer=asked.answer if asked else None,
        extraction=asked.extraction if asked else None,
        requests=asked.requests if asked else 0,
        prompt_tokens=asked.prompt_tokens if asked else 0,
        completion_tokens=asked.completion_tokens if asked else 0,
        cost=money(asked.cost) if asked else 0.0,
        seconds=round(asked.seconds, 3) if asked else 0.0,
        asked_by=asked.asked_by if asked else None,
        answered_at=asked.answered_at if asked else None,
    )


def money(sum_of_money: Decimal) -> float:
    return round(float(sum_of_money), PLACES)


def _model_estimate(name: str, column: Expected) -> ModelEstimate:
    return ModelEstimate(
        model=name,
        calls=column.calls,
        prompt_tokens=column.prompt_tokens,
        completion_tokens=column.completion_tokens,
        cost=money(column.cost),
        cost_at_most=money(column.most),
    )


def _unplanned(cell: Cell) -> GridCell:
    return GridCell(cell.key, CellState.waiting, None, None, None, 0, Decimal(0), 0.0)


def _cell(cell: Cell, one: GridCell) -> CellDocument:
    said = one.said
    return CellDocument(
        key=cell.key,
        model=cell.model,
        state=one.state,
        reason=one.reason,
        named=said.named if said else None,
        rank=said.rank if said else None,
        sentiment=said.sentiment if said else None,
        tokens=one.tokens,
        cost=money(one.cost),
        seconds=round(one.seconds, 3),
    )


def _sums(cells: Sequence[GridCell]) -> Sums:
    states = [cell.state for cell in cells]
    return Sums(
        **{state.value: states.count(state) for state in CellState},
        named=sum(cell.said is not None and cell.said.named for cell in cells),
        tokens=sum(cell.tokens for cell in cells),
        cost=money(sum((cell.cost for cell in cells), Decimal(0))),
    )
