"""What is known of a diagnosis and its cells, as it is stored. Times are aware, UTC."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from diagnosis.extraction import Extraction
from diagnosis.model import Budget
from diagnosis.prices import Sum


class CellState(StrEnum):
    waiting = "waiting"
    answered = "answered"
    failed = "failed"
    skipped = "skipped"


@dataclass(frozen=True)
class Costs:
    """What a diagnosis has spent, and what is reserved for requests that are under way."""

    spent: Sum
    reserved: Sum


@dataclass(frozen=True)
class DiagnosisRow:
    """`told`: its caller knows that the budget is not enough."""

    budget: Budget
    told: bool
    report: dict[str, Any] | None
    updated_at: datetime


@dataclass(frozen=True)
class GridCell:
    """A cell without its answer. What it took is 0 where another diagnosis paid."""

    key: str
    state: CellState
    reason: str | None
    extraction: Extraction | None
    asked_by: str | None
    tokens: int
    cost: Decimal
    seconds: float

    @property
    def waits(self) -> bool:
        return self.state == CellState.waiting

    @property
    def said(self) -> Extraction | None:
        """What was read in it, when the cell counts as answered."""
        return self.extraction if self.state == CellState.answered else None


@dataclass(frozen=True)
class AskedCell:
    """What is stored of a cell that was asked."""

    asked_by: str
    answer: str | None
    extraction: Extraction | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    answered_at: datetime | None
