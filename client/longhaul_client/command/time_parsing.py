"""Times and durations on the command line.

A time is `2026-11-25T18:00` (local unless it has a zone), or a distance from now: `90s`, `10m`, `7d`. The API gets
RFC 3339 in UTC.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Seconds(click.FloatRange):
    """A finite number of seconds: `nan` and `inf` are numbers to Python."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        seconds: float = super().convert(value, param, context)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, context)
        return seconds


SECONDS = _Seconds(min=0)


def time_from_now(text: str) -> str:
    """A distance from now goes into the future."""
    return _parsed(text, 1)


def time_before_now(text: str) -> str:
    """A distance from now goes into the past."""
    return _parsed(text, -1)


def _parsed(text: str, sign: int) -> str:
    try:
        time = _read(text.strip(), sign).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        reason = f"{text!r} is not a time such as 2026-11-25T18:00, 2026-11-25T18:00+08:00, 10m or 2h"
        raise click.BadParameter(reason) from error
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _read(text: str, sign: int) -> datetime:
    if span := _SPAN.fullmatch(text):
        return datetime.now(UTC) + sign * timedelta(seconds=int(span[1]) * _UNITS[span[2]])
    return datetime.fromisoformat(text)
