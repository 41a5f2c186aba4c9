"""The rows of diagnoses, read and written by the statements of queries.sql."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from diagnosis.cells import AskedCell, CellState, Costs, DiagnosisRow, GridCell
from diagnosis.errors import SKIPPED
from diagnosis.extraction import Extraction
from diagnosis.model import Budget
from diagnosis.prices import Sum
from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.model import StepStatus, aware

if TYPE_CHECKING:
    from longhaul.llm import Usage

_queries = queries.load(__file__)


def begin(tx: Session, task_id: str, budget: Budget) -> None:
    _queries.begin(tx, task_id=task_id, max_cost=budget.max_cost, max_tokens=budget.max_tokens)


def take_over(tx: Session, task_id: str, former_id: str, cell_keys: Sequence[str]) -> int:
    """How many answers were taken over from a diagnosis of the same tenant."""
    if not cell_keys:
        return 0
    return int(_queries.take_over(tx, task_id=task_id, former_id=former_id, cell_keys=list(cell_keys)))


def change_budget(session: Session, task_id: str, budget: Budget) -> None:
    _queries.change_budget(session, task_id=task_id, max_cost=budget.max_cost, max_tokens=budget.max_tokens)


def lock_budget(tx: Session, task_id: str) -> Budget:
    """Nobody else's to spend from until the transaction ends."""
    return _budget(_queries.lock_budget(tx, task_id=task_id))


def fetch(session: Session, task_id: str) -> DiagnosisRow | None:
    """None until the diagnosis was planned."""
    row = _queries.fetch_diagnosis(session, task_id=task_id)
    if row is None:
        return None
    report = json.loads(row["report"]) if row["report"] else None
    return DiagnosisRow(_budget(row), bool(row["told"]), report, aware(row["updated_at"]))


def mark_told(session: Session, task_id: str) -> None:
    _queries.mark_told(session, task_id=task_id)


def sum_costs(session: Session, task_id: str) -> Costs:
    row = _queries.sum_costs(session, task_id=task_id)
    reserved = Sum(int(row["reserved_tokens"]), Decimal(row["reserved_cost"]))
    return Costs(Sum(int(row["tokens"]), Decimal(row["cost"])), reserved)


def settle_lost(tx: Session, task_id: str, key: str) -> None:
    """What was reserved for this cell and never settled counts as spent."""
    _queries.settle_lost(tx, task_id=task_id, cell_key=key)


def reserve(tx: Session, task_id: str, key: str, most: Sum) -> None:
    _queries.reserve(tx, task_id=task_id, cell_key=key, cost=most.cost, tokens=most.tokens)


def settle(
    session: Session,
    task_id: str,
    key: str,
    usage: "Usage | None",
    *,
    answer: str | None = None,
    extraction: Extraction | None = None,
) -> None:
    """What a request took (None: it was not made), with its answer or what was read in it; the first stays."""
    _queries.settle(
        session,
        task_id=task_id,
        cell_key=key,
        answer=answer,
        extraction=extraction.model_dump_json() if extraction else None,
        requests=usage.requests if usage else 0,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        cost=usage.cost if usage else Decimal(0),
        seconds=usage.seconds if usage else 0.0,
    )


def fetch_cell(session: Session, task_id: str, key: str) -> AskedCell | None:
    """None when it was never asked."""
    row = _queries.fetch_cell(session, task_id=task_id, cell_key=key)
    if row is None:
        return None
    values = {name: row[name] for name in AskedCell.__dataclass_fields__}
    return AskedCell(
        **values | {"extraction": _extraction(row["extraction"]), "answered_at": aware(row["answered_at"])}
    )


def fetch_state(session: Session, task_id: str, key: str) -> tuple[CellState, str | None]:
    """A cell's state, and why where it was not answered."""
    row = _queries.fetch_step(session, task_id=task_id, cell_key=key)
    return (_state(row), row["error_message"]) if row else (CellState.waiting, None)


def list_cells(session: Session, task_id: str) -> list[GridCell]:
    """The planned cells by their keys; none until the diagnosis was planned."""
    return [
        GridCell(
            key=row["cell_key"],
            state=_state(row),
            reason=row["error_message"],
            extraction=_extraction(row["extraction"]),
            asked_by=row["asked_by"],
            tokens=int((row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)),
            cost=Decimal(row["cost"] or 0),
            seconds=float(row["seconds"] or 0),
        )
        for row in _queries.list_cells(session, task_id=task_id)
    ]


def save_report(tx: Session, task_id: str, report: str) -> None:
    _queries.save_report(tx, task_id=task_id, report=report)


def _budget(row: dict[str, Any] | None) -> Budget:
    return Budget.model_construct(**{name: row[name] for name in Budget.model_fields}) if row else Budget()


def _extraction(text: str | None) -> Extraction | None:
    return Extraction.model_validate_json(text) if text else None


def _state(step: dict[str, Any]) -> CellState:
    match step["status"]:
        case StepStatus.SUCCEEDED:
            return CellState.answered
        case StepStatus.FAILED:
            return CellState.skipped if step["error_code"] in SKIPPED else CellState.failed
    return CellState.waiting
