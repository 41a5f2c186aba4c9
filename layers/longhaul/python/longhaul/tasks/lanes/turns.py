"""Whose turn it is in a lane: tenants share its places by their weights, at equal priority."""

from longhaul.database import Session
from longhaul.tasks.lanes import store
from longhaul.tasks.model import Task


def take(tx: Session, kind: str) -> list[Task]:
    """The tasks that go into the lane's free places, locked like the lane itself until the transaction ends.

    Not SKIP LOCKED, which would leave a task whose row another transaction holds for a moment (a change of its title)
    waiting for the next minute. The place of one that was cancelled meanwhile stays free: its cancelling wakes the
    dispatcher.
    """
    lane = store.lock_lane(tx, kind)
    ranked = store.rank_waiting(tx, kind, lane.free) if lane.free else []
    tasks = {task.id: task for task in store.lock_waiting(tx, [place.id for place in ranked])}
    taken = [place for place in ranked if place.id in tasks]
    if taken:
        # In the order of their tags, so the last of a tenant's is what counts.
        served = sorted(taken, key=lambda place: place.tag)
        store.advance(tx, kind, served[-1].tag, {place.tenant_id: place.tag + 1 / place.weight for place in served})
    return [tasks[place.id] for place in taken]
