"""Dispatching: from PENDING to RUNNING, never more of a kind than its lane allows, each tenant in its turn.

Tenants share a lane's places by their weights, at equal priority: start-time fair queueing (Goyal, Vin and Cheng 1996),
with the virtual times in `lanes` and `lane_tenants`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from longhaul import database
from longhaul.aws import workflows
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.errors import WorkflowUnavailable
from longhaul.observability import logger
from longhaul.tasks import lifecycle, store
from longhaul.tasks.kinds import kind_named, kinds
from longhaul.tasks.model import Task, TaskError

_queries = queries.load(__file__)


class LockedLane(NamedTuple):
    """How many more tasks may start (none when it is paused), and its virtual time."""

    free: int
    turn: float


class Ranked(NamedTuple):
    """A task that may start: its row's id, and where it stands in the lane's virtual time."""

    id: int
    tenant_id: str
    weight: int
    tag: float


def dispatch(names: Iterable[str] | None = None) -> int:
    """Start what may start in the lanes of these kinds (None: of all); how many were started."""
    return sum(_dispatch_lane(name) for name in (kinds() if names is None else sorted(set(names) & kinds().keys())))


def _dispatch_lane(name: str) -> int:
    kind = kind_named(name)
    prefix = workflows.execution_prefix(kind.workflow)

    def claim(tx: Session) -> list[Task]:
        taken = take(tx, name)
        if not taken:
            return []
        store.start(tx, taken, execution_prefix=prefix, seconds_allowed=kind.seconds_allowed)
        return store.fetch_all(tx, [task.id for task in taken])

    started = database.run_transaction(claim)
    for task in started:
        try:
            lifecycle.start_execution(task)
            logger.info("task started", extra=task.log_context)
        except WorkflowUnavailable as error:
            lifecycle.requeue(task, TaskError(error.code, str(error)))
    if started:
        lifecycle.after_change(started)
    return len(started)


def take(tx: Session, kind: str) -> list[Task]:
    """The tasks that go into the lane's free places, locked like the lane itself until the transaction ends.

    Not SKIP LOCKED, which would leave a task whose row another transaction holds for a moment (a change of its title)
    waiting for the next minute. The place of one that was cancelled meanwhile stays free: its cancelling wakes the
    dispatcher.
    """
    lane = lock_lane(tx, kind)
    ranked = rank_waiting(tx, kind, lane.free) if lane.free else []
    tasks = {task.id: task for task in lock_waiting(tx, [place.id for place in ranked])}
    taken = [place for place in ranked if place.id in tasks]
    if taken:
        # In the order of their tags, so the last of a tenant's is what counts.
        served = sorted(taken, key=lambda place: place.tag)
        advance(tx, kind, served[-1].tag, {place.tenant_id: place.tag + 1 / place.weight for place in served})
    return [tasks[place.id] for place in taken]


def lock_lane(tx: Session, kind: str) -> LockedLane:
    """The lane, nobody else's until the transaction ends."""
    lane = _queries.lock_lane(tx, kind=kind)
    if lane is None or lane["paused"]:
        return LockedLane(0, 0.0)
    free: int = lane["max_concurrent"] - _queries.count_running(tx, kind=kind)
    return LockedLane(max(0, free), lane["turn"])


def rank_waiting(session: Session, kind: str, limit: int) -> list[Ranked]:
    """The tasks that are to start next, in their order."""
    rows = _queries.rank_waiting(session, kind=kind, limit=limit)
    return [Ranked(row["id"], row["tenant_id"], row["weight"], float(row["tag"])) for row in rows]


def lock_waiting(tx: Session, ids: list[int]) -> list[Task]:
    """Those of these that still wait, in no order; nobody else's to change until the transaction ends."""
    return [Task.from_row(row) for row in _queries.lock_waiting(tx, ids=ids)] if ids else []


def advance(tx: Session, kind: str, turn: float, tenants: Mapping[str, float]) -> None:
    """Bring the locked lane's virtual time to `turn`, and each of these tenants to where its next task stands."""
    _queries.advance_lane(tx, kind=kind, turn=turn)
    for some in arrays(tenants.items()):
        _queries.advance_tenants(tx, kind=kind, rows=some)
