"""Many tasks in one request: submitted or changed by one statement, with an answer for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache as remembered
from typing import Any, NamedTuple

import pymysql

from longhaul import database
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays, side_by_side
from longhaul.errors import DatabaseUnavailable, InvalidRequest, KeyReused, LonghaulError
from longhaul.idempotency import KeyedRequest, claim, release, save_answer
from longhaul.observability import logger
from longhaul.tasks import changes, lifecycle, rollups, store
from longhaul.tasks.changes import RUN_AFTER, Room, Wish
from longhaul.tasks.model import Task
from longhaul.tasks.store import Values, dumps, sql_time
from longhaul.tasks.submission import NewTask, Submission, database_clock, no_room, prepare

_queries = queries.load(__file__)

TRIES = 3  # of an insert that another request's keys made fail


class Deduplicated(NamedTuple):
    """The id of a task that was open already, for the same thing."""

    task_id: str


class Stored(NamedTuple):
    """A task that is there: by whose key, for which payload, and while it is open what nobody else has."""

    id: int
    task_id: str
    idempotency_key: str | None
    request_digest: str
    open_key: str | None


@dataclass(frozen=True)
class Change:
    """What is to become of a task."""

    task_id: str
    wish: Wish


type SubmitResult = str | Deduplicated | LonghaulError
type ChangeResult = str | LonghaulError


def submit_many(items: Sequence[Submission | LonghaulError]) -> list[SubmitResult]:
    """For each the id of its task, or why there is none; an item that is an error stays one. All are of one user.

    Raises DatabaseUnavailable, when not one of them was stored.
    """
    clock = remembered(database_clock)  # asked once for all, and only when an item gives times
    prepared = [_prepared(item, clock) for item in items]
    firsts = _first_of_key(prepared)
    new = [task for index, task in enumerate(prepared) if isinstance(task, NewTask) and firsts[index] == index]
    stored = _store(new) if new else []
    own = {task.task_id for task in new}
    created = [row for row in stored if row.task_id in own]
    if created:
        with database.connection() as session:
            tasks = store.fetch_all(session, [row.id for row in created])
        lifecycle.after_change(tasks)
    ids = {row.task_id for row in created}
    results = [
        task if isinstance(task, LonghaulError) else _result(task, firsts[index] != index, ids, stored)
        for index, task in enumerate(prepared)
    ]
    return _hastened(prepared, results)


def change_many(
    tenant_id: str,
    items: Sequence[Change | LonghaulError],
    *,
    request: KeyedRequest | None = None,
    written: Callable[[Sequence[ChangeResult]], Any] = lambda _: None,
) -> list[ChangeResult]:
    """For each the id of the task that is now as requested, or why it is not; an item that is an error stays one.

    A request that was carried out before changes nothing: its `answer` is then what `written` made of the first
    results, and there are none here. One of which every item was refused is not remembered. Raises DatabaseUnavailable,
    when none was changed; KeyReused.
    """
    if not any(isinstance(item, Change) for item in items):
        return [item for item in items if isinstance(item, LonghaulError)]

    def write(tx: Session) -> tuple[list[ChangeResult], list[Task]]:
        if not claim(tx, request):
            return [], []
        results, changed = _change(tx, tenant_id, items)
        if all(isinstance(result, LonghaulError) for result in results):
            release(tx, request)
        else:
            save_answer(tx, request, written(results))
        rescheduled.update(row_id for row_id, values in changed.items() if RUN_AFTER in values.detail)
        return results, store.fetch_all(tx, list(changed))

    rescheduled: set[int] = set()
    results, changed = database.run_transaction(write)
    for moved in (True, False):
        if some := [task for task in changed if (task.id in rescheduled) is moved]:
            lifecycle.after_change(some, moved=moved)
    return results


def _prepared(item: Submission | LonghaulError, clock: Callable[[], datetime]) -> NewTask | LonghaulError:
    if isinstance(item, LonghaulError):
        return item
    try:
        return prepare(item, clock=clock)
    except LonghaulError as error:
        return error


def _first_of_key(prepared: Sequence[NewTask | LonghaulError]) -> list[int]:
    """For each the index of the first with its key; its own when it has none."""
    firsts: dict[str, int] = {}
    return [
        firsts.setdefault(task.idempotency_key, index) if isinstance(task, NewTask) and task.idempotency_key else index
        for index, task in enumerate(prepared)
    ]


def _store(new: Sequence[NewTask]) -> list[Stored]:
    """What is there afterwards with these ids or keys."""
    for _ in range(TRIES):
        try:
            with database.transaction() as tx:
                insert(tx, new)
        except pymysql.IntegrityError:
            logger.info("a key was taken meanwhile, inserting again")
            continue
        except DatabaseUnavailable:
            found = _find_stored(new)
            if {row.task_id for row in found} & {task.task_id for task in new}:
                return found  # the insert's answer was lost, not the insert
            raise
        return _find_stored(new)
    raise DatabaseUnavailable("other requests with the same keys were always faster; submit again")


def insert(tx: Session, new: Sequence[NewTask]) -> None:
    """Those that have room in their lane and a key that is new, which those of the same transaction count for too.

    Raises pymysql.IntegrityError when a key is taken meanwhile: then the transaction is to be rolled back.
    """
    kinds = sorted({task.kind for task in new})
    for rows in arrays(_row(task) for task in new):
        _queries.insert_tasks(tx, tenant_id=new[0].tenant_id, user_id=new[0].user_id, rows=rows, kinds=kinds)
    rollups.count_submitted(tx, (task.task_id for task in new))


def _row(task: NewTask) -> dict[str, Any]:
    times = {"run_after": sql_time(task.run_after), "deadline": sql_time(task.deadline)}
    row = vars(task) | times | {"params": dumps(task.params)}
    if task.callbacks is None:  # most have none, and a statement has not much room
        del row["callbacks"]
    return row


def _find_stored(new: Sequence[NewTask]) -> list[Stored]:
    """The tasks there are with these ids, or with these keys of either sort."""
    ids = [task.task_id for task in new]
    keys = [task.idempotency_key or "" for task in new]
    open_keys = [task.open_key or "" for task in new]
    with database.connection() as session:
        found = {
            row["task_id"]: Stored(**row)
            for some, some_keys, some_open in side_by_side(ids, keys, open_keys)
            for row in _queries.find_stored(
                session,
                tenant_id=new[0].tenant_id,
                task_ids=some,
                idempotency_keys=some_keys,
                open_keys=some_open,
            )
        }
    return list(found.values())


def _result(task: NewTask, repeats: bool, ids: set[str], stored: Sequence[Stored]) -> SubmitResult:
    if not repeats and task.task_id in ids:
        return task.task_id
    key = task.idempotency_key
    known = next((row for row in stored if key and row.idempotency_key == key), None)
    if known is None:
        opened = next((row for row in stored if task.open_key and row.open_key == task.open_key), None)
        return Deduplicated(opened.task_id) if opened else no_room(task)
    if known.request_digest != task.request_digest:
        return KeyReused(errors=[{"pointer": "/idempotency_key", "detail": f"it made {known.task_id}"}])
    return known.task_id


def _hastened(prepared: Sequence[NewTask | LonghaulError], results: list[SubmitResult]) -> list[SubmitResult]:
    """The results, once the open tasks are hastened by who asks for them again; why not, where the database is away."""
    wishes: dict[str, list[Wish]] = {}
    tenant_id = ""
    for task, result in zip(prepared, results, strict=True):
        if isinstance(result, Deduplicated) and isinstance(task, NewTask) and task.open_key:
            tenant_id = task.tenant_id
            wishes.setdefault(task.open_key, []).append(task.wish)
    try:
        lifecycle.hasten(tenant_id, wishes)
    except DatabaseUnavailable as error:  # the others are stored, so the batch as a whole is not refused
        return [error if isinstance(result, Deduplicated) else result for result in results]
    return results


def _change(
    tx: Session, tenant_id: str, items: Sequence[Change | LonghaulError]
) -> tuple[list[ChangeResult], dict[int, Values]]:
    """The results, and what was changed, by the row ids."""
    firsts: dict[str, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, Change):
            firsts.setdefault(item.task_id, index)
    there = store.lock_many(tx, tenant_id, list(firsts))
    clock, room = remembered(lambda: store.now(tx)), Room(tx, tenant_id)
    results: list[ChangeResult] = []
    changed: dict[int, Values] = {}
    for index, item in enumerate(items):
        try:
            task = _target(item, there, firsts, index)
            values = changes.wished(task, item.wish, clock, room) if isinstance(item, Change) else None
        except LonghaulError as error:
            results.append(error)
            continue
        results.append(task.task_id)
        if values and values.detail:
            changed[task.id] = values
    if changed:
        store.change(tx, changed)
    return results, changed


def _target(item: Change | LonghaulError, there: dict[str, Task], firsts: dict[str, int], index: int) -> Task:
    """The task that an item is for. Raises why there is none."""
    if isinstance(item, LonghaulError):
        raise item
    if (first := firsts[item.task_id]) != index:
        raise InvalidRequest(errors=[{"pointer": "/task_id", "detail": f"item {first} is for it already"}])
    if item.task_id not in there:
        raise changes.missing(item.task_id)
    return there[item.task_id]
