"""What people see of lanes, and how operators steer them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from longhaul import database
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.observability import logger
from longhaul.tasks import hints
from longhaul.tasks.kinds import kinds
from longhaul.tasks.lanes import store
from longhaul.tasks.lanes.store import Lane, Load
from longhaul.tasks.model import Status

_NONE = Load(0, 0, None, None)


@dataclass(frozen=True)
class LaneView:
    """A lane with what waits and runs in it, of all tenants and of the one that asks.

    `oldest_at`: since when the first of those that may start now could have been started. `weights`: the tenants whose
    weight is not 1.
    """

    lane: Lane
    waiting: int
    running: int
    yours_waiting: int
    yours_running: int
    oldest_at: datetime | None
    oldest_seconds: int | None
    weights: Mapping[str, int]


@dataclass(frozen=True)
class LaneChange:
    """What is None stays as it is, and so do the weights of tenants that are not named."""

    max_concurrent: int | None = None
    max_queued: int | None = None
    paused: bool | None = None
    weights: Mapping[str, int] | None = None


def list_lanes(tenant_id: str) -> list[LaneView]:
    """The lanes of all kinds, by name."""
    with database.connection() as session:
        return _views(session, sorted(kinds()), tenant_id)


def change_lane(kind: str, change: LaneChange, tenant_id: str) -> LaneView:
    """The lane as it is now; what may start now is started. Raises NotFound."""

    def write(tx: Session) -> list[LaneView]:
        store.limit_lane(
            tx, kind, max_concurrent=change.max_concurrent, max_queued=change.max_queued, paused=change.paused
        )
        store.weigh_tenants(tx, kind, change.weights or {})
        return _views(tx, [kind], tenant_id)

    if kind not in kinds() or not (changed := database.run_transaction(write)):
        raise NotFound(f"there is no lane of the kind {kind}")
    view = changed[0]
    logger.info("lane changed", extra={"kind": kind, "change": change})
    if not view.lane.paused:
        hints.hint_dispatch(kind)
    return view


def _views(session: Session, names: list[str], tenant_id: str) -> list[LaneView]:
    loads = store.count_lanes(session, names, tenant_id)
    weights = store.list_weights(session, names)
    return [
        _view(
            lane,
            loads.get((lane.kind, Status.PENDING), _NONE),
            loads.get((lane.kind, Status.RUNNING), _NONE),
            weights[lane.kind],
        )
        for lane in store.list_lanes(session, names)
    ]


def _view(lane: Lane, waiting: Load, running: Load, weights: Mapping[str, int]) -> LaneView:
    return LaneView(
        lane=lane,
        waiting=waiting.number,
        running=running.number,
        yours_waiting=waiting.yours,
        yours_running=running.yours,
        oldest_at=waiting.oldest_at,
        oldest_seconds=waiting.oldest_seconds,
        weights=weights,
    )
