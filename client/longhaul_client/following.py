"""Following tasks: their documents whenever they change, or their notices. By WebSocket, or by HTTP without one.

A notice says that something has changed; the document that HTTP reads then is the truth. While there is a socket, a
task is read when a notice says that it is worth it, and now and then in case one was lost. While there is none, the
server holds one look back (Prefer: wait) and the others are made at intervals.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from longhaul_client.api import Answer, Api
from longhaul_client.connections import Pool
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError, ValidationError
from longhaul_client.live import Live
from longhaul_client.resources import ENDED, TASK_FIELDS, TASKS, path_of
from longhaul_client.subscriptions import STATE, Subscription, Topic

PROGRESS = "longhaul.task.progress"

WATCH_SECONDS = 1.0  # between two looks of `watch`
# Between two looks at a task whose notices come by WebSocket: not each step has one, and one may be lost.
LOOK_SECONDS = 10.0
PAGE_SIZE = 100
MAX_TASKS = 10_000  # tasks whose last state is remembered while several are followed

_NO_SEQUENCE = f"{0:016d}.{0:08d}"  # less than any other
_DATA = ("task_id", "kind", "title", "status", "attempt", "progress", "stage", "current_step")


async def changes(api: Api, task_id: str, *, interval: float) -> AsyncGenerator[Document]:
    """Yield the task whenever it has changed, until it has ended. Progress: `interval` seconds apart or more."""
    async with aclosing(_looks(api, task_id, interval, every=True)) as looks:
        async for answer in looks:
            if answer.document is not None:
                yield answer.document


async def end(api: Api, task_id: str, *, interval: float) -> Document:
    """Return the task once it has ended."""
    last: Document = {}
    async for answer in _looks(api, task_id, interval, every=False):
        last = answer.document or last
    return last


async def watch(api: Api, task_ids: Sequence[str], show: Callable[[Document], None]) -> list[Document | TaskError]:
    """Follow several tasks at once and show each whenever it changes.

    Returns for each, in order, the ended task, or the error that ended the following.
    """

    async def until_end(task_id: str) -> Document | TaskError:
        last: Document = {}
        try:
            async for last in changes(api, task_id, interval=WATCH_SECONDS):
                show(last)
        except TaskError as error:
            return error
        return last

    return await asyncio.gather(*map(until_end, task_ids))


async def notices(api: Api, topic: Topic, *, interval: float) -> AsyncGenerator[Document]:
    """Yield the topic's notices as they come. Of one task the first says how it is, and the last that it has ended.

    Where notices may be missing, what has changed is read by HTTP and yielded as notices of the type STATE. Without a
    socket that happens every `interval` seconds.
    """
    source = _One(api, topic.task_id) if topic.task_id is not None else _Several(api, topic.kind)
    async with api.following() as pool, Live.of(api).subscription(topic) as heard:
        told = {task["task_id"]: task for task in await source.begin()}
        while True:
            is_live = await heard.settled()
            if topic.kind is not None and heard.refusal is not None:  # of a task, the reading by HTTP says so
                raise ValidationError(heard.refusal)
            if is_live and not heard.is_stale:
                found = heard.take()
            else:
                heard.read_by_http()
                read = await source.read(pool, is_live=is_live)
                found = [_state(task, heard) for task in read if _is_news(task, told.get(task["task_id"]))]
            for notice in found:
                _remember(told, notice["data"])
                yield notice
                if topic.task_id is not None and notice["data"]["status"] in ENDED:
                    return
            if not is_live:
                await heard.changed(source.pause(pool, interval))
            elif not await heard.changed(pool.poll_interval(LOOK_SECONDS)) and topic.task_id is not None:
                heard.reset()


class _Look:
    """Reads one task again and again: what is known already is not sent again."""

    def __init__(self, api: Api, task_id: str) -> None:
        self._api = api
        self._path = path_of(task_id)
        self._etag: str | None = None

    async def __call__(self, pool: Pool, *, is_live: bool, every: bool = True) -> Answer:
        """Without a socket the server holds one look of a pool back: until the task has changed, or (unless `every`)
        until it has ended."""
        if is_live:
            return await self._send(0, with_etag=True)
        with pool.hold() as seconds:
            with_etag = every or not seconds
            return await self._send(seconds if not with_etag or self._etag else 0, with_etag=with_etag)

    async def _send(self, hold: int, *, with_etag: bool) -> Answer:
        headers = {"If-None-Match": self._etag} if self._etag and with_etag else {}
        answer = await self._api.request("GET", self._path, headers=headers, hold=hold, expects=TASK_FIELDS)
        self._etag = answer.headers.get("etag") or self._etag
        return answer


async def _looks(api: Api, task_id: str, interval: float, *, every: bool) -> AsyncGenerator[Answer]:
    """Look at the task until it has ended: whenever it has changed, or (unless `every`) to see its end."""
    clock, look = asyncio.get_running_loop().time, _Look(api, task_id)
    last: Document = {}
    async with api.following() as pool, Live.of(api).subscription(Topic(task_id)) as heard:
        is_live = False if every else await heard.settled()  # the first look that shows progress waits for nothing
        while True:
            began = clock()
            heard.read_by_http()
            answer = await look(pool, is_live=is_live, every=every)
            yield answer
            last = answer.document or last
            if last and last["status"] in ENDED:
                return
            is_live = await heard.settled()
            if is_live:
                await _until_news(heard, last, every, began + pool.poll_interval(interval), pool)
            else:
                pause = interval if answer.was_held else pool.poll_interval(interval)
                await asyncio.sleep(max(0.0, began + pause - clock()))


async def _until_news(heard: Subscription, known: Document, every: bool, not_before: float, pool: Pool) -> None:
    """Wait until a look at the task is worth it. Progress alone is not looked at before the time `not_before`."""
    clock = asyncio.get_running_loop().time
    due = clock() + pool.poll_interval(LOOK_SECONDS)
    while await heard.settled() and not heard.is_stale and clock() < due:
        for notice in heard.take():
            data = notice["data"]
            if data["status"] in ENDED:
                return
            if every and notice["type"] == PROGRESS:
                due = min(due, not_before)
            elif every and not (notice["type"] == STATE and _is_known(data, known)):
                return
        await heard.changed(due - clock())


class _One:
    """One task."""

    def __init__(self, api: Api, task_id: str) -> None:
        self._look = _Look(api, task_id)
        self._was_held = False

    async def begin(self) -> list[Document]:
        """Nothing is known yet: the first notice says how the task is."""
        return []

    async def read(self, pool: Pool, *, is_live: bool) -> list[Document]:
        """Return the task if it is not as it was at the last reading."""
        answer = await self._look(pool, is_live=is_live)
        self._was_held = answer.was_held
        return [answer.document] if answer.document is not None else []

    def pause(self, pool: Pool, interval: float) -> float:
        return interval if self._was_held else pool.poll_interval(interval)


class _Several:
    """The tasks of a kind, or all."""

    def __init__(self, api: Api, kind: str | None) -> None:
        self._api = api
        self._query = {"kind": kind, "sort_by": "updated_at", "sort_order": "desc", "limit": PAGE_SIZE}
        self._newest = ""  # the latest time of a change that was read

    async def begin(self) -> list[Document]:
        """Return the tasks that changed last. What is older is of no interest from now on."""
        page = await self._api.get(f"{TASKS}/cursor", self._query, expects=("items",))
        items: list[Document] = page["items"]
        self._newest = max((task["updated_at"] for task in items), default="")
        return items

    async def read(self, pool: Pool, *, is_live: bool) -> list[Document]:
        """Return the tasks that have changed since the last reading, the last one last."""
        changed: list[Document] = []
        async with aclosing(self._api.pages(f"{TASKS}/cursor", self._query)) as pages:
            async for page in pages:
                changed += [task for task in page if task["updated_at"] >= self._newest]
                if len(changed) % PAGE_SIZE:
                    break
        self._newest = max((task["updated_at"] for task in changed), default=self._newest)
        return changed[::-1]

    def pause(self, pool: Pool, interval: float) -> float:
        return pool.poll_interval(interval)


def _state(task: Document, heard: Subscription) -> Document:
    """Return a task that was read by HTTP as a notice. Its sequence is the last that is known, so a later one is
    greater."""
    return {
        "specversion": "1.0",
        "id": f"{task['task_id']} {task['updated_at']}",
        "source": TASKS,
        "type": STATE,
        "subject": task["task_id"],
        "time": task["updated_at"],
        "datacontenttype": "application/json",
        "sequence": heard.sequence_of(task["task_id"]) or _NO_SEQUENCE,
        "data": {name: task.get(name) for name in _DATA} | {"detail": {}},
    }


def _is_news(task: Document, told: Document | None) -> bool:
    """A list may be a little behind what a notice told of the progress."""
    if told is None:
        return True
    is_same_run = (task["status"], task.get("attempt")) == (told["status"], told.get("attempt"))
    return not _is_known(task, told) and not (is_same_run and task["progress"] < told["progress"])


def _is_known(task: Document, told: Document) -> bool:
    return all(task.get(name) == told.get(name) for name in ("status", "attempt", "progress", "current_step"))


def _remember(told: dict[str, Document], data: Document) -> None:
    """Remember what was told last of a task, and forget the task that was told of first when there are very many."""
    told[data["task_id"]] = data
    if len(told) > MAX_TASKS:
        del told[next(iter(told))]
