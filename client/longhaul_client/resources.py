"""The API's resources: tasks (submitted, read, steered, listed), the queues of their kinds, the hospitals.

Each request that changes something carries an Idempotency-Key of its own, the same one whenever it is sent again. So
when a response is lost, the retry never undoes what somebody else has done in between.
"""

import re
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

from longhaul_client.api import Api, Query
from longhaul_client.documents import Document, printable
from longhaul_client.errors import TaskCreationError, TaskError, TaskExecutionError, TaskNotFoundError, ValidationError

TASKS = "/api/v1/tasks"
QUEUES = "/api/v1/queue"

ACTIVE = ("PENDING", "RUNNING", "PAUSED")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
BATCH_SIZE = 100
MAX_PAGE_SIZE = 1000
RESULTS_PAGE_SIZE = 100  # each may have 256 KB
MAX_NAME = 255  # characters of an id in a path; no id of Longhaul's is as long

_ROUTES = frozenset({"active", "actions", "batch", "cursor", "summary"})  # under /tasks; no task has such an id
TASK_FIELDS = ("task_id", "kind", "title", "status", "progress", "created_at", "updated_at")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Tasks:
    """The tasks of one caller, as documents."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def submit(self, kind: str, params: Document, *, key: str | None = None, **more: Any) -> Document:
        """Submit a task. The same `key` gives the same task however often it is sent; `more`: priority, title,
        run_after, deadline."""
        return await self._api.send(
            "POST",
            TASKS,
            body=_submission(kind=kind, params=params, **more),
            headers=once(key),
            expects=TASK_FIELDS,
            failing=TaskCreationError,
        )

    async def submit_all(self, items: Sequence[Document]) -> list[Document]:
        """Submit many; each of `items` has the arguments of `submit`. Returns {index, status, task_id | problem} of
        each, in order."""
        results: list[Document] = []
        for first in range(0, len(items), BATCH_SIZE):
            batch = items[first : first + BATCH_SIZE]
            body = {"items": [{"idempotency_key": str(uuid.uuid4()), **_submission(**item)} for item in batch]}
            try:
                answer = await self._api.send(
                    "POST", f"{TASKS}/batch", body=body, expects=("items",), failing=TaskCreationError
                )
                found = answer["items"]
            except TaskError as error:  # earlier batches have their tasks: their ids must not be lost
                found = [{"status": error.status, "problem": error.problem or {"detail": str(error)}}] * len(batch)
            results += [_renumbered(item, at, first + at) for at, item in enumerate(found)]
        return results

    async def read(self, task_id: str) -> Document:
        return await self._api.get(path_of(task_id), expects=TASK_FIELDS)

    async def act(self, task_id: str, action: str, failing: type[TaskError] = TaskExecutionError) -> Document:
        """Do one `action` to a task: cancel, pause, resume or retry."""
        return await self._steer("POST", path_of(task_id, action), expects=TASK_FIELDS, failing=failing)

    async def act_on(self, request: Document) -> Document:
        """Submit a bulk action, {action, filter, priority?}. Returns the task that carries it out."""
        return await self._steer(
            "POST", f"{TASKS}/actions", body=request, expects=TASK_FIELDS, failing=TaskCreationError
        )

    async def change(self, task_id: str, **changes: str) -> Document:
        """`changes`: priority, title."""
        return await self._steer("PATCH", path_of(task_id), body=changes, expects=TASK_FIELDS)

    async def page(self, query: Query) -> Document:
        """{items, page, page_size, total, pages}"""
        return await self._api.get(TASKS, query, expects=("items", "page", "pages", "total"))

    def pages(self, query: Query) -> AsyncIterator[list[Document]]:
        """Yield all tasks that match the filters, a page at a time."""
        return self._api.pages(f"{TASKS}/cursor", query)

    async def active(self) -> list[Document]:
        """Return all tasks that have not ended, newest first."""
        answer = await self._api.get(f"{TASKS}/active", expects=("items",))
        items: list[Document] = answer["items"]
        if answer.get("more"):  # the server cut the list: read it a page at a time instead
            pages = self.pages({"status": ACTIVE, "limit": MAX_PAGE_SIZE})
            items = [task async for page in pages for task in page]
        return items

    def parts(self, task_id: str, of: str, query: Query) -> AsyncIterator[list[Document]]:
        """Yield the task's `steps`, `events` or `results`, a page at a time."""
        return self._api.pages(path_of(task_id, of), query)

    def results(self, task_id: str, query: Query) -> AsyncIterator[list[Document]]:
        """Yield what the task's items came to, a page at a time. `query`: stage, status."""
        return self.parts(task_id, "results", {**query, "limit": RESULTS_PAGE_SIZE})

    async def purge(self, query: Query) -> AsyncIterator[int]:
        """Delete ended tasks, round by round. Yields how many each round deleted."""
        more = True
        while more:
            answer = await self._steer("DELETE", TASKS, query=query, expects=("deleted", "more"))
            yield answer["deleted"]
            more = answer["more"]

    async def queues(self) -> list[Document]:
        """Return the queue of each kind: what waits and runs, and its limits."""
        items: list[Document] = (await self._api.get(QUEUES, expects=("items",)))["items"]
        return items

    async def change_queue(self, kind: str, changes: Document) -> Document:
        """`changes`: max_concurrent, max_queued, paused, weights."""
        return await self._steer("PATCH", f"{QUEUES}/{segment(kind)}", body=changes, expects=("kind",))

    async def _steer(self, method: str, path: str, **more: Any) -> Document:
        return await self._api.send(method, path, headers=once(), **more)


class Directory:
    """Provinces and hospitals."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get_provinces(self) -> Document:
        """{items: [{code, name}], page, page_size, total, pages}"""
        return await self._api.get("/api/v1/provinces", expects=("items",))

    async def get_hospitals(self, query: Query) -> Document:
        """Return a page of the hospitals that match `q`, `province` and `level`."""
        return await self._api.get("/api/v1/hospitals", query, expects=("items", "page", "pages", "total"))


def path_of(task_id: str, *more: str) -> str:
    """Return the path of a task, whose id may hold Chinese. Raises ValidationError or TaskNotFoundError otherwise."""
    path = "/".join((TASKS, segment(task_id), *more))
    if task_id in _ROUTES:
        raise TaskNotFoundError(f"there is no task {task_id}", status=404)
    return path


def segment(name: str) -> str:
    """Return a name as one segment of a path. Raises ValidationError for a name that cannot be one."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= MAX_NAME
        or name.strip() in ("", ".", "..")
        or printable(name) != name
    ):
        given = repr(name) if len(repr(name)) <= MAX_NAME else f"{repr(name)[:MAX_NAME]}..."
        raise ValidationError(
            f"{given} is not an id: an id is 1 to {MAX_NAME} printable characters, not all spaces or dots"
        )
    return quote(name, safe="")


def once(key: str | None = None) -> dict[str, str]:
    """Return the header that gives a request one effect, however often it is sent. Raises ValidationError."""
    if key is None:
        key = str(uuid.uuid4())
    if not isinstance(key, str) or not _KEY.fullmatch(key) or not key.strip():
        raise ValidationError("an Idempotency-Key is 1 to 255 printable ASCII characters, not only spaces")
    return {"Idempotency-Key": key}


def _renumbered(item: Document, at: int, index: int) -> Document:
    """Number an item of a batch among all items. The pointers of its errors start at the item, not at the batch."""
    for error in (item.get("problem") or {}).get("errors") or ():
        error["pointer"] = error["pointer"].removeprefix(f"/items/{at}")
    return {**item, "index": index}


def _submission(**item: Any) -> Document:
    return {name: value for name, value in item.items() if value is not None}
