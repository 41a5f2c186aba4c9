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


def seconds_left(pace: Sequence[Sample]) -> int | None:
    """How long the rest takes from the last sample on at the window's rate, in whole seconds.

    None with fewer than two samples. No clock of the reader's goes into it, so that it changes only when the task does.
    """
    if len(pace) < 2:
        return None
    first, last = pace[0], pace[-1]
    rate = (last.share - first.share) / max(last.at - first.at, 1e-3)  # clocks of two workers may differ
    return max(0, math.ceil(round((1 - last.share) / rate, 3)))
