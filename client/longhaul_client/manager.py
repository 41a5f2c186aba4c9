"""Tasks for programs: submit, follow, steer and find them as plain dictionaries."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from longhaul_client.api import Api, Query
from longhaul_client.dictionaries import dictionary
from longhaul_client.directory import Directory
from longhaul_client.errors import Document, TaskCancellationError, TaskTimeoutError
from longhaul_client.progress import Notified
from longhaul_client.settings import Settings
from longhaul_client.tasks import ENDED, Tasks

TASK_SECONDS = 7200


class TaskManager:
    """Asks the API at `url` for whoever `token` names (LONGHAUL_URL, LONGHAUL_TOKEN).

    It may be made anywhere, used in one event loop after another, and left without being closed. `task_timeout`:
    seconds from submission to a task's deadline; the default is the server's, two hours from its start.
    `progress_callback` is told of each change that this manager sees. The stack has its own database and language
    model, and its lanes say how many tasks run at once, so `db` and `max_concurrent_tasks` are kept and not used, and
    `llm_client`, unless given, asks the API's directory.
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
        self._told: dict[str, tuple[int, str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of this event loop that nobody else uses."""
        await self._api.aclose()

    async def create_task(self, kind: str, params: Document | None = None, **more: Any) -> str:
        """Submit a task of any kind; `more`: priority, title, run_after, deadline (RFC 3339), key. Returns its id.

        Raises ValidationError, TaskCreationError.
        """
        if self.task_timeout != TASK_SECONDS:
            deadline = datetime.now(UTC) + timedelta(seconds=self.task_timeout)
            more = {"deadline": deadline.isoformat(timespec="seconds"), **more}
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

        For each in order {index, status, task_id} or {index, status, problem}: one that is refused stops no other.
        """
        return await self._tasks.submit_all(items)

    async def get_task_status(self, task_id: str) -> Document:
        """Raises TaskNotFoundError, TaskExecutionError."""
        return await self._seen(await self._tasks.read(task_id))

    async def wait_for_completion(self, task_id: str, timeout: float = 3600, poll_interval: float = 2) -> Document:
        """The task once it has ended, however it did. Both times are in seconds.

        Raises TaskTimeoutError, TaskNotFoundError, TaskExecutionError.
        """
        try:
            async with asyncio.timeout(timeout):
                if self.progress_callback is None:
                    return dictionary(await self._tasks.wait(task_id, interval=poll_interval))
                async with aclosing(self._tasks.follow(task_id, interval=poll_interval)) as seen:
                    async for task in seen:
                        known = await self._seen(task)
        except TimeoutError as error:
            raise TaskTimeoutError(f"{task_id} had not ended after {timeout:g} s; it goes on") from error
        return known

    async def cancel_task(self, task_id: str) -> bool:
        """False when it had ended before. Raises TaskNotFoundError, TaskCancellationError."""
        try:
            await self._tasks.act(task_id, "cancel", TaskCancellationError)
        except TaskCancellationError as error:
            if error.status == 409:
                return False
            raise
        return True

    async def pause_task(self, task_id: str) -> Document:
        """Raises TaskNotFoundError; TaskExecutionError, also when its status does not allow it."""
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
        """{items, page, page_size, total, pages}; `filters`: kind, priority, title, created_after, created_before.

        Raises ValidationError.
        """
        asked: Query = {"status": status, "page": page, "page_size": page_size, **filters}
        listed = await self._tasks.page({**asked, "sort_by": sort_by, "sort_order": sort_order})
        return {**listed, "items": [dictionary(task) for task in listed["items"]]}

    async def get_active_tasks(self) -> list[Document]:
        """Those that wait, run or are paused, newest first; at most 1,000."""
        return [dictionary(task) for task in await self._tasks.active()]

    async def cleanup_old_tasks(self, older_than_days: int = 7, status_filter: Iterable[str] | None = None) -> int:
        """Delete tasks that ended so long ago; returns how many. Raises ValidationError."""
        query = {"older_than_days": older_than_days, "status": list(status_filter or ())}
        return sum([deleted async for deleted in self._tasks.purge(query)])

    async def get_queue_status(self) -> Document:
        """{queue_size, max_size, active_tasks, max_concurrent} of all lanes, and `lanes`: each of them."""
        lanes = await self._tasks.lanes()
        names = {
            "queue_size": "waiting",
            "max_size": "max_queued",
            "active_tasks": "running",
            "max_concurrent": "max_concurrent",
        }
        return {**{ours: sum(lane[theirs] for lane in lanes) for ours, theirs in names.items()}, "lanes": lanes}

    async def _seen(self, task: Document) -> Document:
        """As a dictionary; whoever listens is told when it has moved."""
        known = dictionary(task)
        if self.progress_callback is not None:
            task_id, moved = known["task_id"], (known["progress"], known["current_step"] or "")
            if self._told.get(task_id) != moved:
                self._told[task_id] = moved
                await self.progress_callback.notify_progress(task_id, *moved)
            if known["status"] in ENDED:
                self._told.pop(task_id, None)
        return known
