"""Running a demo: what is the same whatever the workload."""

import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.demo.api import Document, ask
from local.demo.display import display
from local.demo.workload import Workload
from local.options import StackError
from local.running import RunningStack, local_stack

LOOK_EVERY = 0.5
LONGEST = 2 * 3600.0


def run(state: Path, port: int, workload: Workload) -> int:
    """Start a stack, run the workload on it and show what came of it. Returns 0.

    Raises StackError with the reason when anything goes wrong.
    """
    console = Console()
    console.print(f"Starting the stack (state in {state}) ...")
    started = time.monotonic()
    with local_stack(state, port=port, minute=workload.minute, parameters=workload.parameters) as stack:
        console.print(f"Ready after {time.monotonic() - started:.1f} s: {stack.url}/docs")
        task = _follow(stack, console, workload, workload.submit(stack))
        console.print(f"\n{task['title']}  {task['task_id']}")
        console.print(_table(workload, task))
        workload.show(console, stack, task)
    return 0


def _follow(stack: RunningStack, console: Console, workload: Workload, task: Document) -> Document:
    """Poll the task and show it until it has ended; raises StackError unless it SUCCEEDED."""
    deadline = time.monotonic() + LONGEST
    path = task["links"]["self"]
    with display(console) as shown:
        while time.monotonic() < deadline:
            task = ask(stack, "GET", path)
            shown.show(task["progress"], workload.doing(task))
            if task["status"] == "SUCCEEDED":
                return task
            if task["finished_at"] is not None:
                error = task["error"] or {"code": "no reason", "message": "none was given"}
                raise StackError(f"the task is {task['status']}: {error['code']}: {error['message']}")
            time.sleep(LOOK_EVERY)
    raise StackError(f"the task did not end in {LONGEST / 3600:.0f} hours")


def _table(workload: Workload, task: Document) -> Table:
    table = Table(show_header=False)
    for name, figure in workload.summary(task).items():
        table.add_row(name, str(figure))
    return table
