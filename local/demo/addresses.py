"""What lies at addresses that are not the API's: a link in an answer, the providers' control."""

from typing import Any

from local.options import StackError
from local.requests import send

SECONDS = 30.0


def fetch(url: str, method: str = "GET", body: dict[str, Any] | None = None) -> bytes:
    """Raises StackError for any other answer than 200."""
    try:
        answer = send(url, method, body, {}, SECONDS)
    except OSError as error:
        raise StackError(f"{method} {url}: {error}") from error
    if answer.status != 200:
        raise StackError(f"{method} {url}: {answer.status}")
    return answer.body
