"""Times on the command line: `2026-11-25T18:00` (local unless it has a zone), or how far from now: `90s`, `10m`, `7d`.

RFC 3339 in UTC comes out.
"""

import re
from datetime import UTC, datetime, timedelta

import click

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment_from_now(text: str) -> str:
    """Spans go into the future."""
    return _moment(text, 1)


def moment_before(text: str) -> str:
    """Spans go into the past."""
    return _moment(text, -1)


def _moment(text: str, sign: int) -> str:
    try:
        moment = _read(text.strip(), sign).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        reason = f"{text!r} is no time such as 2026-11-25T18:00, 2026-11-25T18:00+08:00, 10m or 2h"
        raise click.BadParameter(reason) from error
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _read(text: str, sign: int) -> datetime:
    if span := _SPAN.fullmatch(text):
        return datetime.now(UTC) + sign * timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    return datetime.fromisoformat(text)
