"""Timings: how long routes and statements take, and how the cache does, in this execution environment.

    measured in memory -> once a minute one row in latency_reports -> folded with the roll-ups -> hours and days

A measurement is an addition in memory, about a microsecond. A report is one INSERT of one row, at the end of an
invocation, on a connection that is open already: no request waits for another, and none opens a connection for it.
What an environment measured in its last minute is lost with it.

Durations stand in buckets whose bounds grow by the square root of two from 0.1 ms, so a quantile is at most 19 % off.
"""

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum

FIRST_BOUND = 0.0001  # seconds: bucket 0 ends there, bucket 2 at twice as much
LAST_BUCKET = 42  # above 148 s: no request lasts so long
REPORT_SECONDS = 60.0


class Group(StrEnum):
    """What is measured. Of routes and statements the buckets; of the others a number, in bucket 0."""

    routes = "routes"
    statements = "statements"
    errors = "errors"  # answers of a route that were 5xx
    cache = "cache"  # CacheHit, CacheMiss, CacheStale


type Tallies = dict[str, dict[str, Counter[int]]]
"""By group and name: how often in each bucket."""


def tallies(content: Mapping[str, Mapping[str, Mapping[str, int]]] | None = None) -> Tallies:
    """What was written as JSON, whose keys are texts; without it, none."""
    found: Tallies = defaultdict(lambda: defaultdict(Counter))
    if content:
        add(found, {g: {n: Counter({int(b): c for b, c in of.items()}) for n, of in names.items()}
                    for g, names in content.items()})  # fmt: skip
    return found


def add(to: Tallies, more: Tallies) -> None:
    for group, names in more.items():
        for name, buckets in names.items():
            to[group][name].update(buckets)


def bucket_of(seconds: float) -> int:
    if seconds <= FIRST_BOUND:
        return 0
    return min(LAST_BUCKET, math.ceil(2 * math.log2(seconds / FIRST_BOUND)))


def quantile(buckets: Counter[int], share: float) -> float | None:
    """What so many took at most, in seconds: the middle of the bucket in which that falls. None of nothing."""
    wanted, seen = share * buckets.total(), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted:
            return float(FIRST_BOUND * 2 ** ((bucket - 0.5) / 2))
    return None


class Timings:
    """What was measured and is not reported yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._pending, self.reported_at = tallies(), clock()
        self.held = False  # the request at hand has waited because its caller wanted it to

    def measure(self, group: Group, name: str, seconds: float = 0.0) -> None:
        with self._lock:
            self._pending[group][name][bucket_of(seconds)] += 1

    def report(self, write: Callable[[Tallies], None]) -> None:
        """Give what was measured to `write` when a minute has passed; keep it for the next time when that raises."""
        with self._lock:
            if not self._pending or self._clock() - self.reported_at < REPORT_SECONDS:
                return
            taken, self._pending, self.reported_at = self._pending, tallies(), self._clock()
        try:
            write(taken)
        except BaseException:
            with self._lock:
                add(self._pending, taken)
            raise


timings = Timings()
