"""Purging: tasks that ended long ago, with all that hangs on them, in batches of bounded size.

A task may have one step or thousands, a campaign 200,000 leads: too much for one transaction. So a batch of tasks is
first taken from its tenants, in one transaction that sees that each has ended, and from then on nobody can read or
retry them. Then what hangs on them is deleted, a limited number of rows a statement, and they themselves last. What a
purge that was killed leaves behind is nobody's, and the next one of all tenants finds it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from longhaul import cache, database
from longhaul.database import Session, queries
from longhaul.errors import IllegalTransition
from longhaul.idempotency import KeyedRequest, claim, save_answer, was_carried_out
from longhaul.observability import logger
from longhaul.tasks import live, store
from longhaul.tasks.changes import missing
from longhaul.tasks.kinds import Purge, kinds
from longhaul.tasks.model import TERMINAL, Status, allowed_actions, task_tag, tenant_tag

_queries = queries.load(__file__)

BATCH = 100  # tasks
ROWS = 2_000  # of one DELETE
LOOK_EVERY = 0.2  # seconds, while the same request is under way elsewhere

_UNDER_WAY, _ENDED = "under way", "ended"  # how far a remembered purge is


class Doomed(NamedTuple):
    """A task that is to go; `tenant_id` is empty when it is nobody's already."""

    id: int
    task_id: str
    tenant_id: str
    kind: str


class Purged(NamedTuple):
    """How many tasks are gone; whether there were more than the time allowed."""

    deleted: int
    more: bool


def purge(
    days: int,
    statuses: Sequence[Status] = TERMINAL,
    *,
    tenant_id: str | None,
    seconds: float,
    request: KeyedRequest | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Purged:
    """Purge what ended `days` ago, of this tenant or of every one (None), for at most `seconds`.

    A request that was carried out before purges nothing and gives the first one's count. Raises DatabaseUnavailable;
    what was purged until then stays so, and is counted in what is remembered of the request. Raises KeyReused.
    """
    until = clock() + seconds
    purged = Purged(0, more=True)

    def in_time() -> bool:
        return clock() < until

    def take(tx: Session) -> list[Doomed] | None:
        if not purged.deleted and not claim(tx, request):
            return None
        doomed = lock_ended(tx, days, statuses, tenant_id=tenant_id, limit=BATCH)
        if doomed:
            condemn(tx, doomed)
        save_answer(tx, request, [purged.deleted + len(doomed), True, _UNDER_WAY])
        return doomed

    complete = tenant_id is not None or _finish_others(in_time)
    while complete and purged.more and in_time():
        doomed = database.run_transaction(take)
        if doomed is None:
            return _first_answer(request, in_time)
        _forget(doomed)
        complete = _delete(doomed, in_time)
        more = len(doomed) == BATCH or (tenant_id is None and not complete)
        purged = Purged(purged.deleted + len(doomed), more)
    with database.connection() as session:
        save_answer(session, request, [*purged, _ENDED])
    logger.info("tasks purged", extra=purged._asdict())
    return purged


def purge_one(task_id: str, tenant_id: str) -> None:
    """Purge a task that has ended, now. Raises NotFound, IllegalTransition."""

    def take(tx: Session) -> Doomed:
        task = store.lock(tx, task_id, tenant_id)
        if task is None:
            raise missing(task_id)
        if task.status not in TERMINAL:
            message = f"a {task.status} task is not deleted: cancel it first"
            raise IllegalTransition(message, task_status=task.status, allowed_actions=allowed_actions(task.status))
        doomed = Doomed(task.id, task.task_id, task.tenant_id, task.kind)
        condemn(tx, [doomed])
        return doomed

    doomed = database.run_transaction(take)
    _forget([doomed])
    _delete([doomed], lambda: True)


def lock_ended(tx: Session, days: int, statuses: Sequence[str], *, tenant_id: str | None, limit: int) -> list[Doomed]:
    """Tasks of this tenant, or of any, that ended at least `days` ago, but for those that somebody else has locked."""
    bounds = {"days": days, "statuses": list(statuses), "limit": limit}
    if tenant_id is None:
        rows = _queries.lock_ended(tx, **bounds)
    else:
        rows = _queries.lock_ended_of_tenant(tx, tenant_id=tenant_id, **bounds)
    return [Doomed(**row) for row in rows]


def _first_answer(request: KeyedRequest | None, in_time: Callable[[], bool]) -> Purged:
    """What the request was answered when it came first. While that is under way it is waited for: its count grows."""
    while was_carried_out(request) and request and request.answer[2] == _UNDER_WAY and in_time():
        time.sleep(LOOK_EVERY)
    deleted, more, _ = request.answer if request else (0, False, _ENDED)
    return Purged(deleted, more)


def _finish_others(in_time: Callable[[], bool]) -> bool:
    """Delete what purges that ran out of time have left; whether all of it."""
    while in_time():
        with database.connection() as session:
            left = list_condemned(session, BATCH)
        if not left:
            return True
        _delete(left, in_time)
    return False


def _forget(doomed: Sequence[Doomed]) -> None:
    """No cached answer and no live item shows them any more."""
    live.forget(task.task_id for task in doomed)
    cache.invalidate(*(tag for task in doomed for tag in (task_tag(task.task_id), tenant_tag(task.tenant_id))))


def _delete(doomed: Sequence[Doomed], in_time: Callable[[], bool]) -> bool:
    """Delete what hangs on these tasks, then them; whether there was time for all of it."""
    if not doomed:
        return True
    by_kind: dict[str, list[str]] = defaultdict(list)
    for task in doomed:
        by_kind[task.kind].append(task.task_id)
    parts: list[tuple[Purge, list[str]]] = [
        (kind.purge, by_kind[name]) for name, kind in kinds().items() if kind.purge and name in by_kind
    ]
    everything = [task.task_id for task in doomed]
    parts += [(delete_steps, everything), (delete_events, everything)]
    with database.connection() as session:
        for delete, task_ids in parts:
            while delete(session, task_ids, ROWS) >= ROWS:
                if not in_time():
                    return False
        delete_tasks(session, doomed)
    return True


def condemn(tx: Session, doomed: Sequence[Doomed]) -> None:
    """Take them from their tenants."""
    _queries.condemn(tx, ids=[task.id for task in doomed])


def list_condemned(session: Session, limit: int) -> list[Doomed]:
    return [Doomed(**row) for row in _queries.list_condemned(session, limit=limit)]


def delete_steps(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """How many were deleted; fewer than `limit`: none is left."""
    return int(_queries.delete_steps(session, task_ids=list(task_ids), limit=limit))


def delete_events(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """How many were deleted; fewer than `limit`: none is left."""
    return int(_queries.delete_events(session, task_ids=list(task_ids), limit=limit))


def delete_tasks(session: Session, doomed: Sequence[Doomed]) -> None:
    _queries.delete_tasks(session, ids=[task.id for task in doomed])
