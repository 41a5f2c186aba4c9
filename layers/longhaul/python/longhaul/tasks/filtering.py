"""Which tasks a list, a count or a bulk action is for."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from longhaul.tasks.model import TERMINAL, Priority, Status
from longhaul.validation import Moment, NotEmpty

MAX_KINDS = 50  # that a filter names
MAX_CODES = 50

# The ends of MySQL's times and of ids: no row lies beyond.
BEGINNING, END = datetime(1000, 1, 1), datetime(9999, 12, 31)
MAX_ID = 2**63 - 1

type PriorityName = Literal["low", "normal", "high", "urgent"]
type KindName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
type ErrorCode = Annotated[str, StringConstraints(pattern=r"^!?[A-Za-z0-9_.:-]{1,64}$")]


class TaskFilter(BaseModel):
    """Tasks that are all of this. What is left out does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    status: Annotated[list[Status], NotEmpty] = Field(
        default_factory=list,
        min_length=1,
        max_length=len(Status),
        description="Only these; every status when left out.",
        examples=[["PENDING", "RUNNING"]],
    )
    kind: Annotated[list[KindName], NotEmpty] = Field(
        default_factory=list,
        min_length=1,
        max_length=MAX_KINDS,
        description="Only these; every kind when left out.",
        examples=[["hospital_full_refresh"]],
    )
    priority: Annotated[list[PriorityName], NotEmpty] = Field(
        default_factory=list,
        min_length=1,
        max_length=len(Priority),
        description="Only these; every priority when left out.",
        examples=[["high", "urgent"]],
    )
    created_after: Moment | None = Field(
        None, description="Created at this time or after it (RFC 3339).", examples=["2026-11-01T00:00:00Z"]
    )
    created_before: Moment | None = Field(
        None, description="Created before this time (RFC 3339).", examples=["2036-12-01T00:00:00Z"]
    )
    title: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Text within the title. A list looks for it in 5,000 tasks a page: follow its cursor for more.",
        examples=["广东"],
    )
    ended_after: Moment | None = Field(
        None, description="Ended at this time or after it (RFC 3339).", examples=["2026-11-01T00:00:00Z"]
    )
    ended_before: Moment | None = Field(
        None, description="Ended before this time (RFC 3339).", examples=["2036-12-01T00:00:00Z"]
    )

    error_code: Annotated[list[ErrorCode], NotEmpty] = Field(
        default_factory=list,
        min_length=1,
        max_length=MAX_CODES,
        description="Only tasks with one of these error codes; with ! before it, with any other code.",
        examples=[["bad_answer"], ["!deadline_exceeded"]],
    )

    @property
    def asked(self) -> set[str]:
        """The names of the filters that are on."""
        return {name for name in TaskFilter.model_fields if getattr(self, name)}

    def only(self, names: Iterable[str]) -> "TaskFilter":
        """These of its filters alone."""
        return TaskFilter.model_construct(**{name: getattr(self, name) for name in names})

    @property
    def one_error(self) -> bool:
        """Whether tasks with one code are wanted, and none with any other code."""
        return len(set(self.error_code)) == 1 and not self.error_code[0].startswith("!")

    @property
    def by_end(self) -> bool:
        return self.ended_after is not None or self.ended_before is not None

    def parameters(self) -> dict[str, Any]:
        """The named parameters of every query that selects by a filter.

        `IN ()` is no SQL, so a filter that is off has a value that no row has. What ended before a time was created
        before it too, which bounds the index.
        """
        statuses = sorted({status for status in self.status or Status if not self.by_end or status in TERMINAL})
        ended_before = _naive(self.ended_before) or END
        codes = {code for code in self.error_code if not code.startswith("!")}
        others = {code.removeprefix("!") for code in set(self.error_code) - codes}
        return {
            "any_status": len(statuses) == len(Status),
            "statuses": [str(status) for status in statuses] or [""],
            "any_kind": not self.kind,
            "kinds": sorted(set(self.kind)) or [""],
            "any_priority": not self.priority,
            "priorities": sorted({int(Priority[name]) for name in self.priority}) or [-1],
            "any_created": not (self.created_after or self.created_before or self.ended_before),
            "created_after": _naive(self.created_after) or BEGINNING,
            "created_before": min(_naive(self.created_before) or END, ended_before),
            "any_end": not self.by_end,
            "ended_after": _naive(self.ended_after) or BEGINNING,
            "ended_before": ended_before,
            "any_error": not codes,
            "error_codes": sorted(codes) or [""],
            "any_other_error": not others,
            "other_error_codes": sorted(others) or [""],
            "any_title": self.title is None,
            "title": f"%{_escaped(self.title or '')}%",
        }


NO_FILTER = TaskFilter.model_construct()


def _naive(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None)


def _escaped(text: str) -> str:
    """For LIKE with ESCAPE '!', which works in every SQL mode, as a backslash does not."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
