"""A caller's trace goes on under a span of ours; what is no trace begins one."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from longhaul.observability import logger
from longhaul.tracing import next_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f" 00-{TRACE}-{SPAN}-fe ", "00"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", "01"),
    ],
)
def test_a_trace_goes_on(given: str, flags: str) -> None:
    found = FORM.fullmatch(next_traceparent(given))
    assert found
    assert (found[1], found[3]) == (TRACE, flags)
    assert found[2] != SPAN


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\r\nset-cookie: a",
    ],
)
def test_what_is_no_trace_begins_one(given: str | None) -> None:
    begun = [FORM.fullmatch(next_traceparent(given)) for _ in range(2)]
    assert begun[0]
    assert begun[1]
    assert len({TRACE, begun[0][1], begun[1][1]}) == 3


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/things/t1"), ("GET", "/api/v1/nothing")])
def test_the_answer_and_the_log_tell_it(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    lines: list[str] = []

    def emit(record: logging.LogRecord) -> None:
        lines.append(logger.handlers[0].format(record))

    monkeypatch.setattr(logger.handlers[0], "emit", emit)
    answer = call(method, path, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    logger.info("afterwards")
    assert all(answer.headers["traceparent"] in line for line in lines)
    assert lines
