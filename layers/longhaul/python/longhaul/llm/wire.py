"""One request to a model and its answer: the key, the time it may take, how much is read, and what a status means."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3

from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable, TransientError
from longhaul.settings import Model

CONNECT_SECONDS = 5.0
MOST_BYTES = 1024 * 1024  # of an answer
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model says, and the usage as its provider told it."""

    content: str
    usage: object


class Endpoint:
    """One model behind one kept-alive pool. `read_key` is called on first use, and again when the key is refused."""

    def __init__(self, model: Model, *, read_key: Callable[[], str], read_seconds: float) -> None:
        self._url = f"{model.base_url.rstrip('/')}/chat/completions"
        self._read_key = read_key
        self._key: str | None = None
        self._seconds = read_seconds
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds), retries=False, maxsize=4
        )

    def complete(self, body: bytes) -> Completion:
        """Raises ProviderThrottled, ProviderUnavailable, BadAnswer (the request is refused, the answer has no end)."""
        status, headers, data = self._post(body)
        if status in (401, 403):  # the key was rotated, perhaps
            self._key = None
            status, headers, data = self._post(body)
        if status != 200:
            raise _refusal(status, _seconds(headers.get("Retry-After")))
        try:
            envelope = json.loads(data)
            content = envelope["choices"][0]["message"]["content"]
            return Completion(content if isinstance(content, str) else "", envelope.get("usage"))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise ProviderUnavailable("the model's answer is not a chat completion") from error

    def close(self) -> None:
        self._pool.clear()

    def _post(self, body: bytes) -> tuple[int, Any, bytes]:
        if self._key is None:
            self._key = self._read_key()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        deadline = time.monotonic() + CONNECT_SECONDS + self._seconds
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                data = _read(response, deadline) if response.status == 200 else response.read1(CHUNK)
                return response.status, response.headers, data
            finally:
                response.close()  # unless it was read to its end: then the connection is back in the pool
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the model does not answer: {type(error).__name__}") from error


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The whole body, unless it takes too long or is too much."""
    data = bytearray()
    while chunk := response.read1(CHUNK):
        data += chunk
        if len(data) > MOST_BYTES:
            raise BadAnswer(f"the model's answer has more than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise ProviderUnavailable("the model's answer takes too long")
    return bytes(data)


def _refusal(status: int, retry_after: float | None) -> TransientError | BadAnswer:
    if status == 429:
        return ProviderThrottled("the model asks us to slow down", retry_after=retry_after)
    if status == 408 or status >= 500:
        return ProviderUnavailable(f"the model answered {status}", retry_after=retry_after)
    return BadAnswer(f"the model refused the request with {status}")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After comes as seconds or as a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
