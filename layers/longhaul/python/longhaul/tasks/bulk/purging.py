"""Purging: tasks that ended long ago, with all that hangs on them, in batches of bounded size.

A task may have one step or thousands, a campaign 200,000 leads: too much for one transaction. So a batch of tasks is
first taken from its tenants, in one transaction that sees that each has ended, and from then on nobody can read or
retry them. Then what hangs on them is deleted, so many rows a statement, and they themselves last. What a purge that
was killed leaves behind is nobody's, and the next one of all tenants finds it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from longhaul import database, live
from longhaul.database import Session
from longhaul.observability import logger
from longhaul.tasks import scopes
from longhaul.tasks.bulk import purge_store
from longhaul.tasks.bulk.purge_store import Doomed
from longhaul.tasks.kinds import Purge, kinds
from longhaul.tasks.model import TERMINAL, Status

BATCH = 100  # tasks
ROWS = 2_000  # of one DELETE


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
    clock: Callable[[], float] = time.monotonic,
) -> Purged:
    """Purge what ended `days` ago, of this tenant or of every one (None), for so many seconds.

    Raises DatabaseUnavailable; what was purged until then stays so.
    """
    until = clock() + seconds
    deleted = 0

    def in_time() -> bool:
        return clock() < until

    def condemn(tx: Session) -> list[Doomed]:
        doomed = purge_store.lock_ended(tx, days, statuses, tenant_id=tenant_id, limit=BATCH)
        if doomed:
            purge_store.condemn(tx, doomed)
        return doomed

    complete = tenant_id is not None or _finish_others(in_time)
    while complete and in_time():
        doomed = database.run_transaction(condemn)
        deleted += len(doomed)
        _forget(doomed)
        complete = _delete(doomed, in_time)
        if len(doomed) < BATCH:
            return _reported(Purged(deleted, more=tenant_id is None and not complete))
    return _reported(Purged(deleted, more=True))


def _finish_others(in_time: Callable[[], bool]) -> bool:
    """Delete what purges that ran out of time have left; whether all of it."""
    while in_time():
        with database.connection() as session:
            left = purge_store.list_condemned(session, BATCH)
        if not left:
            return True
        _delete(left, in_time)
    return False


def _forget(doomed: Sequence[Doomed]) -> None:
    """No cached answer and no live item shows them any more."""
    live.forget(task.task_id for task in doomed)
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for task in doomed:
        by_tenant[task.tenant_id].append(task.task_id)
    for tenant_id, task_ids in by_tenant.items():
        scopes.changed_many(tenant_id, task_ids)


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
    parts += [(purge_store.delete_steps, everything), (purge_store.delete_events, everything)]
    with database.connection() as session:
        for delete, task_ids in parts:
            while delete(session, task_ids, ROWS) >= ROWS:
                if not in_time():
                    return False
        purge_store.delete_tasks(session, doomed)
    return True


def _reported(purged: Purged) -> Purged:
    logger.info("tasks purged", extra=purged._asdict())
    return purged
