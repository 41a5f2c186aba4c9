"""Tasks as the API has them: submitted, read, followed, steered, found."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from longhaul_client.api import Api, Query, path_of
from longhaul_client.errors import Document, TaskCreationError, TaskError, TaskExecutionError

TASKS = "/api/v1/tasks"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
LONGEST_HOLD = 20  # seconds that the server holds an answer back at most
BATCH_SIZE = 100


class Tasks:
    """The tasks of one caller, as documents."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def submit(self, kind: str, params: Document, *, key: str | None = None, **more: Any) -> Document:
        """`key`: what makes it one task however often it is sent; `more`: priority, title, run_after, deadline."""
        return await self._api.send(
            "POST",
            TASKS,
            body=_submission(kind=kind, params=params, **more),
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
            failing=TaskCreationError,
        )

    async def submit_all(self, items: Sequence[Document]) -> list[Document]:
        """`items`: each what `submit` takes. {index, status, task_id | problem} of each, in order."""
        told: list[Document] = []
        for first in range(0, len(items), BATCH_SIZE):
            batch = items[first : first + BATCH_SIZE]
            body = {"items": [{"idempotency_key": str(uuid.uuid4()), **_submission(**item)} for item in batch]}
            try:
                answer = await self._api.send("POST", f"{TASKS}/batch", body=body, failing=TaskCreationError)
                found = answer["items"]
            except TaskError as error:  # the batches before have their tasks: their ids must not be lost
                found = [{"status": error.status, "problem": error.problem or {"detail": str(error)}}] * len(batch)
            told += [_placed(item, at, first + at) for at, item in enumerate(found)]
        return told

    async def read(self, task_id: str) -> Document:
        return await self._api.get(path_of(task_id))

    async def follow(self, task_id: str, *, interval: float, hold: int = LONGEST_HOLD) -> AsyncGenerator[Document]:
        """The task whenever it has changed, but not more often than every `interval` seconds, until it has ended.

        The server holds an answer back for `hold` seconds unless the task is another one than that which is known.
        """
        clock, etag = asyncio.get_running_loop().time, None
        while True:
            asked = clock()
            known = {"If-None-Match": etag} if etag else None
            answer = await self._api.request("GET", path_of(task_id), headers=known, hold=hold if etag else 0)
            if answer.document is not None:
                etag = answer.headers.get("etag")
                yield answer.document
                if answer.document["status"] in ENDED:
                    return
            await asyncio.sleep(max(0.0, asked + interval - clock()))

    async def wait(self, task_id: str, *, interval: float) -> Document:
        """The task once it has ended; while it has not, the server holds its answers back as long as it does."""
        clock = asyncio.get_running_loop().time
        while True:
            asked = clock()
            answer = await self._api.request("GET", path_of(task_id), hold=LONGEST_HOLD)
            if answer.document is not None and answer.document["status"] in ENDED:
                return answer.document
            await asyncio.sleep(max(0.0, asked + interval - clock()))

    async def act(self, task_id: str, action: str, failing: type[TaskError] = TaskExecutionError) -> Document:
        """Cancel, pause, resume or retry it. All but `retry` are the same when done twice."""
        path = path_of(task_id, action)
        return await self._api.send("POST", path, repeatable=action != "retry", failing=failing)

    async def act_on(self, request: Document) -> Document:
        """{action, filter, priority?}: the task that does it to all that match."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return await self._api.send("POST", f"{TASKS}/actions", body=request, headers=key, failing=TaskCreationError)

    async def change(self, task_id: str, **changes: str) -> Document:
        """`changes`: priority, title."""
        return await self._api.send("PATCH", path_of(task_id), body=changes)

    async def page(self, query: Query) -> Document:
        """{items, page, page_size, total, pages}"""
        return await self._api.get(TASKS, query)

    def pages(self, query: Query) -> AsyncIterator[list[Document]]:
        """All that the filters let through, a page at a time."""
        return self._api.pages(f"{TASKS}/cursor", query)

    async def active(self) -> list[Document]:
        """Those that have not ended, newest first."""
        items: list[Document] = (await self._api.get(f"{TASKS}/active"))["items"]
        return items

    def parts(self, task_id: str, of: str, query: Query) -> AsyncIterator[list[Document]]:
        """Its `steps` or its `events`, a page at a time."""
        return self._api.pages(path_of(task_id, of), query)

    async def purge(self, query: Query) -> AsyncIterator[int]:
        """Delete what has ended, round by round: how many each round deleted."""
        more = True
        while more:
            answer = await self._api.send("DELETE", TASKS, query=query)
            yield answer["deleted"]
            more = answer["more"]

    async def lanes(self) -> list[Document]:
        """Who waits and runs, by kind."""
        items: list[Document] = (await self._api.get("/api/v1/queue"))["items"]
        return items

    async def change_lane(self, kind: str, changes: Document) -> Document:
        """`changes`: max_concurrent, max_queued, paused."""
        return await self._api.send("PATCH", f"/api/v1/queue/{kind}", body=changes)


def _placed(item: Document, at: int, index: int) -> Document:
    """An item's answer by its place among all of them, and what is wrong by its place within the item."""
    for error in (item.get("problem") or {}).get("errors", ()):
        error["pointer"] = error["pointer"].removeprefix(f"/items/{at}")
    return {**item, "index": index}


def _submission(**item: Any) -> Document:
    return {name: value for name, value in item.items() if value is not None}
