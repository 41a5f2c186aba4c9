"""Diagnoses on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from diagnosis.cells import CellState
from diagnosis.extraction import Extraction
from diagnosis.model import Budget
from diagnosis.report import Report
from longhaul.http import Timestamp
from longhaul.tasks.model import Status
from longhaul.tasks.reading import SyncStatus

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


class BudgetRequest(Budget):
    """The whole budget: what is left out is without limit."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"max_cost": 5, "max_tokens": 400_000}]})


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
    """How a diagnosis stands, by the names of seed 002."""

    execution_id: str
    task_id: str
    status: Status
    stage: str = Field(description="init, ai_fetching, analyzing, completed.", examples=["ai_fetching"])
    progress: int
    completed: int = Field(description="Cells that were tried.")
    total: int | None = Field(description="Cells; null when the database does not answer.")
    current_step: str | None
    cache_sync_status: SyncStatus
