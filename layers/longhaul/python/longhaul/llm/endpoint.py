"""One request to a model's endpoint and its response: key, deadline, size limit, and the error of each status."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import urllib3

from longhaul.errors import BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from longhaul.settings import Model

CONNECT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024  # of an answer
CHUNK = 64 * 1024
MAX_CONNECTIONS = 10  # that are kept alive; a function asks as often at once (longhaul.tasks.step_batches)

# `finish_reason` of OpenAI, Mistral, Zhipu, DeepSeek and vLLM; with any other the answer is whole.
_CUT = frozenset({"length", "max_tokens", "model_length"})
_WITHHELD = frozenset({"content_filter", "sensitive"})
_AWAY = frozenset({"insufficient_system_resource", "network_error", "error", "abort"})

# The words of a refusal that may be logged, for a person to change the configuration; the rest may quote the prompt.
_PARTS = ("response_format", "json_schema", "json_object", "temperature", "max_tokens", "max_completion_tokens")


class End(Enum):
    """How an answer ended."""

    whole = "whole"
    cut = "cut"  # at its limit of tokens
    withheld = "withheld"  # by the model or its filter


@dataclass(frozen=True)
class Completion:
    """The model's text, how it ended, and the provider's own `usage`."""

    content: str
    usage: object
    end: End = End.whole


class Garbled(BadAnswer):
    """The model's answer is not a chat completion."""


class Refused(BadAnswer):
    """The model's endpoint refused the request. `text` may quote the prompt, so it is never logged."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


class Endpoint:
    """A model behind a kept-alive pool. `read_key` is called on first use, and again when the key is refused."""

    def __init__(self, model: Model, *, read_key: Callable[[], str], read_seconds: float) -> None:
        self._url = f"{model.base_url.rstrip('/')}/chat/completions"
        self._read_key = read_key
        self._key: str | None = None
        self._seconds = read_seconds
        self._pool = urllib3.PoolManager(retries=False, maxsize=MAX_CONNECTIONS)

    def complete(self, body: bytes) -> Completion:
        """Takes CONNECT_SECONDS + `read_seconds` at most.

        Raises ProviderThrottled, ProviderUnavailable, Refused, Garbled, BadAnswer (the answer has no end).
        """
        deadline = time.monotonic() + CONNECT_SECONDS + self._seconds
        status, headers, data = self._post(body, deadline)
        if status in (401, 403):  # perhaps the key was rotated
            self._key = None
            status, headers, data = self._post(body, deadline)
        if status != 200:
            raise _failure(status, data, _seconds(headers.get("Retry-After")))
        return _completion(data)

    def close(self) -> None:
        self._pool.clear()

    def _post(self, body: bytes, deadline: float) -> tuple[int, Any, bytes]:
        key = self._key = self._key or self._read_key()  # another thread may forget it meanwhile
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        left = max(0.001, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=self._seconds, total=left)
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=headers, timeout=timeout, redirect=False, preload_content=False
            )
            try:
                with _cut_off_at(response, deadline):
                    data = _read(response) if response.status == 200 else response.read1(CHUNK)
                return response.status, response.headers, data
            finally:
                response.close()  # unless it was read to its end: then the connection is back in the pool
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the model does not answer: {type(error).__name__}") from error


@contextmanager
def _cut_off_at(response: urllib3.BaseHTTPResponse, deadline: float) -> Iterator[None]:
    """Cuts off a response that trickles or stalls: the pool's timeout holds for each of its pieces only."""
    late = threading.Event()

    def cut_off() -> None:
        late.set()
        with suppress(ValueError, RuntimeError, OSError):  # it has just ended by itself
            response.shutdown()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        if late.is_set():
            raise ProviderUnavailable("the model's answer takes too long") from error
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise ProviderUnavailable("the model's answer takes too long")


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body. BadAnswer when it is too large."""
    data = bytearray()
    while chunk := response.read1(CHUNK):
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadAnswer(f"the model's answer has more than {MAX_BYTES} bytes")
    return bytes(data)


def _completion(data: bytes) -> Completion:
    """The completion in a body with status 200. Gateways send web pages and errors with it too."""
    try:
        envelope = json.loads(data)
        choices = envelope.get("choices")
        if not choices and isinstance(envelope.get("error"), dict):
            raise _enveloped_failure(envelope["error"], data)
        choice = choices[0]
        content, refusal = _text(choice["message"].get("content")), choice["message"].get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Garbled from error
    ended = choice.get("finish_reason")
    if ended in _AWAY:
        raise ProviderUnavailable("the model broke off its answer")
    end = End.withheld if refusal or ended in _WITHHELD else End.cut if ended in _CUT else End.whole
    return Completion(content, envelope.get("usage"), end)


def _text(content: object) -> str:
    """The content, or the texts among its parts, as some endpoints send it; empty when there is none."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _enveloped_failure(error: dict[str, Any], data: bytes) -> LonghaulError:
    """The error in a body with status 200, as routers before several models send it; its code is the status."""
    status = error.get("code")
    return _failure(status, data, None) if isinstance(status, int) and status >= 400 else Garbled()


def _failure(status: int, data: bytes, retry_after: float | None) -> LonghaulError:
    if status == 429:
        return ProviderThrottled("the model asks us to slow down", retry_after=retry_after)
    if status == 408 or status >= 500:
        return ProviderUnavailable(f"the model answered {status}", retry_after=retry_after)
    text = data.decode("utf-8", "replace")
    named = " and ".join(part for part in _PARTS if part in text)
    return Refused(f"the model refused the request with {status}{named and f', naming {named}'}", text)


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After, which may be a date (RFC 9110, 10.2.3)."""
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
