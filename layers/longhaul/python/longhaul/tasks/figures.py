"""Figures: what counts of tasks add up to. Numbers by event, and how long tasks waited and ran.

Durations stand in buckets whose bounds grow by the square root of two, from 0.1 s to 6.9 days. So a quantile is at most
19 % off (the fourth root of two), and 0.1 s below that. Sums, means, the shortest and the longest are exact.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

FIRST_BOUND = 0.1  # seconds: bucket 0 ends there, bucket 2 at twice as much
LAST_BUCKET = 46  # without a bound: what took longer than that of bucket 45
NO_BUCKET = -1  # it took no time, or never ran

ENDS = {"succeeded": "SUCCEEDED", "failed": "FAILED", "expired": "FAILED", "cancelled": "CANCELLED"}


class Counted(Protocol):
    """How often something happened in a bucket."""

    @property
    def event(self) -> str: ...
    @property
    def bucket(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def microseconds(self) -> int: ...
    @property
    def shortest(self) -> int | None: ...
    @property
    def longest(self) -> int | None: ...
    @property
    def units(self) -> int: ...
    @property
    def best(self) -> float: ...


def upper_bound(bucket: int) -> float:
    """Where a bucket ends, in seconds; that of the last is infinite."""
    return float("inf") if bucket >= LAST_BUCKET else FIRST_BOUND * 2 ** (bucket / 2)


@dataclass
class Histogram:
    """How long something took, in seconds."""

    number: int = 0
    microseconds: int = 0
    shortest: float | None = None
    longest: float | None = None
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, count: Counted) -> None:
        if count.bucket == NO_BUCKET or count.shortest is None or count.longest is None:
            return
        shortest, longest = count.shortest / 1e6, count.longest / 1e6
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        self.longest = longest if self.longest is None else max(self.longest, longest)
        self.number += count.number
        self.microseconds += count.microseconds
        self.buckets[count.bucket] += count.number

    def add_buckets(self, buckets: Counter[int], shortest: int, longest: int) -> None:
        """As `add`, for many at once of which no sum is known: quantiles are then right, and the mean is not."""
        self.shortest = shortest / 1e6 if self.shortest is None else min(self.shortest, shortest / 1e6)
        self.longest = longest / 1e6 if self.longest is None else max(self.longest, longest / 1e6)
        self.number += buckets.total()
        self.buckets.update(buckets)

    @property
    def total(self) -> float:
        return self.microseconds / 1e6

    @property
    def mean(self) -> float | None:
        return self.total / self.number if self.number else None

    def quantile(self, share: float) -> float | None:
        """What so much of it took at most: the middle of the bucket in which that falls, never beyond the extremes."""
        if not self.number or self.shortest is None or self.longest is None:
            return None
        wanted, seen = share * self.number, 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                break
        middle = FIRST_BOUND * 2 ** ((min(bucket, LAST_BUCKET) - 0.5) / 2)
        return min(self.longest, max(self.shortest, middle))


@dataclass
class Figures:
    """What happened to some tasks. `events`: how often each; `succeeded`: how long those ran that did."""

    events: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)  # by status; each end of a task that was retried counts
    waiting: Histogram = field(default_factory=Histogram)
    running: Histogram = field(default_factory=Histogram)  # of all that ended
    succeeded: Histogram = field(default_factory=Histogram)
    units: int = 0  # of those that succeeded
    best: float = 0.0  # units a second, of the fastest task

    def add(self, count: Counted) -> None:
        self.events[count.event] += count.number
        if count.event == "started":
            self.waiting.add(count)
        if count.event in ENDS:
            self.ended[ENDS[count.event]] += count.number
            self.running.add(count)
        if count.event == "succeeded":
            self.succeeded.add(count)
            self.units += count.units
            self.best = max(self.best, count.best)

    def share(self, status: str) -> float | None:
        """How much of what ended did so in this status, 0 to 1; None when nothing has ended."""
        ended = self.ended.total()
        return self.ended[status] / ended if ended else None

    @property
    def units_per_second(self) -> float | None:
        """Of those that succeeded, in the time that they ran."""
        return self.units / self.succeeded.total if self.succeeded.total else None
