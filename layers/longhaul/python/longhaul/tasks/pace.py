"""The pace of a running task: the last times at which more of it was done, and what follows for its end."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WINDOW = 10  # samples: the rate is that of the last steps, not of the whole attempt


class Sample(NamedTuple):
    """When (epoch seconds) so much (0..1) was done."""

    at: float
    share: float


def extended(pace: Sequence[Sample], now: Sample) -> tuple[Sample, ...]:
    """The window with `now`, when more is done than at its last sample."""
    if pace and now.share <= pace[-1].share:
        return tuple(pace)
    return (*pace, now)[-WINDOW:]


def seconds_left(pace: Sequence[Sample], at: float) -> int | None:
    """How long the rest takes at the window's rate, in whole seconds; None with fewer than two samples.

    The rate counts the time since the last sample too: of a task that stands still, the end moves off.
    """
    if len(pace) < 2:
        return None
    first, last = pace[0], pace[-1]
    seconds = max(at, last.at) - first.at
    return max(0, math.ceil((1 - last.share) * seconds / (last.share - first.share)))
