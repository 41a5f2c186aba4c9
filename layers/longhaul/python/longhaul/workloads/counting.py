"""How far a workload's task is: its stages' steps, each stage by its weight.

The steps of a stage are its plan, which counts no unit, and its items, which count one each.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longhaul.database import Session, queries
from longhaul.tasks.model import Progress, StepStatus

_queries = queries.load(__file__)


@dataclass(frozen=True)
class StageCount:
    """The items of a stage by how they stand. `fraction`: what steps under way have reported, in items."""

    planned: int = 0
    done: int = 0
    failed: int = 0
    fraction: float = 0.0
    is_planned: bool = False

    @property
    def open(self) -> int:
        return self.planned - self.done - self.failed

    @property
    def percent_share(self) -> float:
        """0..1, of what is done and what is reported."""
        return (self.done + self.fraction) / self.planned if self.planned else float(self.is_planned)

    @property
    def ended_share(self) -> float:
        return (self.done + self.failed) / self.planned if self.planned else float(self.is_planned)


def count_stages(session: Session, task_id: str) -> dict[str, StageCount]:
    """The stages that are planned, or being planned, by their names; approvals are among them."""
    levels: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _queries.count_stages(session, task_id=task_id):
        levels[row["level"]].append(row)
    return {level: _stage_count(rows) for level, rows in levels.items()}


def counter(weights: Mapping[str, float]) -> Callable[[Session, str], Progress]:
    """`Kind.count` of a workload whose stages weigh this much."""
    whole = sum(weights.values())

    def count(session: Session, task_id: str) -> Progress:
        counts = count_stages(session, task_id)
        stages = {name: counts.get(name, StageCount()) for name in weights}
        done = sum(weights[name] * stage.percent_share for name, stage in stages.items()) / whole
        ended = sum(weights[name] * stage.ended_share for name, stage in stages.items()) / whole
        moved = sum(stage.done + stage.failed + stage.fraction + stage.is_planned for stage in stages.values())
        return Progress(
            percent=min(99, int(100 * done)),
            share=ended,
            steps_done=int(100 * moved),  # in hundredths, so that a reported fraction counts as news
            complete=all(stage.is_planned and not stage.open for stage in stages.values()),
            statistics={
                "items_planned": sum(stage.planned for stage in stages.values()),
                "items_done": sum(stage.done for stage in stages.values()),
                "items_failed": sum(stage.failed for stage in stages.values()),
            }
            | _spending(session, task_id),
        )

    return count


def _stage_count(rows: Sequence[Mapping[str, Any]]) -> StageCount:
    """Of a stage's rows: [{status, steps, plans, fraction}]"""
    items = {row["status"]: int(row["steps"] - row["plans"]) for row in rows}
    return StageCount(
        planned=sum(items.values()),
        done=items.get(StepStatus.SUCCEEDED, 0),
        failed=items.get(StepStatus.FAILED, 0),
        fraction=sum(float(row["fraction"] or 0) for row in rows),
        is_planned=any(row["plans"] and row["status"] == StepStatus.SUCCEEDED for row in rows),
    )


def _spending(session: Session, task_id: str) -> dict[str, Any]:
    """What the task's requests to language models have cost; nothing when there were none."""
    row = _queries.fetch_spending(session, task_id=task_id)
    return {"cost": f"{row['spent']:.4f}", "tokens": int(row["tokens"])} if row else {}
