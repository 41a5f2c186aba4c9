"""Which tasks a bulk action is for, and what is to be done with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from longhaul.tasks.kinds import kinds
from longhaul.tasks.model import ACTIONS, ACTIVE, PRIORITISE, TRANSITIONS, Priority, Status

KIND = "bulk_action"
MOST_MATCHES = 100_000

type PriorityName = Literal["low", "normal", "high", "urgent"]
type TaskId = Annotated[str, StringConstraints(min_length=1, max_length=96)]
type KindName = Annotated[str, StringConstraints(min_length=1, max_length=64)]

_BEGINNING, _END = datetime(1970, 1, 1), datetime(9999, 12, 31)  # of DATETIME, without a zone as MySQL's are
_ANY_ID = 2**63 - 1


class TaskFilter(BaseModel):
    """Tasks that are all of this. What is left out does not matter; not everything may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: list[Status] = Field(default=[], max_length=len(Status), description="One of these.")
    kind: list[KindName] = Field(default=[], max_length=20, description="One of these.")
    priority: list[PriorityName] = Field(default=[], max_length=len(Priority), description="One of these.")
    created_after: AwareDatetime | None = Field(None, description="At that time or later.")
    created_before: AwareDatetime | None = Field(None, description="Before that time.")
    title: str | None = Field(None, min_length=1, max_length=100, description="A text that is part of the title.")
    task_ids: list[TaskId] = Field(default=[], max_length=1_000, description="One of these.")

    @model_validator(mode="after")
    def is_not_empty(self) -> Self:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("an empty filter would be for every task: name what is meant")
        return self


class BulkAction(BaseModel):
    """What is to be done with every task that matches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["cancel", "pause", "resume", "retry", "prioritise"]
    priority: PriorityName | None = Field(None, validate_default=True, description="Only to prioritise: the new one.")
    filter: TaskFilter

    @field_validator("priority")
    @classmethod
    def belongs_to_prioritise(cls, priority: str | None, info: ValidationInfo) -> str | None:
        if "action" in info.data and (info.data["action"] == PRIORITISE) != (priority is not None):
            raise ValueError("needed to prioritise" if priority is None else "only for the action prioritise")
        return priority

    @property
    def sources(self) -> tuple[Status, ...]:
        """The statuses from which a task can be so changed."""
        return ACTIVE if self.action == PRIORITISE else TRANSITIONS[ACTIONS[self.action]].sources


@dataclass(frozen=True)
class Selection:
    """A tenant's tasks that match, of those whose row has an id lower than `before_id`; never a bulk action."""

    tenant_id: str
    filter: TaskFilter
    before_id: int = _ANY_ID

    def parameters(self) -> dict[str, Any]:
        """The named parameters that every query of bulk/queries.sql takes which selects by a filter."""
        wanted = self.filter
        known = kinds().keys() - {KIND}
        return {
            "tenant_id": self.tenant_id,
            "before_id": self.before_id,
            "statuses": wanted.status or list(Status),
            "kinds": _listed(known & set(wanted.kind) if wanted.kind else known),
            "priorities": [Priority[name] for name in wanted.priority] or list(Priority),
            "created_after": _naive(wanted.created_after) or _BEGINNING,
            "created_before": _naive(wanted.created_before) or _END,
            "any_title": wanted.title is None,
            "title": wanted.title or "",
            "any_id": not wanted.task_ids,
            "task_ids": _listed(wanted.task_ids),
        }


def _listed(names: set[str] | Sequence[str]) -> list[str]:
    """SQL knows no empty list; no task has an empty name."""
    return sorted(names) or [""]


def _naive(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None)
