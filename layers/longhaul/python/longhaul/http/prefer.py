"""Prefer: wait=N (RFC 7240): an answer that is held back until there is something to tell, or N seconds have passed.

A preference that is not understood is ignored, never an error.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Header

from longhaul.http.conditional import VARY

LONGEST_WAIT = 20  # seconds; the gateway gives up after 30
SPARED_SECONDS = 4.0  # of the function's time, to make the answer in
LOOK_EVERY = 0.5

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?', re.IGNORECASE)

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        max_length=200,
        description=f"`wait=N`: hold the answer until the task has ended, N seconds at most ({LONGEST_WAIT} for more).",
        openapi_examples={"wait": {"value": "wait=10"}},
    ),
]
"""A route's parameter: `prefer: Prefer = None`; what it does not understand it ignores."""


def wait_of(prefer: str | None) -> int | None:
    """The seconds that were asked for, at most 20; None when none were. The first `wait` counts."""
    for preference in (prefer or "").split(","):
        name_and_value = preference.split(";")[0].strip()
        if found := _WAIT.fullmatch(name_and_value):
            return min(int(found[1]), LONGEST_WAIT)
        if name_and_value.partition("=")[0].strip().lower() == "wait":
            return None
    return None


def headers_of(wait: int | None) -> Mapping[str, str]:
    """What goes with an answer that may be waited for, whether somebody does or not."""
    applied = {} if wait is None else {"Preference-Applied": f"wait={wait}"}
    return {"Vary": f"{VARY}, Prefer", **applied}


def held[T](
    app: APIGatewayHttpResolver,
    wait: int | None,
    look: Callable[[], T],
    done: Callable[[T], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `look` gives when it is `done`, or when the wait is over; it is asked twice a second."""
    left = app.lambda_context.get_remaining_time_in_millis() / 1000 - SPARED_SECONDS
    until = time.monotonic() + min(wait or 0, left)
    seen = look()
    while not done(seen) and (rest := until - time.monotonic()) > 0:
        sleep(min(LOOK_EVERY, rest))
        seen = look()
    return seen
