"""How fresh a page is, from its rows and its marks."""

from collections.abc import Mapping

import pytest

from calls.freshness import Freshness, age_of, sync_mark
from longhaul import settings

NOW = 10_000.0
TASK = "call_campaign_1"


@pytest.fixture(autouse=True)
def thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_SYNC_SECONDS", "30")
    monkeypatch.setenv("CALL_LEASE_SECONDS", "60")
    settings.of.cache_clear()


def marks(block: int, **moments: float) -> dict[str, Mapping[str, float]]:
    return {sync_mark(TASK, block): moments}


@pytest.mark.parametrize(
    ("open_blocks", "synced_at", "known", "freshness", "oldest", "stale"),
    [
        ([], 1.0, {}, Freshness.fresh, 1.0, ()),
        ([], None, {}, Freshness.fresh, None, ()),
        ([0], NOW - 29, {}, Freshness.fresh, NOW - 29, ()),
        ([0], NOW - 31, {}, Freshness.refreshing, NOW - 31, [0]),
        ([0], NOW - 31, marks(0, synced_at=NOW - 5), Freshness.fresh, NOW - 5, ()),
        ([0], NOW - 5, marks(0, synced_at=NOW - 31), Freshness.fresh, NOW - 5, ()),
        ([0, 1], NOW - 31, marks(1, synced_at=NOW - 5), Freshness.refreshing, NOW - 31, [0]),
        ([0], NOW - 31, marks(0, failed_at=NOW - 2), Freshness.unavailable, NOW - 31, [0]),
        ([0], NOW - 31, marks(0, failed_at=NOW - 40), Freshness.refreshing, NOW - 31, [0]),
        ([0], NOW - 5, marks(0, failed_at=NOW - 2), Freshness.fresh, NOW - 5, ()),
    ],
)
def test_the_age_of_a_page(
    open_blocks: list[int],
    synced_at: float | None,
    known: Mapping[str, Mapping[str, float]],
    freshness: Freshness,
    oldest: float | None,
    stale: list[int],
) -> None:
    age = age_of(TASK, open_blocks, synced_at, known, now=NOW)
    assert (age.freshness, age.synced_at, list(age.stale)) == (freshness, oldest, list(stale))
