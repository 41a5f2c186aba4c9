"""Running a demo: what is the same whatever the workload."""

import asyncio
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.demo.workload import Workload
from local.options import StackError
from local.running import RunningStack, local_stack
from longhaul_client import TaskError
from longhaul_client.api import Api
from longhaul_client.display import display
from longhaul_client.errors import Document
from longhaul_client.settings import Settings
from longhaul_client.tasks import Tasks
from longhaul_client.watching import watch


def run(state: Path, port: int, workload: Workload) -> int:
    """Start a stack, run the workload on it and show what came of it. Returns 0.

    Raises StackError with the reason when anything goes wrong.
    """
    console = Console()
    console.print(f"Starting the stack (state in {state}) ...")
    started = time.monotonic()
    with local_stack(state, port=port, minute=workload.minute, parameters=workload.parameters) as stack:
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
    """The task once it has ended; raises StackError unless it SUCCEEDED."""
    with display(console, workload.doing) as shown:
        (task,) = await watch(Tasks(api), [task_id], shown.show)
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
