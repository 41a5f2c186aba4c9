"""Lanes: the queue of each kind. How many of its tasks may run at once and may wait, and how operators steer that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from longhaul import database
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.errors import NotFound
from longhaul.idempotency import KeyedRequest, claim
from longhaul.observability import logger
from longhaul.tasks import lifecycle
from longhaul.tasks.kinds import kinds
from longhaul.tasks.model import Status, aware

_queries = queries.load(__file__)


@dataclass(frozen=True)
class Lane:
    """A row of `lanes`."""

    kind: str
    max_concurrent: int
    max_queued: int
    max_scheduled: int  # of each tenant
    paused: bool


class Share(StrEnum):
    """The parts of a lane: what may start now, what may start only later, what runs."""

    waiting = "waiting"
    scheduled = "scheduled"
    running = "running"


class Load(NamedTuple):
    """How many tasks are in a part of a lane, and how many of them are the asking tenant's.

    `oldest_at`: since when the first of those that may start now could have been started, and how many seconds that is.
    """

    number: int
    yours: int
    oldest_at: datetime | None
    oldest_seconds: int | None


_NONE = Load(0, 0, None, None)


@dataclass(frozen=True)
class LaneView:
    """A lane with what waits and runs in it, of all tenants and of the one that asks; `scheduled` may start only later.

    `oldest_at`: since when the first of those that may start now could have been started. `weights`: the tenants whose
    weight is not 1.
    """

    lane: Lane
    waiting: int
    scheduled: int
    running: int
    yours_waiting: int
    yours_scheduled: int
    yours_running: int
    oldest_at: datetime | None
    oldest_seconds: int | None
    weights: Mapping[str, int]


@dataclass(frozen=True)
class LaneChange:
    """What is None stays as it is, and so do the weights of tenants that are not named."""

    max_concurrent: int | None = None
    max_queued: int | None = None
    max_scheduled: int | None = None
    paused: bool | None = None
    weights: Mapping[str, int] | None = None


def list_lanes(tenant_id: str) -> list[LaneView]:
    """The lanes of all kinds, by name."""
    with database.connection() as session:
        return _views(session, sorted(kinds()), tenant_id)


def change_lane(kind: str, change: LaneChange, tenant_id: str, *, request: KeyedRequest | None = None) -> LaneView:
    """The lane as it is now; what may start now is started. A request that was carried out before changes nothing.

    Raises NotFound, KeyReused.
    """

    def write(tx: Session) -> list[LaneView]:
        if claim(tx, request):
            _queries.limit_lane(
                tx,
                kind=kind,
                max_concurrent=change.max_concurrent,
                max_queued=change.max_queued,
                max_scheduled=change.max_scheduled,
                paused=change.paused,
            )
            for some in arrays((change.weights or {}).items()):
                _queries.weigh_tenants(tx, kind=kind, rows=some)
        return _views(tx, [kind], tenant_id)

    if kind not in kinds() or not (changed := database.run_transaction(write)):
        raise NotFound(f"there is no lane of the kind {kind}")
    view = changed[0]
    logger.info("lane changed", extra={"kind": kind, "change": change})
    if not view.lane.paused:
        lifecycle.wake([kind])
    return view


def create_lane(session: Session, kind: str, max_concurrent: int, max_queued: int) -> bool:
    """Whether it was made: a lane that is there keeps its limits."""
    return bool(_queries.create_lane(session, kind=kind, max_concurrent=max_concurrent, max_queued=max_queued))


def _views(session: Session, names: list[str], tenant_id: str) -> list[LaneView]:
    loads = _count(session, names, tenant_id)
    weights = _list_weights(session, names)
    return [
        _view(
            lane,
            {share: loads.get((lane.kind, share), _NONE) for share in Share},
            weights[lane.kind],
        )
        for lane in _list(session, names)
    ]


def _view(lane: Lane, loads: Mapping[Share, Load], weights: Mapping[str, int]) -> LaneView:
    waiting, scheduled, running = loads[Share.waiting], loads[Share.scheduled], loads[Share.running]
    return LaneView(
        lane=lane,
        waiting=waiting.number,
        scheduled=scheduled.number,
        running=running.number,
        yours_waiting=waiting.yours,
        yours_scheduled=scheduled.yours,
        yours_running=running.yours,
        oldest_at=waiting.oldest_at,
        oldest_seconds=waiting.oldest_seconds,
        weights=weights,
    )


def _list(session: Session, kinds: Sequence[str]) -> list[Lane]:
    """By the names of their kinds."""
    return [Lane(**row | {"paused": bool(row["paused"])}) for row in _queries.list_lanes(session, kinds=list(kinds))]


def _count(session: Session, kinds: Sequence[str], tenant_id: str) -> dict[tuple[str, Share], Load]:
    """By kind and part; what there is none of is left out."""
    rows = _queries.count_lanes(session, kinds=list(kinds), tenant_id=tenant_id)
    return {(row["kind"], _share(row)): _load(row) for row in rows}


def _list_weights(session: Session, kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of each kind, its tenants whose weight is not 1."""
    weights: dict[str, dict[str, int]] = {kind: {} for kind in kinds}
    for row in _queries.list_weights(session, kinds=list(kinds)):
        weights[row["kind"]][row["tenant_id"]] = row["weight"]
    return weights


def _share(row: Mapping[str, Any]) -> Share:
    if row["status"] == Status.RUNNING:
        return Share.running
    return Share.scheduled if row["later"] else Share.waiting


def _load(row: Mapping[str, Any]) -> Load:
    return Load(int(row["number"]), int(row["yours"]), aware(row["oldest_at"]), row["oldest_seconds"])
