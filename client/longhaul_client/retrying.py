"""Which requests are sent again, when, and how often.

A request is tried six times at most. The pauses double: at most 0.5, 1, 2, 4 and 8 seconds, at least half of that. A
server that refuses connections is therefore given up after 8 to 16 seconds. A server's Retry-After replaces a pause. No
try begins more than a minute after the first one.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base

type Notify = Callable[[BaseException, str], None]

MAX_ATTEMPTS = 6
MAX_SECONDS = 60.0  # from the first try to the begin of the last
FIRST_PAUSE = 0.5  # seconds

_TRANSIENT = (429, 502, 503, 504)
_OUR_FAULT = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)  # such a request never leaves this machine


class Transient(Exception):
    """A response that may be different next time."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.status_code}")
        self.response = response
        self.retry_after = retry_after(response.headers)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for: a number or a date (RFC 9110, 10.2.3). None for anything else."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def check(response: httpx.Response) -> httpx.Response:
    """Raise Transient for a response that is worth another try."""
    if response.status_code in _TRANSIENT:
        raise Transient(response)
    return response


def retrying(notify: Notify, attempts: int = MAX_ATTEMPTS) -> AsyncRetrying:
    """Retry what is sent within it. That may be sent twice: it reads, or its Idempotency-Key gives it one effect.

    `notify` is called before each pause, with the error and `trying again in 0.4 s (2 of 6)`.
    """

    def before_sleep(state: RetryCallState) -> None:
        if state.outcome and (error := state.outcome.exception()):
            number = state.attempt_number + 1
            notify(error, f"trying again in {state.upcoming_sleep:.1f} s ({number} of {MAX_ATTEMPTS})")

    return AsyncRetrying(
        retry=retry_if_exception(_is_worth_another),
        wait=_pause,
        stop=_Enough(attempts),
        before_sleep=before_sleep,
        reraise=True,
    )


def _is_worth_another(error: BaseException) -> bool:
    return isinstance(error, Transient | httpx.TransportError) and not isinstance(error, _OUR_FAULT)


def _pause(state: RetryCallState) -> float:
    """Return the seconds that the server asks for, else a pause that doubles, its second half random."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Transient) and error.retry_after is not None:
        return error.retry_after
    longest = FIRST_PAUSE * 2 ** (state.attempt_number - 1)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


@dataclass(frozen=True)
class _Enough(stop_base):
    """Stops also when the next try would come too late: its caller learns at once how long the wait would be."""

    attempts: int = MAX_ATTEMPTS
    seconds: float = MAX_SECONDS

    def __call__(self, state: RetryCallState) -> bool:
        spent = state.seconds_since_start or 0.0
        return state.attempt_number >= self.attempts or spent + state.upcoming_sleep > self.seconds
