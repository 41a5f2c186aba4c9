"""Latencies of routes and statements: reports of execution environments, folded to hours and days, and read.

A report is in one table or the other, and moves in one transaction. Hours are kept for 8 days and days for 100. A
window of a day is 25 rows and one of 90 days 91, however many requests there were.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from longhaul import database
from longhaul.cache.compression import pack, unpack
from longhaul.database import Session, queries
from longhaul.tasks.rollups import DAY, HOUR, Window
from longhaul.timing import Group, Tallies, add, quantile, tallies

_queries = queries.load(__file__)

KEPT = {HOUR: 8 * DAY, DAY: 100 * DAY}  # for how many minutes each span is kept
FOLDED = 200  # reports a transaction
PURGED = 500


@dataclass(frozen=True)
class Latency:
    """How long one route or statement took, in seconds; `errors`: answers of a route that were 5xx."""

    name: str
    count: int
    p50: float | None
    p95: float | None
    errors: int = 0


@dataclass(frozen=True)
class Latencies:
    """What was measured in a window."""

    content: Tallies

    @property
    def routes(self) -> list[Latency]:
        return self._each(Group.routes)

    @property
    def statements(self) -> list[Latency]:
        return self._each(Group.statements)

    def all_of(self, group: Group) -> Latency:
        """All routes, or all statements, as one."""
        together: Counter[int] = Counter()
        for of in self.content[group].values():
            together.update(of)
        errors = sum(of.total() for of in self.content[Group.errors].values()) if group == Group.routes else 0
        return Latency("", together.total(), quantile(together, 0.5), quantile(together, 0.95), errors)

    def cached(self) -> tuple[int, int]:
        """How many readings of the cache were hits, of how many."""
        outcomes = self.content[Group.cache]
        return outcomes["CacheHit"].total(), sum(of.total() for of in outcomes.values())

    def _each(self, group: Group) -> list[Latency]:
        errors = self.content[Group.errors]
        return [
            Latency(name, of.total(), quantile(of, 0.5), quantile(of, 0.95), errors[name].total())
            for name, of in sorted(self.content[group].items())
        ]


def fold(*, seconds: float, clock: Callable[[], float] = time.monotonic) -> int:
    """Add what was reported to hours and days, for at most `seconds`. How many reports. Raises DatabaseUnavailable."""
    until, folded = clock() + seconds, 0
    while clock() < until:
        moved = database.run_transaction(_fold_some)
        folded += moved
        if moved < FOLDED:
            break
    return folded


def purge() -> int:
    """Delete what is older than KEPT. How many rows."""
    with database.connection() as session:
        return sum(
            int(_queries.purge_latency_rollups(session, span=span, minutes=minutes, limit=PURGED))
            for span, minutes in KEPT.items()
        )


def read(window: Window) -> Latencies:
    """What was measured in a window of whole hours or days. Raises DatabaseUnavailable."""
    with database.connection() as session:
        rows = _queries.list_latency_rollups(session, span=window.span, first=window.first, last=window.last)
    found = tallies()
    for row in rows:
        add(found, tallies(unpack(row["tallies"])))
    return Latencies(found)


def window_of(minutes: int, now: int) -> Window:
    """The window that ends now, widened to whole hours up to a day, else to whole days."""
    span = HOUR if minutes <= DAY else DAY
    return Window((now + 1 - minutes) // span * span, -(-(now + 1) // span) * span, span, open=True)


def _fold_some(tx: Session) -> int:
    rows = _queries.lock_latency_reports(tx, limit=FOLDED)
    for span in KEPT:  # always in this order, so that no two folds wait for each other in a circle
        starts = sorted((row["minute"] // span * span, row["id"], row["tallies"]) for row in rows)
        for start, reports in groupby(starts, key=lambda row: row[0]):
            _queries.make_latency_rollup(tx, span=span, start=start)
            together = tallies(unpack(_queries.fetch_latency_rollup(tx, span=span, start=start)))
            for _, _, text in reports:
                add(together, tallies(json.loads(text)))
            _queries.write_latency_rollup(tx, span=span, start=start, packed=pack(together))
    if rows:
        _queries.delete_latency_reports(tx, ids=[row["id"] for row in rows])
    return len(rows)
