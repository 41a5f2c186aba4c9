"""Prefer: wait=N (RFC 7240): an answer that is held back until there is something to tell, or N seconds have passed.

A preference that is not understood is ignored, never an error. So is one that finds no place
(`longhaul.http.waiting`): the answer comes at once and without `Preference-Applied`.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Header

from longhaul.http.conditions import VARY
from longhaul.http.identity import caller

MAX_WAIT = 20  # seconds; the gateway gives up after 30
SPARED_SECONDS = 4.0  # of the function's time, to make the answer in
LOOK_EVERY = 0.5

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?', re.IGNORECASE)

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        max_length=200,
        description=(
            f"`wait=N`: hold the answer until the task has ended, N seconds at most ({MAX_WAIT} for more). "
            "Without `Preference-Applied` the answer was not held: ask again after two seconds."
        ),
        openapi_examples={"wait": {"value": "wait=10"}},
    ),
]
"""A route's parameter: `prefer: Prefer = None`; what it does not understand it ignores."""


def wait_of(prefer: str | None) -> int | None:
    """The seconds that were asked for, at most 20; None when none were. The first `wait` counts."""
    for preference in (prefer or "").split(","):
        name_and_value = preference.split(";")[0].strip()
        if found := _WAIT.fullmatch(name_and_value):
            return min(int(found[1]), MAX_WAIT)
        if name_and_value.partition("=")[0].strip().lower() == "wait":
            return None
    return None


def headers_of(applied: int | None) -> Mapping[str, str]:
    """The headers of an answer that may be waited for; `applied`: the seconds that were heeded, if any."""
    preference = {} if applied is None else {"Preference-Applied": f"wait={applied}"}
    return {"Vary": f"{VARY}, Prefer", **preference}


def held[T](
    app: APIGatewayHttpResolver,
    wait: int | None,
    look: Callable[[], T],
    done: Callable[[T], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[T, int | None]:
    """What `look` gives when it is `done`, or when the wait is over, and the wait that was applied.

    It looks twice a second. Where no place is free it looks once, and no wait was applied.
    """
    left = app.lambda_context.get_remaining_time_in_millis() / 1000
    until = time.monotonic() + min(wait or 0, left - SPARED_SECONDS)
    seen = look()
    if done(seen) or time.monotonic() >= until:
        return seen, wait
    from longhaul.http import waiting  # which only a caller who waits needs

    with waiting.place(caller(app).tenant_id, left) as placed:
        while placed and not done(seen) and (rest := until - time.monotonic()) > 0:
            sleep(min(LOOK_EVERY, rest))
            seen = look()
    return seen, wait if placed else None
