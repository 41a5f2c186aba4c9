"""The HTTP API's routes: which one a request takes, and how many requests it accepts (its throttle)."""

import re
import time
from collections.abc import Callable, Sequence

from local.template.model import Route

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")


class Routes:
    """An HTTP API's routes. The most specific one that matches wins."""

    def __init__(self, routes: Sequence[Route]) -> None:
        ordered = sorted(routes, key=lambda route: (route.method == "ANY", _generality(route.path)))
        self._patterns = [(_pattern(route.path), route) for route in ordered if route.path != "$default"]
        self._default = next((route for route in routes if route.path == "$default"), None)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request and its path's parameters; `path` is decoded."""
        for pattern, route in self._patterns:
            if route.method in (method, "ANY") and (match := pattern.fullmatch(path)):
                return route, match.groupdict()
        return (self._default, {}) if self._default else None


class TokenBucket:
    """API Gateway's throttle: up to `burst` requests at once, `rate` more each second. Either 0 means no limit."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted_at = clock()

    def take(self) -> bool:
        """Take a token for one request; False when there is none."""
        if not self._rate or not self._burst:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _generality(path: str) -> list[int]:
    return [2 if "+}" in part else 1 if "{" in part else 0 for part in path.split("/")]


def _pattern(path: str) -> re.Pattern[str]:
    parts = _VARIABLE.split(path)  # text, name, plus, text, name, plus, ..., text
    expression = re.escape(parts[0])
    for name, plus, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        expression += f"(?P<{name}>{'.+' if plus else '[^/]+'})" + re.escape(text)
    return re.compile(expression)
