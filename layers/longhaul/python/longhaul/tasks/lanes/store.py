"""The rows of lanes and of the tenants that take turns in them, by the statements of queries.sql."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.model import Status, Task, aware
from longhaul.tasks.store import dumps

_queries = queries.load(__file__)


@dataclass(frozen=True)
class Lane:
    """A row of `lanes`."""

    kind: str
    max_concurrent: int
    max_queued: int
    paused: bool


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


class Load(NamedTuple):
    """How many tasks of a kind have a status, and how many of them are the asking tenant's.

    `oldest_at`: since when the first of those that may start now could have been started, and how many seconds that is.
    """

    number: int
    yours: int
    oldest_at: datetime | None
    oldest_seconds: int | None


def create_lane(session: Session, kind: str, max_concurrent: int, max_queued: int) -> None:
    _queries.create_lane(session, kind=kind, max_concurrent=max_concurrent, max_queued=max_queued)


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


def lock_waiting(tx: Session, ids: Sequence[int]) -> list[Task]:
    """Those of these that still wait, in no order; nobody else's to change until the transaction ends."""
    return [Task.from_row(row) for row in _queries.lock_waiting(tx, ids=list(ids))] if ids else []


def advance(tx: Session, kind: str, turn: float, tenants: Mapping[str, float]) -> None:
    """Bring the locked lane's virtual time to `turn`, and each of these tenants to where its next task stands."""
    _queries.advance_lane(tx, kind=kind, turn=turn)
    _queries.advance_tenants(tx, kind=kind, rows=dumps(list(tenants.items())))


def find_position(session: Session, kind: str, row_id: int) -> int | None:
    """How many tasks will have started when the one of this row has; None when it may not start now."""
    position: int | None = _queries.find_position(session, kind=kind, id=row_id)
    return position


def list_lanes(session: Session, kinds: Sequence[str]) -> list[Lane]:
    """By the names of their kinds."""
    return [Lane(**row | {"paused": bool(row["paused"])}) for row in _queries.list_lanes(session, kinds=list(kinds))]


def count_lanes(session: Session, kinds: Sequence[str], tenant_id: str) -> dict[tuple[str, Status], Load]:
    """By kind and status; what there is none of is left out."""
    rows = _queries.count_lanes(session, kinds=list(kinds), tenant_id=tenant_id)
    return {(row["kind"], Status(row["status"])): _load(row) for row in rows}


def list_weights(session: Session, kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of each kind, its tenants whose weight is not 1."""
    weights: dict[str, dict[str, int]] = {kind: {} for kind in kinds}
    for row in _queries.list_weights(session, kinds=list(kinds)):
        weights[row["kind"]][row["tenant_id"]] = row["weight"]
    return weights


def limit_lane(
    tx: Session, kind: str, *, max_concurrent: int | None, max_queued: int | None, paused: bool | None
) -> None:
    """What is None stays as it is."""
    _queries.limit_lane(tx, kind=kind, max_concurrent=max_concurrent, max_queued=max_queued, paused=paused)


def weigh_tenants(tx: Session, kind: str, weights: Mapping[str, int]) -> None:
    if weights:
        _queries.weigh_tenants(tx, kind=kind, rows=dumps(list(weights.items())))


def _load(row: Mapping[str, Any]) -> Load:
    return Load(int(row["number"]), int(row["yours"]), aware(row["oldest_at"]), row["oldest_seconds"])
