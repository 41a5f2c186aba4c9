"""How fresh a page is, and what to do about it. The read path asks no provider: it hints, once for all readers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from calls.messages import hint_sync
from calls.scopes import mark_of
from longhaul import marks, settings
from longhaul.marks import Mark


class Freshness(StrEnum):
    """How a page's jobs agree with the provider's."""

    fresh = "fresh"
    refreshing = "stale, refreshing"
    unavailable = "provider_unavailable"


@dataclass(frozen=True)
class Age:
    """A page's freshness, when the oldest of its blocks was synced (epoch seconds), and the blocks that are stale."""

    freshness: Freshness
    synced_at: float | None
    stale: Sequence[int]


def age_of(
    task_id: str, open_blocks: Sequence[int], synced_at: float | None, known: Mapping[str, Mark], *, now: float
) -> Age:
    """`synced_at` is what the rows say of the whole page; a block's mark may know better.

    A page whose calls are all over is fresh for ever.
    """
    known_of = {block: known.get(mark_of(task_id, block), {}) for block in open_blocks}
    synced = {block: max(synced_at or 0.0, mark.get("synced_at", 0.0)) for block, mark in known_of.items()}
    every = settings.of(settings.Calls).call_sync_seconds
    stale = [block for block in open_blocks if now - synced[block] > every]
    failed = [block for block in stale if known_of[block].get("failed_at", 0.0) > synced[block]]
    oldest = min(synced.values()) if synced else synced_at
    if not stale:
        return Age(Freshness.fresh, oldest, ())
    return Age(Freshness.unavailable if failed else Freshness.refreshing, oldest, stale)


def refresh(task_id: str, age: Age, known: Mapping[str, Mark]) -> None:
    """Have the stale blocks synced, unless another reader asked for that a moment ago."""
    every = settings.of(settings.Calls).call_sync_seconds
    due = [block for block in age.stale if claimed(mark_of(task_id, block), known, every)]
    if due:
        hint_sync(task_id, due)


def claimed(mark: str, known: Mapping[str, Mark], every: float) -> bool:
    """Whether it is this reader who asks. What was read with the page spares most of them the write."""
    if known.get(mark, {}).get("asked_at", 0.0) > time.time() - every:
        return False
    return marks.claim(mark, "asked_at", every=every)
