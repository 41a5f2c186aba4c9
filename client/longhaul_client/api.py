"""Requests to Longhaul's API: sent again when a response is lost; an error response becomes an exception."""

import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from longhaul_client.connections import Pool, Settings
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError, TaskExecutionError, ValidationError, refusal
from longhaul_client.retrying import MAX_ATTEMPTS, Transient, check, retry_after, retrying

type Notice = Callable[[str], object]
type Query = Mapping[str, Any]  # None is left out, a list is sent comma-separated

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A response; `document` is None when nothing has changed (304)."""

    status: int
    headers: Mapping[str, str]
    document: Document | None

    @property
    def was_held(self) -> bool:
        """Whether the server honoured Prefer: wait (RFC 7240). A busy server answers at once."""
        return "preference-applied" in self.headers


class Api:
    """The API of one stack, for one caller. `notice` gets a line whenever a request will be sent again."""

    def __init__(self, settings: Settings | None = None, notice: Notice = logger.warning) -> None:
        self.settings = settings or Settings.of()
        self._notice = notice

    async def aclose(self) -> None:
        """Close the connections unless others in this event loop use them. The next request opens new ones."""
        await Pool.leave(self)

    async def get(self, path: str, query: Query | None = None, expects: Iterable[str] = ()) -> Document:
        return await self.send("GET", path, query=query, expects=expects)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Document | None = None,
        headers: Mapping[str, str] | None = None,
        expects: Iterable[str] = (),
        failing: type[TaskError] = TaskExecutionError,
    ) -> Document:
        """Return the response's document. `failing` is raised unless invalid input or a missing task is the reason."""
        answer = await self.request(
            method, path, query=query, body=body, headers=headers, expects=expects, failing=failing
        )
        return answer.document or {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Document | None = None,
        headers: Mapping[str, str] | None = None,
        hold: int = 0,
        attempts: int = MAX_ATTEMPTS,
        expects: Iterable[str] = (),
        failing: type[TaskError] = TaskExecutionError,
    ) -> Answer:
        """Return the response, whose document has the `expects` fields. Raises TaskError.

        A request that changes something needs an Idempotency-Key among its headers, because it may be sent again.
        `hold`: seconds for which the server may hold the response back (Prefer: wait).
        """
        pool = await Pool.of(self)
        request = self._built(pool, method, path, query or {}, body, {**self._headers(hold), **(headers or {})}, hold)
        return _answer(await self._sent(pool, request, attempts, failing), frozenset(expects), failing)

    async def text(self, path: str, query: Query | None = None) -> str:
        """Return a resource that is text, not JSON. Raises TaskError."""
        pool = await Pool.of(self)
        request = self._built(pool, "GET", path, query or {}, None, self._headers(0), 0)
        response = await self._sent(pool, request, MAX_ATTEMPTS, TaskExecutionError)
        if response.is_success and response.headers.get("content-type", "").startswith("text/"):
            return response.text
        return str(_answer(response, frozenset({"text"}), TaskExecutionError).document)

    async def pages(self, path: str, query: Query) -> AsyncGenerator[list[Document]]:
        """Yield the items of a list with a cursor, page by page."""
        cursor = None
        while True:
            page = await self.get(path, {**query, "cursor": cursor}, expects=("items", "next_cursor"))
            yield page["items"]
            if (cursor := page["next_cursor"]) is None:
                return

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[Pool]:
        """The pool, which counts its followers."""
        pool = await Pool.of(self)
        with pool.follower():
            yield pool

    async def _sent(
        self, pool: Pool, request: httpx.Request, attempts: int, failing: type[TaskError]
    ) -> httpx.Response:
        try:
            async for attempt in retrying(self._notify, attempts):
                with attempt:
                    response = check(await pool.client.send(request))
        except Transient as error:
            return error.response
        except (httpx.HTTPError, UnicodeError, OverflowError) as error:  # the last two: an impossible host or port
            raise failing(self._no_answer(error)) from error
        return response

    def _built(
        self,
        pool: Pool,
        method: str,
        path: str,
        query: Query,
        body: Document | None,
        headers: Mapping[str, str],
        hold: int,
    ) -> httpx.Request:
        timeout = httpx.Timeout(self.settings.timeout + hold, connect=min(5.0, self.settings.timeout))
        sent = parameters(query)
        try:
            return pool.client.build_request(
                method,
                self.settings.url + path,
                params=sent,
                content=None if body is None else _json(body),
                headers=dict(headers) if body is None else {"Content-Type": "application/json", **headers},
                timeout=timeout,
            )
        except (TypeError, ValueError, RecursionError, httpx.InvalidURL) as error:
            raise ValidationError(f"the request cannot be written as JSON or in an address: {error}") from error

    def _notify(self, error: BaseException, next_try: str) -> None:
        reason = f"{self.settings.url} answers {error}" if isinstance(error, Transient) else self._no_answer(error)
        self._notice(f"{reason}; {next_try}")

    def _no_answer(self, error: BaseException) -> str:
        return f"network: no answer from {self.settings.url}: {str(error) or type(error).__name__}"

    def _headers(self, hold: int) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}
        return token | ({"Prefer": f"wait={hold}"} if hold else {})


def parameters(query: Query) -> dict[str, Any]:
    """Return the query as it is sent. Raises ValidationError."""
    return {name: _parameter(name, value) for name, value in query.items() if value is not None}


def _parameter(name: str, value: Any) -> Any:
    """Refuse an empty list: the server would read it as one that was left out."""
    values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if not values or any(item is None or item == "" for item in values):
        raise ValidationError(f"{name} is given and empty, which nothing matches; leave it out to mean all")
    return ",".join(map(str, values)) if isinstance(value, Iterable) else value


def _json(document: Document) -> bytes:
    """Raises TypeError, ValueError, RecursionError for what JSON lacks: NaN, half a surrogate pair, a date."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _answer(response: httpx.Response, expects: frozenset[str], failing: type[TaskError]) -> Answer:
    if response.status_code == 304:
        return Answer(304, response.headers, None)
    if response.status_code == 204 and not expects:
        return Answer(204, response.headers, {})
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    if response.is_success and isinstance(document, dict) and expects <= document.keys():
        return Answer(response.status_code, response.headers, document)
    if response.is_success:
        wanted = f"an object with {', '.join(sorted(expects))}" if isinstance(document, dict) else "a JSON object"
        raise failing(f"the server answered {response.status_code} without {wanted}: is it Longhaul's?")
    problem = document if isinstance(document, dict) else {}
    raise refusal(response.status_code, problem, retry_after(response.headers), failing)
