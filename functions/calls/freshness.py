"""How fresh a campaign's pages are: when cached pages are forgotten, and when their jobs were synced.

A change of the rows forgets the campaign's cached pages, which share one tag (`forget_pages`). A block of open jobs
that was not synced in the last `call_sync_seconds` is stale: its page is served all the same, and one of its readers
wakes the sync. The times are marks (`longhaul.cache.debounce`), read in one request with the page.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from calls.messages import wake_sync
from longhaul import cache, settings
from longhaul.cache import debounce
from longhaul.cache.debounce import Mark


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


def tag_of(task_id: str) -> str:
    """The cache tag of a campaign's pages."""
    return f"calls:{task_id}"


def sync_mark(task_id: str, block: int) -> str:
    """The mark with the times at which a block's sync was last requested, done, and failed."""
    return f"sync:{task_id}:{block}"


def forget_pages(*task_ids: str) -> None:
    """Forget every cached page of these campaigns. Call it after the commit that changed what pages show."""
    cache.invalidate(*map(tag_of, task_ids))


def note_synced(task_id: str, block: int) -> None:
    debounce.write(sync_mark(task_id, block), synced_at=time.time())


def note_failed(task_id: str, block: int) -> None:
    debounce.write(sync_mark(task_id, block), failed_at=time.time())


def age_of(
    task_id: str, open_blocks: Sequence[int], synced_at: float | None, marks: Mapping[str, Mark], *, now: float
) -> Age:
    """The age of a page with these blocks of open jobs. A page without open jobs is fresh for ever.

    `synced_at` is the rows' time for the whole page. A block's mark may have a later one. Times are epoch seconds.
    """
    mark_of = {block: marks.get(sync_mark(task_id, block), {}) for block in open_blocks}
    synced = {block: max(synced_at or 0.0, mark.get("synced_at", 0.0)) for block, mark in mark_of.items()}
    interval = settings.of(settings.Calls).call_sync_seconds
    stale = [block for block in open_blocks if now - synced[block] > interval]
    failed = [block for block in stale if mark_of[block].get("failed_at", 0.0) > synced[block]]
    oldest = min(synced.values()) if synced else synced_at
    if not stale:
        return Age(Freshness.fresh, oldest, ())
    return Age(Freshness.unavailable if failed else Freshness.refreshing, oldest, stale)


def refresh(task_id: str, age: Age, marks: Mapping[str, Mark]) -> None:
    """Wake the sync of the stale blocks, except those that another reader woke a moment ago."""
    due = [block for block in age.stale if claim(sync_mark(task_id, block), marks)]
    if due:
        wake_sync(task_id, due)


def claim(mark: str, marks: Mapping[str, Mark]) -> bool:
    """Whether this reader is the one in `call_sync_seconds` who wakes a worker.

    The marks read with the page spare most readers the write.
    """
    interval = settings.of(settings.Calls).call_sync_seconds
    if marks.get(mark, {}).get("asked_at", 0.0) > time.time() - interval:
        return False
    return debounce.claim(mark, "asked_at", every=interval)
