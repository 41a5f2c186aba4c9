"""Running a demo: what all workloads have in common. It uses the public API and the stand-ins' control only."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from local.options import StackError
from local.running import RunningStack, local_stack, send
from longhaul_client import TaskError
from longhaul_client.api import Api
from longhaul_client.connections import Settings
from longhaul_client.display import display
from longhaul_client.documents import Document
from longhaul_client.following import watch

FETCH_SECONDS = 30.0


class Workload(Protocol):
    """What a demo needs to know about its workload."""

    @property
    def minute(self) -> float:
        """Seconds that a minute of the stack's schedules lasts."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Parameters of the template whose defaults would take too long."""

    async def submit(self, api: Api, stack: RunningStack) -> str:
        """Submit the task; return its id."""

    def doing(self, task: Document) -> str:
        """Describe the task's state in a few words."""

    def summary(self, task: Document) -> Mapping[str, object]:
        """Return the figures of a task that has SUCCEEDED, by name."""

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the result as the API serves it."""


def run(state: Path, port: int, workload: Workload, chosen: Mapping[str, str]) -> int:
    """Start a stack with these parameters, run the workload on it and show the result. Returns 0.

    Raises StackError with the reason when anything goes wrong.
    """
    console = Console()
    console.print(f"Starting the stack (state in {state}) ...")
    started = time.monotonic()
    with local_stack(state, port=port, minute=workload.minute, parameters={**workload.parameters, **chosen}) as stack:
        console.print(f"Ready after {time.monotonic() - started:.1f} s: {stack.url}/docs")
        try:
            asyncio.run(_show(console, stack, workload))
        except TaskError as error:
            raise StackError(str(error)) from error
    return 0


async def _show(console: Console, stack: RunningStack, workload: Workload) -> None:
    api = Api(Settings(stack.url, stack.token()))
    task_id = await workload.submit(api, stack)
    task = await _followed(console, api, workload, task_id)
    console.print(f"\n{task['title']}  {task['task_id']}")
    console.print(_table(workload, task))
    await workload.show(console, api, stack, task)


async def _followed(console: Console, api: Api, workload: Workload, task_id: str) -> Document:
    """Return the task once it has ended. Raises StackError unless it SUCCEEDED."""
    with display(console, workload.doing) as shown:
        (task,) = await watch(api, [task_id], shown.show)
    if isinstance(task, TaskError):
        raise task
    if task["status"] != "SUCCEEDED":
        error = task["error"] or {"code": "no reason", "message": "none was given"}
        raise StackError(f"the task is {task['status']}: {error['code']}: {error['message']}")
    return task


def _table(workload: Workload, task: Document) -> Table:
    table = Table(show_header=False)
    for name, figure in workload.summary(task).items():
        table.add_row(name, str(figure))
    return table


def seconds(task: Document) -> str:
    """Return how long the task ran, by the database's clock."""
    begin, end = (datetime.fromisoformat(task[name]) for name in ("started_at", "finished_at"))
    return f"{(end - begin).total_seconds():.1f}"


def fetch(url: str, method: str = "GET", body: dict[str, Any] | None = None) -> bytes:
    """Request a URL outside the API: a link, or the stand-ins' control. Raises StackError unless the status is 200."""
    try:
        answer = send(url, method, body, {}, FETCH_SECONDS)
    except OSError as error:
        raise StackError(f"{method} {url}: {error}") from error
    if answer.status != 200:
        raise StackError(f"{method} {url}: {answer.status}")
    return answer.body
