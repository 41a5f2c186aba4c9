"""Which requests are sent again, when, and how often: what is safe, as the server says, and not for ever."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base

MOST_ATTEMPTS = 6
MOST_SECONDS = 60.0
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0

# Nothing was done; the others may have come after it was.
_REFUSED = (429,)
_UNCLEAR = (502, 503, 504)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Transient(Exception):
    """An answer that may be another one next time."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.status_code}")
        self.answer = answer
        self.retry_after = retry_after(answer.headers)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks to wait: a number or a date (RFC 9110, 10.2.3); None for neither."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def check(answer: httpx.Response) -> httpx.Response:
    """Raise Transient for an answer that is worth another try."""
    if answer.status_code in (*_REFUSED, *_UNCLEAR):
        raise Transient(answer)
    return answer


def retrying(repeatable: bool) -> AsyncRetrying:
    """`repeatable`: twice is as good as once. What is not is sent again only when it has certainly done nothing."""
    return AsyncRetrying(
        retry=retry_if_exception(_is_safe_again if repeatable else _did_nothing),
        wait=_pause,
        stop=_Enough(),
        reraise=True,
    )


def _is_safe_again(error: BaseException) -> bool:
    return isinstance(error, Transient | httpx.TransportError)


def _did_nothing(error: BaseException) -> bool:
    if isinstance(error, Transient):
        return error.answer.status_code in _REFUSED
    return isinstance(error, _UNSENT)


def _pause(state: RetryCallState) -> float:
    """The server's own wish, else doubling with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Transient) and error.retry_after is not None:
        return error.retry_after
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**state.attempt_number))  # noqa: S311 - no secret


@dataclass(frozen=True)
class _Enough(stop_base):
    """Also when the next try would come too late: then its caller is told at once how long it would be."""

    attempts: int = MOST_ATTEMPTS
    seconds: float = MOST_SECONDS

    def __call__(self, state: RetryCallState) -> bool:
        spent = state.seconds_since_start or 0.0
        return state.attempt_number >= self.attempts or spent + state.upcoming_sleep > self.seconds
