"""A route's throttle: the token bucket of API Gateway."""

import time
from collections.abc import Callable


class Bucket:
    """Holds up to `burst` requests and gains `rate` a second; no limit when either is zero."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted_at = clock()

    def take(self) -> bool:
        """Take one request's token; False when there is none."""
        if not self._rate or not self._burst:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
