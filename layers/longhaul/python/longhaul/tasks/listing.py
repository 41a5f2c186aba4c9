"""Lists of a tenant's tasks, filtered and sorted, by page or after a place; and the steps and the history of one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from longhaul import database
from longhaul.database import Session, queries
from longhaul.errors import UnknownKindAsked
from longhaul.tasks.changes import missing
from longhaul.tasks.filtering import BEGINNING, END, MAX_ID, NO_FILTER, TaskFilter
from longhaul.tasks.kinds import check_named
from longhaul.tasks.model import (
    ACTIVE,
    EventRow,
    Status,
    StepRow,
    StepStatus,
    Task,
    TaskError,
    aware,
)

_queries = queries.load(__file__)

MAX_ACTIVE = 1_000
MAX_COUNTED = 10_000  # tasks of a list: to count on takes the longer the more there are
MAX_SEARCHED = 5_000  # whose titles are looked at in one request: a row each
FEW = 1_000  # tasks that are read and sorted sooner than they are met in an order among a million
# By what few tasks may be found: the filters that an index begins with, behind the tenant.
NARROWING = {
    "tasks_by_error": ("error_code",),
    "tasks_scheduled": ("kind", "status"),
    "tasks_by_tenant_status": ("status",),
    "tasks_by_priority": ("priority",),
    "tasks_by_created": ("created_after", "created_before"),
    "tasks_by_updated": ("ended_after", "ended_before"),
}


class Sort(StrEnum):
    """What a list is sorted by; equal ones by their ids."""

    created_at = "created_at"
    updated_at = "updated_at"
    priority = "priority"
    progress = "progress"


class Order(StrEnum):
    asc = "asc"
    desc = "desc"


@dataclass(frozen=True)
class Question:
    """Which tasks, in which order."""

    tenant_id: str
    filter: TaskFilter = NO_FILTER
    sort: Sort = Sort.created_at
    order: Order = Order.desc

    @property
    def ordered(self) -> str:
        """The index that holds this order: of the one status or error that is wanted, or of all the tenant's tasks."""
        others = self.filter.asked - {"created_after", "created_before", "title"}
        if self.sort == Sort.created_at and others == {"status"} and len(set(self.filter.status)) == 1:
            return "tasks_by_tenant_status"
        if self.sort == Sort.created_at and others == {"error_code"} and self.filter.one_error:
            return "tasks_by_error"
        return f"tasks_by_{self.sort.removesuffix('_at')}"

    @property
    def counted(self) -> str:
        """The index that holds all that is asked, so that no row is read; that of the creation if none does."""
        asked = self.filter.asked - {"title"}
        if asked and asked <= {"status", "created_after", "created_before"}:
            return "tasks_by_tenant_status"
        if asked and asked <= {"kind", "status"}:
            return "tasks_scheduled"
        if asked and asked <= {"error_code", "created_after", "created_before"}:
            return "tasks_by_error"
        return "tasks_by_priority" if "priority" in asked else "tasks_by_created"


@dataclass(frozen=True)
class Place:
    """A row's place in an order: the value it is sorted by (a time is UTC without a zone), and its id."""

    value: datetime | int
    id: int


class Total(NamedTuple):
    """How many tasks there are: exactly, or with `more` at least."""

    number: int
    more: bool = False


def find_page(
    question: Question, *, limit: int, offset: int = 0, after: Place | None = None
) -> tuple[list[Task], Total, Place | None]:
    """A page behind `offset` tasks or after a place, how many tasks there are in all, and where the next begins."""
    with database.connection() as session:
        index = find_index(session, question)
        if question.filter.title is None:
            total = count_tasks(session, question, index or question.counted)
        else:
            total = count_titles(session, question, index or question.ordered)
        if offset >= total.number and not total.more:
            return [], total, None
        index = index or question.ordered
        tasks, following = list_tasks(session, question, index, limit=limit, offset=offset, after=after)
    return tasks, total, following


def find_after(question: Question, after: Place | None, limit: int) -> tuple[list[Task], Place | None]:
    """The tasks after a place, or from the beginning, and the place that the next ones are after.

    Page by page, each task that is there all the while comes once, whatever is added. One whose sorting value changes
    meanwhile (never created_at) may come again or not at all.
    """
    with database.connection() as session:
        index = find_index(session, question) or question.ordered
        return list_tasks(session, question, index, limit=limit, after=after)


def find_active(tenant_id: str) -> tuple[list[Task], bool]:
    """What has not ended, newest first, at most MAX_ACTIVE, and whether there is more."""
    with database.connection() as session:
        rows = _queries.list_active_tasks(session, tenant_id=tenant_id, statuses=list(ACTIVE), limit=MAX_ACTIVE + 1)
    return [Task.from_row(row) for row in rows[:MAX_ACTIVE]], len(rows) > MAX_ACTIVE


def find_steps(
    task_id: str, tenant_id: str, *, level: str | None, status: StepStatus | None, after: str, limit: int
) -> tuple[list[StepRow], str | None]:
    """Steps after that key ("" is before all), and the key that the next ones are after. Raises NotFound."""
    with database.connection() as session:
        rows = _queries.list_steps(
            session,
            task_id=task_id,
            tenant_id=tenant_id,
            any_level=level is None,
            level=level,
            any_status=status is None,
            status=status,
            after_key=after,
            limit=limit + 1,
        )
    steps = [_step(row) for row in _of_task(rows, task_id, "step_key")]
    return steps[:limit], steps[limit - 1].key if len(steps) > limit else None


def find_events(task_id: str, tenant_id: str, *, after: int, limit: int) -> tuple[list[EventRow], int | None]:
    """Events after that id (0 is before all), and the id that the next ones are after. Raises NotFound."""
    with database.connection() as session:
        rows = _queries.list_events(session, task_id=task_id, tenant_id=tenant_id, after_id=after, limit=limit + 1)
    events = [_event(row) for row in _of_task(rows, task_id, "id")]
    return events[:limit], events[limit - 1].id if len(events) > limit else None


def find_index(session: Session, question: Question) -> str | None:
    """The index by which a filter leaves few tasks; None when each leaves many, and those in an order are met soon."""
    for index, filters in NARROWING.items():
        if filters[0] in question.filter.asked:
            alone = question.filter.only(filters)
            if not count_tasks(session, replace(question, filter=alone), index, FEW).more:
                return index
    return None


def check_kinds(session: Session, named: Sequence[str]) -> None:
    """Of a caller's filter. Raises UnknownKindAsked for a kind of which there can be no task."""
    if named:
        known = {row["kind"] for row in _queries.list_kinds(session)}
        check_named(named, known, UnknownKindAsked, "query/kind")


def list_tasks(
    session: Session, question: Question, index: str, *, limit: int, offset: int = 0, after: Place | None = None
) -> tuple[list[Task], Place | None]:
    """The tasks from the beginning, or after that place, and the place that the next page is after.

    They are found in that index. Text in titles is looked for in the next MAX_SEARCHED tasks: a page of those that have
    it may be short, or empty, and the next one goes on where its search has ended.
    """
    after, searches = after or _before_all(question), question.filter.title is not None
    beyond = "<" if question.order == Order.desc else ">"
    rows = _queries.list_tasks(
        session,
        names={"sort": question.sort, "order": question.order, "beyond": beyond, "index": index},
        value=after.value,
        id=after.id,
        read=MAX_SEARCHED if searches else limit + 1,
        skipped=0 if searches else offset,
        limit=limit + 1,
        offset=offset if searches else 0,
        tenant_id=question.tenant_id,
        **question.filter.parameters(),
    )
    tasks = [Task.from_row(row) for row in rows if row["found"]]
    if len(tasks) > limit:
        return tasks[:limit], _place(question, tasks[limit - 1])
    ends = not searches or not rows or rows[-1]["place"] < MAX_SEARCHED
    return tasks, None if ends else _place(question, Task.from_row(rows[-1]))


def count_tasks(session: Session, question: Question, index: str, limit: int | None = None) -> Total:
    """How many tasks there are, whatever their titles, up to `limit` (MAX_COUNTED); counted in that index."""
    limit = limit or MAX_COUNTED
    where = {"tenant_id": question.tenant_id, **question.filter.parameters()}
    number = int(_queries.count_tasks(session, names={"index": index}, limit=limit + 1, **where))
    return Total(min(number, limit), number > limit)


def count_titles(session: Session, question: Question, index: str) -> Total:
    """How many of the first MAX_SEARCHED tasks have the text in their titles, and whether there are more tasks."""
    more = count_tasks(session, question, index, MAX_SEARCHED).more
    names = {"sort": question.sort, "order": question.order, "index": index}
    where = {"tenant_id": question.tenant_id, **question.filter.parameters()}
    return Total(int(_queries.count_titles(session, names=names, read=MAX_SEARCHED, **where)), more)


def _place(question: Question, task: Task) -> Place:
    """The place of a task in the order."""
    value = getattr(task, question.sort)
    return Place(value.replace(tzinfo=None) if isinstance(value, datetime) else int(value), task.id)


def _before_all(question: Question) -> Place:
    """Where the first page begins: beyond any row."""
    descending = question.order == Order.desc
    if question.sort in (Sort.created_at, Sort.updated_at):
        return Place(END, MAX_ID) if descending else Place(BEGINNING, 0)
    return Place(127, MAX_ID) if descending else Place(-1, 0)


def _of_task(rows: Sequence[Mapping[str, Any]], task_id: str, key: str) -> Iterable[Mapping[str, Any]]:
    """The rows that have something. Raises NotFound when the tenant has no such task: then there are none."""
    if not rows:
        raise missing(task_id)
    return [row for row in rows if row[key] is not None]


def _step(row: Mapping[str, Any]) -> StepRow:
    waits = row["status"] == StepStatus.PENDING
    return StepRow(
        key=row["step_key"],
        level=row["level"],
        label=row["label"],
        status=StepStatus(row["status"]),
        attempt=row["attempt"],
        attempts=row["attempts"],
        units=row["units"],
        error=TaskError(row["error_code"], row["error_message"] or "") if row["error_code"] else None,
        created_at=aware(row["created_at"]),
        started_at=None if waits else aware(row["started_at"]),
        finished_at=aware(row["finished_at"]),
    )


def _event(row: Mapping[str, Any]) -> EventRow:
    return EventRow(
        id=row["id"],
        event=row["event"],
        status=Status(row["status"]),
        attempt=row["attempt"],
        detail=json.loads(row["detail"] or "{}"),
        at=aware(row["created_at"]),
    )
