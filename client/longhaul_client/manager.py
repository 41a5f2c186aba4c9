"""Tasks for programs: TaskManager submits, follows, steers and lists them as plain dictionaries."""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from longhaul_client import following
from longhaul_client.api import Api, Query
from longhaul_client.callbacks import Notified
from longhaul_client.connections import Settings
from longhaul_client.documents import Document, dictionary
from longhaul_client.errors import TaskCancellationError, TaskTimeoutError, ValidationError
from longhaul_client.live import Live
from longhaul_client.resources import ENDED, Directory, Tasks
from longhaul_client.subscriptions import Topic

TASK_SECONDS = 7200  # the server's deadline, from a task's start


class TaskManager:
    """The tasks of the caller whom `token` names, at the API at `url` (LONGHAUL_URL, LONGHAUL_TOKEN).

    A manager may be created outside an event loop, used in several loops one after another, and left unclosed.
    `task_timeout`: seconds from submission to a task's deadline; the default is the server's, two hours from the
    task's start. `progress_callback` is notified of each change that this manager sees. The server has its own
    database, language model and concurrency limits: `db` and `max_concurrent_tasks` are kept but not used, and
    `llm_client` defaults to the API's directory of hospitals.
    """

    def __init__(
        self,
        db: object = None,
        llm_client: Any = None,
        max_concurrent_tasks: int = 5,
        task_timeout: int = TASK_SECONDS,
        progress_callback: Notified | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        api = Api(Settings.of(url, token))
        self.db = db
        self.llm_client = llm_client or Directory(api)
        self.max_concurrent_tasks = max_concurrent_tasks
        self.task_timeout = task_timeout
        self.progress_callback = progress_callback
        self._api = api
        self._tasks = Tasks(api)
        self._notified: dict[str, tuple[int, str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close this event loop's connections unless others use them."""
        await Live.leave(self._api)
        await self._api.aclose()

    async def create_task(self, kind: str, params: Document | None = None, **more: Any) -> str:
        """Submit a task of any kind; `more`: priority, title, run_after, deadline (RFC 3339), key. Returns its id.

        Raises ValidationError, TaskCreationError.
        """
        if self.task_timeout != TASK_SECONDS:
            more = {"deadline": _deadline(self.task_timeout), **more}
        task = await self._tasks.submit(kind, params or {}, **more)
        return str(task["task_id"])

    async def create_full_refresh_task(self) -> str:
        """Refresh the whole country; returns the task's id. Raises TaskCreationError."""
        return await self.create_task("hospital_full_refresh")

    async def create_province_refresh_task(self, province_name: str) -> str:
        """Refresh one province; returns the task's id. Raises ValidationError (no such province), TaskCreationError."""
        return await self.create_task("hospital_province_refresh", {"province": province_name})

    async def create_tasks(self, items: Sequence[Document]) -> list[Document]:
        """Submit many, each {kind, params, priority?, title?, run_after?, deadline?}.

        Returns for each, in order, {index, status, task_id} or {index, status, problem}. A refused one stops no other.
        """
        return await self._tasks.submit_all(items)

    async def get_task_status(self, task_id: str) -> Document:
        """Raises TaskNotFoundError, TaskExecutionError."""
        return await self._seen(await self._tasks.read(task_id))

    async def wait_for_completion(self, task_id: str, timeout: float = 3600, poll_interval: float = 2) -> Document:
        """Return the task once it has ended, with any status. Both times are in seconds.

        Changes are heard by WebSocket. `poll_interval` is the least time between two looks at the task's progress, and
        between two looks at all where there is no socket.

        Raises TaskTimeoutError, TaskNotFoundError, TaskExecutionError, ValidationError.
        """
        if any(math.isnan(seconds) for seconds in (timeout, poll_interval)):
            raise ValidationError("timeout and poll_interval are numbers of seconds, not NaN")
        try:
            async with asyncio.timeout(timeout):
                if self.progress_callback is None:
                    return dictionary(await following.end(self._api, task_id, interval=poll_interval))
                async with aclosing(following.changes(self._api, task_id, interval=poll_interval)) as seen:
                    async for task in seen:
                        known = await self._seen(task)
        except TimeoutError as error:
            raise TaskTimeoutError(f"{task_id} had not ended after {timeout:g} s; it continues") from error
        return known

    async def follow(
        self, *, task_id: str | None = None, kind: str | None = None, all: bool = False, poll_interval: float = 2
    ) -> AsyncGenerator[Document]:
        """Yield notices as they come: of one task until it has ended, of a kind or of all until it is closed.

        A notice is a CloudEvent: {type, subject, time, sequence, data, ...}. `data` is the task as it was then. Of one
        task the first notice says how it is. A type `longhaul.task.state` says how a task is, not what happened to it.
        Notices come by WebSocket; where there is none, tasks are read every `poll_interval` seconds instead, and only
        their states are told. Of one task, a notice that is older than the one before is dropped.

        Raises ValidationError, TaskNotFoundError, TaskExecutionError.
        """
        topic = Topic.of(task_id, kind, all)
        async with aclosing(following.notices(self._api, topic, interval=poll_interval)) as heard:
            async for notice in heard:
                yield notice

    async def cancel_task(self, task_id: str) -> bool:
        """Return False when it had ended before. Raises TaskNotFoundError, TaskCancellationError."""
        try:
            await self._tasks.act(task_id, "cancel", TaskCancellationError)
        except TaskCancellationError as error:
            if error.status == 409:
                return False
            raise
        return True

    async def pause_task(self, task_id: str) -> Document:
        """Raises TaskNotFoundError; TaskExecutionError, also when the task's status does not allow it."""
        return dictionary(await self._tasks.act(task_id, "pause"))

    async def resume_task(self, task_id: str) -> Document:
        """Raises as `pause_task`."""
        return dictionary(await self._tasks.act(task_id, "resume"))

    async def retry_task(self, task_id: str) -> Document:
        """Run the failed steps of a FAILED task again. Raises as `pause_task`."""
        return dictionary(await self._tasks.act(task_id, "retry"))

    async def set_priority(self, task_id: str, priority: str) -> Document:
        """`low`, `normal`, `high` or `urgent`. Raises ValidationError, and as `pause_task`."""
        return dictionary(await self._tasks.change(task_id, priority=priority))

    async def list_tasks(
        self,
        status: str | Sequence[str] | None = None,
        page: int = 1,
        page_size: int = 10,
        sort_by: str = "created_at",
        sort_order: str = "desc",
        **filters: Any,
    ) -> Document:
        """Return {items, page, page_size, total, pages}.

        `filters`: kind, priority, title, error_code, created_after, created_before, ended_after, ended_before.

        Raises ValidationError, also for an empty list: None means all.
        """
        query: Query = {"status": status, "page": page, "page_size": page_size, **filters}
        listed = await self._tasks.page({**query, "sort_by": sort_by, "sort_order": sort_order})
        return {**listed, "items": [dictionary(task) for task in listed["items"]]}

    async def results(
        self, task_id: str, stage: str | None = None, status: str | None = None
    ) -> AsyncGenerator[Document]:
        """Yield what the task's items came to, in their order, read a page at a time: `async for`.

        Each is {key, stage, label, status, output, error, finished_at}, for a code-first workload; `output` is empty
        unless it SUCCEEDED. `status`: PENDING, SUCCEEDED or FAILED. Raises ValidationError, TaskNotFoundError,
        TaskExecutionError.
        """
        async for page in self._tasks.results(task_id, {"stage": stage, "status": status}):
            for result in page:
                yield result

    async def get_active_tasks(self) -> list[Document]:
        """Return all tasks that wait, run or are paused, newest first."""
        return [dictionary(task) for task in await self._tasks.active()]

    async def cleanup_old_tasks(self, older_than_days: int = 7, status_filter: Iterable[str] | None = None) -> int:
        """Delete the tasks that ended more than that number of days ago. Returns the count.

        Raises ValidationError, also for an empty filter: None means every status.
        """
        chosen = status_filter if status_filter is None or isinstance(status_filter, str) else list(status_filter)
        query = {"older_than_days": older_than_days, "status": chosen}
        return sum([deleted async for deleted in self._tasks.purge(query)])

    async def get_queue_status(self) -> Document:
        """Return {queue_size, max_size, active_tasks, max_concurrent} over all queues, and `lanes`: each queue."""
        queues = await self._tasks.queues()
        names = {
            "queue_size": "waiting",
            "max_size": "max_queued",
            "active_tasks": "running",
            "max_concurrent": "max_concurrent",
        }
        return {**{ours: sum(queue[theirs] for queue in queues) for ours, theirs in names.items()}, "lanes": queues}

    async def _seen(self, task: Document) -> Document:
        """Return the task as a dictionary; notify the callback when its progress has changed."""
        known = dictionary(task)
        if self.progress_callback is not None:
            task_id, moved = known["task_id"], (known["progress"], known["current_step"] or "")
            if self._notified.get(task_id) != moved:
                self._notified[task_id] = moved
                await self.progress_callback.notify_progress(task_id, *moved)
            if known["status"] in ENDED:
                self._notified.pop(task_id, None)
        return known


def _deadline(seconds: float) -> str:
    """Return the time that is `seconds` from now, in RFC 3339."""
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except (ValueError, OverflowError) as error:
        raise ValidationError(f"task_timeout: {seconds} seconds from now is not a time: {error}") from error
