"""Requests to Longhaul's API, in its own manners: retried where that is safe, refused with an exception."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from longhaul_client.errors import Document, TaskError, TaskExecutionError, refusal
from longhaul_client.pool import Pool
from longhaul_client.retrying import Transient, check, retry_after, retrying
from longhaul_client.settings import Settings

type Query = Mapping[str, Any]  # None is left out, a list is sent comma-separated


@dataclass(frozen=True)
class Answer:
    """`document` is None when nothing has changed (304)."""

    status: int
    headers: Mapping[str, str]
    document: Document | None


class Api:
    """The API of one stack, for one caller."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.of()

    async def aclose(self) -> None:
        """Close what is open, unless others in this event loop use it; it opens again when it is asked again."""
        await Pool.leave(self)

    async def get(self, path: str, query: Query | None = None) -> Document:
        return await self.send("GET", path, query=query)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Document | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        failing: type[TaskError] = TaskExecutionError,
    ) -> Document:
        """The answer's document; `failing` is raised for what neither the input nor a missing task explains."""
        answer = await self.request(
            method, path, query=query, body=body, headers=headers, repeatable=repeatable, failing=failing
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
        repeatable: bool = True,
        failing: type[TaskError] = TaskExecutionError,
    ) -> Answer:
        """The answer; `hold`: seconds that the server may hold it back (Prefer: wait)."""
        pool = await Pool.of(self)
        request = pool.client.build_request(
            method,
            self.settings.url + path,
            params=_parameters(query or {}),
            json=body,
            headers={**self._headers(hold), **(headers or {})},
            timeout=httpx.Timeout(self.settings.timeout + hold, connect=min(5.0, self.settings.timeout)),
        )
        try:
            async for attempt in retrying(repeatable):
                with attempt:
                    response = check(await pool.client.send(request))
        except Transient as error:
            response = error.answer
        except httpx.HTTPError as error:
            raise failing(f"network: no answer from {self.settings.url}: {_reason(error)}") from error
        return _answer(response, failing)

    async def pages(self, path: str, query: Query) -> AsyncIterator[list[Document]]:
        """The items of a list that goes on by cursor, page by page."""
        cursor = None
        while True:
            page = await self.get(path, {**query, "cursor": cursor})
            yield page["items"]
            if (cursor := page["next_cursor"]) is None:
                return

    def _headers(self, hold: int) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}
        return token | ({"Prefer": f"wait={hold}"} if hold else {})


def path_of(task_id: str, *more: str) -> str:
    """The task's path; its id may hold Chinese, or anything that was typed."""
    return "/".join(("/api/v1/tasks", quote(task_id, safe=""), *more))


def _parameters(query: Query) -> dict[str, Any]:
    given = {name: value for name, value in query.items() if value not in (None, [], ())}
    return {name: ",".join(value) if isinstance(value, list | tuple) else value for name, value in given.items()}


def _answer(response: httpx.Response, failing: type[TaskError]) -> Answer:
    if response.status_code == 304:
        return Answer(304, response.headers, None)
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.is_success and isinstance(document, dict):
        return Answer(response.status_code, response.headers, document)
    if response.is_success:
        raise failing(f"the server answered {response.status_code} without a JSON object: is it Longhaul's?")
    problem = document if isinstance(document, dict) else {}
    raise refusal(response.status_code, problem, retry_after(response.headers), failing)


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
