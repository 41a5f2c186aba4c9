"""Times on the command line: a date, a time, or how far from now."""

import re
from datetime import UTC, datetime, timedelta

import click

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType):
    """`2026-11-25T18:00` (local time unless it has a zone) or a span from now, `90s`, `10m`, `2h`, `7d`.

    RFC 3339 in UTC comes out. `back`: spans go into the past.
    """

    name = "when"

    def __init__(self, *, back: bool = False) -> None:
        self._sign = -1 if back else 1

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            moment = self._moment(value.strip())
            return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-11-25T18:00, 2026-11-25T18:00+08:00, 10m or 2h", param, ctx)

    def _moment(self, text: str) -> datetime:
        if span := _SPAN.fullmatch(text):
            seconds = int(span[1]) * _SECONDS[span[2]]
            return datetime.now(UTC) + self._sign * timedelta(seconds=seconds)
        return datetime.fromisoformat(text)
