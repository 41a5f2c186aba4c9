"""Submitting many tasks at once: one insert for all, and an answer for each."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

import pymysql

from longhaul import cache as page_cache
from longhaul import database
from longhaul.errors import DatabaseUnavailable, KeyReused, LonghaulError
from longhaul.observability import logger
from longhaul.tasks import hints, scopes
from longhaul.tasks.bulk import store
from longhaul.tasks.bulk.store import Stored
from longhaul.tasks.preparing import NewTask, Submission, database_clock, prepare
from longhaul.tasks.submission import lane_full

TRIES = 3  # of an insert that another request's keys made fail


class Joined(NamedTuple):
    """The id of a task that was open already, for the same thing."""

    task_id: str


type Answer = str | Joined | LonghaulError


def submit_many(asked: Sequence[Submission | LonghaulError]) -> list[Answer]:
    """For each the id of its task, or why there is none; what is an error already stays one. All are of one user.

    Raises DatabaseUnavailable, when not one of them was stored.
    """
    clock = cache(database_clock)  # asked once for all, and only when an item gives times
    prepared = [_prepared(item, clock) for item in asked]
    firsts = _first_of_key(prepared)
    new = [task for index, task in enumerate(prepared) if isinstance(task, NewTask) and firsts[index] == index]
    stored = _store(new) if new else []
    ids = {row.task_id for row in stored}
    _tell([task for task in new if task.task_id in ids], clock)
    return [
        task if isinstance(task, LonghaulError) else _answer(task, firsts[index] != index, ids, stored)
        for index, task in enumerate(prepared)
    ]


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
        firsts.setdefault(_plain(task.idempotency_key), index)
        if isinstance(task, NewTask) and task.idempotency_key
        else index
        for index, task in enumerate(prepared)
    ]


def _store(new: Sequence[NewTask]) -> list[Stored]:
    """What is there afterwards with these ids or keys."""
    tenant_id, user_id = new[0].tenant_id, new[0].user_id
    for _ in range(TRIES):
        try:
            with database.connection() as session:
                store.insert(session, tenant_id, user_id, new)
        except pymysql.IntegrityError:
            logger.info("a key was taken meanwhile, inserting again")
            continue
        except DatabaseUnavailable:
            with database.connection() as session:
                found = store.find_stored(session, tenant_id, new)
            if {row.task_id for row in found} & {task.task_id for task in new}:
                return found  # the insert's answer was lost, not the insert
            raise
        with database.connection() as session:
            return store.find_stored(session, tenant_id, new)
    raise DatabaseUnavailable("other requests with the same keys were always faster; submit again")


def _answer(task: NewTask, repeats: bool, ids: set[str], stored: Sequence[Stored]) -> Answer:
    if not repeats and task.task_id in ids:
        return task.task_id
    key = _plain(task.idempotency_key)
    known = next((row for row in stored if key and _plain(row.idempotency_key) == key), None)
    if known is None:
        opened = next((row for row in stored if task.open_key and row.open_key == task.open_key), None)
        return Joined(opened.task_id) if opened else lane_full(task.kind)
    if known.request_digest != task.request_digest:
        return KeyReused(errors=[{"pointer": "/idempotency_key", "detail": f"it made {known.task_id}"}])
    return known.task_id


def _tell(created: Sequence[NewTask], clock: Callable[[], datetime]) -> None:
    """Forget the tenant's lists, and wake the dispatcher when each may start, if a message can wait so long."""
    if created:
        page_cache.invalidate(scopes.scope_of_tenant(created[0].tenant_id))
    kinds_of: dict[float, set[str]] = defaultdict(set)
    for task in created:
        kinds_of[(task.run_after - clock()).total_seconds() if task.run_after else 0.0].add(task.kind)
    for delay, kinds in kinds_of.items():
        if delay <= hints.LONGEST_DELAY:
            hints.hint_lanes(kinds, delay=delay)


def _plain(key: str | None) -> str:
    """To MySQL, spaces behind a key make no difference."""
    return (key or "").rstrip(" ")
