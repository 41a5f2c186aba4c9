"""The rows of diagnoses and their cells, by the statements of queries.sql."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from diagnosis.model import NOTHING, SKIPPED, Budget, CellState, Extraction, Sum
from longhaul.database import Session, queries
from longhaul.database.chunks import chunks
from longhaul.tasks.model import StepStatus, aware

if TYPE_CHECKING:
    from longhaul.llm import Usage

_queries = queries.load(__file__)

REFUSED = frozenset({CellState.failed, CellState.skipped})  # these have a reason


@dataclass(frozen=True)
class Costs:
    """The costs of a diagnosis: spent, and reserved for requests under way."""

    spent: Sum
    reserved: Sum


@dataclass(frozen=True)
class Standing:
    """The budget beside its costs, and the stored answer of a cell."""

    budget: Budget
    costs: Costs
    answer: str | None


@dataclass(frozen=True)
class Work:
    """What asking a cell needs. `is_read`: its answer has been read. `is_reserved`: something never settled is."""

    tenant_id: str
    params: dict[str, Any]
    budget: Budget
    answer: str | None
    is_read: bool
    is_reserved: bool


@dataclass(frozen=True)
class DiagnosisRow:
    """`caller_notified`: the caller knows that the budget is not enough. Times are aware, UTC, here and below."""

    budget: Budget
    caller_notified: bool
    report: dict[str, Any] | None
    updated_at: datetime


@dataclass(frozen=True)
class GridCell:
    """A planned cell without its answer's text. `tokens`, `cost`, `seconds` are 0 where another diagnosis paid.

    `extraction` is None unless the cell is answered, `reason` unless it failed or was skipped.
    """

    key: str
    state: CellState
    reason: str | None
    extraction: Extraction | None
    asked_by: str | None
    tokens: int
    cost: Decimal
    seconds: float


@dataclass(frozen=True)
class StoredCell:
    """A cell that was asked, by the diagnosis `asked_by`."""

    asked_by: str
    answer: str | None
    extraction: Extraction | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    answered_at: datetime | None


def begin(tx: Session, task_id: str, budget: Budget) -> None:
    _queries.begin(tx, task_id=task_id, max_cost=budget.max_cost, max_tokens=budget.max_tokens)


def take_over(tx: Session, task_id: str, former_id: str, cell_keys: Sequence[str]) -> int:
    """Takes answers over from a diagnosis of the same tenant, and returns how many."""
    return sum(
        int(_queries.take_over(tx, task_id=task_id, former_id=former_id, cell_keys=some)) for some in chunks(cell_keys)
    )


def change_budget(session: Session, task_id: str, submitted: Budget, changes: Mapping[str, Any]) -> None:
    """Change these fields. The others stay as they are, or as they were `submitted` while there is no row yet."""
    changed = submitted.model_copy(update=dict(changes))
    _queries.change_budget(
        session,
        task_id=task_id,
        max_cost=changed.max_cost,
        max_tokens=changed.max_tokens,
        changes_cost="max_cost" in changes,
        changes_tokens="max_tokens" in changes,
    )


def fetch_work(session: Session, task_id: str, key: str) -> Work | None:
    """None without such a task."""
    row = _queries.fetch_work(session, task_id=task_id, cell_key=key)
    if row is None:
        return None
    return Work(
        tenant_id=row["tenant_id"],
        params=json.loads(row["params"]),
        budget=_budget(row),
        answer=row["answer"],
        is_read=row["extraction"] is not None,
        is_reserved=bool(row["reserved_tokens"]),
    )


def fetch_standing(session: Session, task_id: str, key: str) -> Standing:
    row = _queries.fetch_standing(session, task_id=task_id, cell_key=key)
    return Standing(_budget(row), _costs(row), row["answer"])


def fetch(session: Session, task_id: str) -> DiagnosisRow | None:
    """None until the diagnosis was planned."""
    row = _queries.fetch_diagnosis(session, task_id=task_id)
    if row is None:
        return None
    report = json.loads(row["report"]) if row["report"] else None
    return DiagnosisRow(_budget(row), bool(row["told"]), report, aware(row["updated_at"]))


def mark_caller_notified(session: Session, task_id: str) -> None:
    _queries.mark_caller_notified(session, task_id=task_id)


def sum_costs(session: Session, task_id: str) -> Costs:
    return _costs(_queries.sum_costs(session, task_id=task_id))


def _costs(row: dict[str, Any]) -> Costs:
    reserved = Sum(int(row["reserved_tokens"]), Decimal(row["reserved_cost"]))
    return Costs(Sum(int(row["tokens"]), Decimal(row["cost"])), reserved)


def settle_lost(tx: Session, task_id: str, key: str) -> None:
    """A reservation for this cell that was never settled counts as spent."""
    _queries.settle_lost(tx, task_id=task_id, cell_key=key)


def reserve(tx: Session, task_id: str, key: str, worst: Sum) -> None:
    """What the cell had reserved and never settled counts as spent."""
    _queries.reserve(tx, task_id=task_id, cell_key=key, cost=worst.cost, tokens=worst.tokens)


def withdraw(session: Session, task_id: str, key: str, worst: Sum) -> None:
    """Takes this reservation back, for a request that is not sent."""
    _queries.withdraw(session, task_id=task_id, cell_key=key, tokens=worst.tokens)


def settle(
    session: Session,
    task_id: str,
    key: str,
    usage: "Usage | None",
    *,
    answer: str | None = None,
    extraction: Extraction | None = None,
    reserving: Sum = NOTHING,
) -> bool:
    """Adds a request's usage (None: it was not sent), and stores its answer or extraction unless there is one.

    In the same statement it reserves what the next request may take. Whether the cell was new.
    """
    inserted = 1  # 2 is a row that was there: https://dev.mysql.com/doc/refman/8.0/en/insert-on-duplicate.html
    changed = _queries.settle(
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
        reserved_cost=reserving.cost,
        reserved_tokens=reserving.tokens,
    )
    return bool(changed == inserted)


def fetch_cell(session: Session, task_id: str, key: str) -> StoredCell | None:
    """None when the cell was never asked."""
    row = _queries.fetch_cell(session, task_id=task_id, cell_key=key)
    if row is None:
        return None
    values = {name: row[name] for name in StoredCell.__dataclass_fields__}
    return StoredCell(
        **values | {"extraction": _extraction(row["extraction"]), "answered_at": aware(row["answered_at"])}
    )


def fetch_state(session: Session, task_id: str, key: str) -> tuple[CellState, str | None]:
    """A cell's state, and the reason when it failed or was skipped."""
    row = _queries.fetch_step(session, task_id=task_id, cell_key=key)
    state = _state(row) if row else CellState.waiting
    return state, row["error_message"] if row and state in REFUSED else None


def list_cells(session: Session, task_id: str) -> list[GridCell]:
    """The planned cells by their keys; none until the diagnosis was planned."""
    return [_grid_cell(row) for row in _queries.list_cells(session, task_id=task_id)]


def save_report(tx: Session, task_id: str, report: str) -> None:
    _queries.save_report(tx, task_id=task_id, report=report)


def purge_cells(tx: Session, task_ids: Sequence[str], limit: int) -> int:
    """Deletes `limit` cells of these tasks at most, and returns how many. A cell's answer has perhaps 100 KB.

    The rest of a diagnosis is one row, which goes with its task.
    """
    return int(_queries.purge_cells(tx, task_ids=list(task_ids), limit=limit))


def _grid_cell(row: dict[str, Any]) -> GridCell:
    state = _state(row)
    return GridCell(
        key=row["cell_key"],
        state=state,
        reason=row["error_message"] if state in REFUSED else None,
        extraction=_extraction(row["extraction"]) if state == CellState.answered else None,
        asked_by=row["asked_by"],
        tokens=int((row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)),
        cost=Decimal(row["cost"] or 0),
        seconds=float(row["seconds"] or 0),
    )


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
