"""Windows: from which roll-ups a window is read, and that these are still kept."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhaul.tasks.rollups import DAY, HOUR, KEPT, MINUTE, periods
from monitor.windows import (
    MAX_WINDOW,
    MIN_WINDOW,
    STEPS,
    minute_of,
    minutes_of,
    moment_of,
    stepped_window,
    window_of,
)

NOW = 29_933_209


@pytest.mark.parametrize(("text", "minutes"), [("15m", 15), ("24h", 1_440), ("90d", 129_600)])
def test_a_window_is_written_in_minutes_hours_or_days(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@given(st.integers(MIN_WINDOW, MAX_WINDOW), st.none() | st.integers(NOW - 700 * DAY, NOW + 100 * DAY))
def test_a_window_holds_what_was_asked_in_whole_roll_ups_that_are_kept(minutes: int, until: int | None) -> None:
    window = window_of(minutes, until, NOW)
    first, last, span, _ = window
    end = NOW + 1 if until is None else until
    assert first <= end - minutes < first + span
    assert last - span < end <= last
    assert first % span == last % span == 0
    assert (last - first) // span <= 182
    assert first >= NOW - KEPT[span] - span
    # AND it is filled by roll-ups without a gap, none twice; only what has not come yet is beyond
    parts = periods(window)
    assert [start for _, start in parts] == [first, *[start + length for length, start in parts][:-1]]
    assert all(start % length == 0 for length, start in parts)
    end_of_parts = parts[-1][0] + parts[-1][1]
    assert end_of_parts == last or (end_of_parts > last > NOW)
    assert len(parts) <= 130


@pytest.mark.parametrize(
    ("minutes", "span"), [(15, MINUTE), (180, MINUTE), (181, HOUR), (7 * DAY, HOUR), (7 * DAY + 1, DAY)]
)
def test_the_longer_the_window_the_longer_the_span(minutes: int, span: int) -> None:
    assert window_of(minutes, None, NOW).span == span


@given(st.sampled_from(sorted(STEPS.values())), st.integers(MIN_WINDOW, MAX_WINDOW))
def test_steps_are_whole_roll_ups(step: int, minutes: int) -> None:
    window = stepped_window(minutes, None, NOW, step)
    if window is None:
        assert step < HOUR
        assert minutes >= KEPT[MINUTE]
        return
    assert step % window.span == window.first % step == window.last % step == 0
    assert window.first <= NOW - minutes + 1 < window.first + step


def test_a_moment_is_its_minute() -> None:
    moment = datetime(2026, 11, 22, 14, 30, 59, 999_999, tzinfo=UTC)
    assert moment_of(minute_of(moment)) == datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
