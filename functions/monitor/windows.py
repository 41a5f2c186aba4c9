"""Windows: which roll-ups a window is read from. All in minutes since 1970, UTC."""

from datetime import UTC, datetime, timedelta

from longhaul.tasks.rollups import DAY, HOUR, KEPT, MINUTE, Window

MIN_WINDOW, MAX_WINDOW = 15, 90 * DAY
MAX_POINTS = 1_000
STEPS = {"1m": 1, "5m": 5, "15m": 15, "1h": HOUR, "6h": 6 * HOUR, "1d": DAY}

# What is longer is read from the next span, so that no window has more than 180 roll-ups of a kind.
_LONGEST = {MINUTE: 3 * HOUR, HOUR: 7 * DAY, DAY: MAX_WINDOW}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def window_of(minutes: int, until: int | None, now: int) -> Window:
    """The window that ends with the minute `until` (None: now), widened to whole roll-ups that are still kept."""
    last = now + 1 if until is None else until
    for span, longest in _LONGEST.items():
        if minutes <= longest and last - minutes >= now - KEPT[span]:
            return _widened(last - minutes, last, span, span)._replace(open=last > now)
    return _widened(last - minutes, last, DAY, DAY)._replace(open=last > now)


def stepped_window(minutes: int, until: int | None, now: int, step: int) -> Window | None:
    """The same, widened to whole steps. None: steps that small are no longer kept of so long ago."""
    last = now + 1 if until is None else until
    span = max(span for span in KEPT if step % span == 0)
    if last - minutes < now - KEPT[span]:
        return None
    return _widened(last - minutes, last, span, step)


def minutes_of(text: str) -> int:
    """`90m`, `24h` or `7d`, in minutes."""
    return int(text[:-1]) * {"m": 1, "h": HOUR, "d": DAY}[text[-1]]


def minute_of(moment: datetime) -> int:
    return int((moment - _EPOCH) / timedelta(minutes=1))


def moment_of(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


def _widened(first: int, last: int, span: int, step: int) -> Window:
    return Window(first // step * step, -(-last // step) * step, span)
