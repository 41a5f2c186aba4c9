"""Many rows of `tasks` at once, by the statements of queries.sql."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.bulk.selection import Selection
from longhaul.tasks.model import TRANSITIONS, Priority, Status, Transition
from longhaul.tasks.preparing import NewTask
from longhaul.tasks.store import dumps

_queries = queries.load(__file__)


class Stored(NamedTuple):
    """A task that is there: by whose key, for which payload, and while it is open what nobody else has."""

    task_id: str
    idempotency_key: str | None
    request_digest: str
    open_key: str | None


@dataclass(frozen=True)
class Target:
    """As much of a task as a change of it has to know."""

    id: int
    task_id: str
    kind: str
    title: str
    status: Status
    priority: Priority
    attempt: int

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**row | {"status": Status(row["status"]), "priority": Priority(row["priority"])})


@dataclass(frozen=True)
class Range:
    """A part of the tasks that match, by the times (UTC, without a zone) and the row ids with which it begins and ends,
    and how many matched when it was cut. Its key names the step that changes it.
    """

    first_at: datetime
    first_id: int
    last_at: datetime
    last_id: int
    tasks: int

    @property
    def key(self) -> str:
        return f"{self.first_at:{_TIME}}.{self.first_id}-{self.last_at:{_TIME}}.{self.last_id}/{self.tasks}"

    @classmethod
    def of_key(cls, key: str) -> Self:
        ends, _, tasks = key.partition("/")
        (first_at, first_id), (last_at, last_id) = (end.split(".") for end in ends.split("-"))
        return cls(
            datetime.strptime(first_at, _TIME),
            int(first_id),
            datetime.strptime(last_at, _TIME),
            int(last_id),
            int(tasks),
        )


_TIME = "%Y%m%d%H%M%S%f"


class Done(NamedTuple):
    """The ranges of a bulk action, those that are done, and in tasks: all, those looked at, those changed."""

    ranges: int
    done: int
    planned: int
    seen: int
    changed: int


def insert(session: Session, tenant_id: str, user_id: str, new: Sequence[NewTask]) -> None:
    """Those that have room in their lane and a key that is new. Raises pymysql.IntegrityError when a key is taken
    meanwhile; then none was inserted.
    """
    rows = dumps([_row(task) for task in new])
    kinds = sorted({task.kind for task in new})
    _queries.insert_tasks(session, tenant_id=tenant_id, user_id=user_id, rows=rows, kinds=kinds)


def _row(task: NewTask) -> dict[str, Any]:
    times = {"run_after": _plain(task.run_after), "deadline": _plain(task.deadline)}
    return vars(task) | times | {"params": dumps(task.params)}


def _plain(moment: datetime | None) -> str | None:
    """As MySQL writes it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if moment else None


def find_stored(session: Session, tenant_id: str, new: Sequence[NewTask]) -> list[Stored]:
    """The tasks there are with these ids, or with these keys of either sort."""
    rows = _queries.find_stored(
        session,
        tenant_id=tenant_id,
        task_ids=[task.task_id for task in new],
        idempotency_keys=[task.idempotency_key or "" for task in new],
        open_keys=[task.open_key or "" for task in new],
    )
    return [Stored(**row) for row in rows]


def lock(tx: Session, tenant_id: str, task_ids: Sequence[str]) -> dict[str, Target]:
    rows = _queries.lock_tasks(tx, tenant_id=tenant_id, task_ids=list(task_ids))
    return {row["task_id"]: Target.from_row(row) for row in rows}


def change(tx: Session, rows: Sequence[dict[str, Any]]) -> None:
    """[{id, priority, title}] of tasks that this transaction has locked."""
    _queries.change_tasks(tx, rows=dumps(rows))


def record(tx: Session, event: str, details: Mapping[int, Mapping[str, Any] | None]) -> None:
    """What happened to the tasks with these row ids, in the transaction in which it happened."""
    rows = [{"id": row_id, "detail": dumps(detail)} for row_id, detail in details.items()]
    _queries.insert_changes(tx, event=event, rows=dumps(rows))


def count_matching(session: Session, selection: Selection, *, limit: int) -> int:
    """How many match; the count stops at `limit`."""
    return int(_queries.count_matching(session, **selection.parameters(), limit=limit))


def list_ranges(session: Session, selection: Selection, *, size: int) -> list[Range]:
    return [Range(**row) for row in _queries.list_ranges(session, **selection.parameters(), size=size)]


def lock_matching(tx: Session, selection: Selection, part: Range, *, limit: int) -> list[Target]:
    bounds = {name: value for name, value in vars(part).items() if name != "tasks"}
    rows = _queries.lock_matching(tx, **selection.parameters(), **bounds, limit=limit)
    return [Target.from_row(row) for row in rows]


def stop(tx: Session, tenant_id: str, transition: Transition, rows: Sequence[dict[str, Any]]) -> int:
    """[{id, progress, statistics}] to CANCELLED or PAUSED; how many were moved."""
    return int(
        _queries.stop_tasks(
            tx,
            tenant_id=tenant_id,
            rows=dumps(rows),
            target=TRANSITIONS[transition].target,
            sources=list(TRANSITIONS[transition].sources),
        )
    )


def reopen(tx: Session, tenant_id: str, transition: Transition, targets: Sequence[Target]) -> list[Target]:
    """To PENDING, resumed or to be retried, their failed steps to be tried anew; those that were moved, which those are
    not whose place another task has taken (`Kind.open_key`).
    """
    write = _queries.resume_tasks if transition == Transition.RESUME else _queries.retry_tasks
    sources, ids = list(TRANSITIONS[transition].sources), [target.id for target in targets]
    write(tx, tenant_id=tenant_id, ids=ids, sources=sources)
    waiting = {row["id"] for row in _queries.list_waiting(tx, ids=ids)}
    if moved := [target for target in targets if target.id in waiting]:
        _queries.reset_failed_steps_of(tx, task_ids=[target.task_id for target in moved])
    return moved


def list_targets(session: Session, ids: Sequence[int]) -> list[Target]:
    return [Target.from_row(row) for row in _queries.list_targets(session, ids=list(ids))]


def list_steps(session: Session, task_id: str, level: str) -> list[dict[str, Any]]:
    """[{step_key, label, status, output}]"""
    rows: list[dict[str, Any]] = _queries.list_steps(session, task_id=task_id, level=level)
    return rows


def settle(session: Session, task_id: str, step_key: str) -> None:
    """Remember that the world was told of what this step changed."""
    _queries.settle_step(session, task_id=task_id, step_key=step_key, output=dumps({}))


def count_done(session: Session, task_id: str, level: str) -> Done:
    return Done(
        **{name: int(number) for name, number in _queries.count_done(session, task_id=task_id, level=level).items()}
    )
