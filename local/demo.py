"""The demo: a refresh of the hospital directory from submission to the first page, over the public API only."""

import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local.options import StackError
from local.running import RunningStack, local_stack

LOOK_EVERY = 0.5
LONGEST = 2 * 3600.0
PAGE_SIZE = 10

type Document = dict[str, Any]  # a JSON object as the API answered it


class Display(Protocol):
    """Shows how far a task is; `progress` in percent."""

    def show(self, progress: float, step: str) -> None: ...


def run(state: Path, port: int, province: str | None) -> int:
    """Start a stack, refresh one province (None: all) and show what came of it. Returns 0.

    Raises StackError with the reason when anything goes wrong.
    """
    console = Console()
    console.print(f"Starting the stack (state in {state}) ...")
    started = time.monotonic()
    with local_stack(state, port=port) as stack:
        console.print(f"Ready after {time.monotonic() - started:.1f} s: {stack.url}/docs")
        task = _follow(stack, console, _submit(stack, province))
        console.print(f"\n{task['title']}  {task['task_id']}")
        console.print(_summary(task))
        console.print(_hospitals(stack, province))
    return 0


def _submit(stack: RunningStack, province: str | None) -> str:
    """Submit the task; return where it can be watched."""
    if province is None:
        body: Document = {"kind": "hospital_full_refresh", "params": {}}
    else:
        body = {"kind": "hospital_province_refresh", "params": {"province": province}}
    return str(_ask(stack, "POST", "/api/v1/tasks", body)["links"]["self"])


def _follow(stack: RunningStack, console: Console, path: str) -> Document:
    """Poll the task and show it until it has ended; raises StackError unless it SUCCEEDED."""
    deadline = time.monotonic() + LONGEST
    with _display(console) as display:
        while time.monotonic() < deadline:
            task = _ask(stack, "GET", path)
            display.show(task["progress"], task["current_step"] or task["status"])
            if task["status"] == "SUCCEEDED":
                return task
            if task["finished_at"] is not None:
                error = task["error"] or {"code": "no reason", "message": "none was given"}
                raise StackError(f"the task is {task['status']}: {error['code']}: {error['message']}")
            time.sleep(LOOK_EVERY)
    raise StackError(f"the task did not end in {LONGEST / 3600:.0f} hours")


def _ask(stack: RunningStack, method: str, path: str, body: Document | None = None) -> Document:
    answer = stack.request(method, path, json=body)
    document: Document = answer.json()
    if answer.status >= 400:
        errors = "; ".join(f"{error['pointer']}: {error['detail']}" for error in document.get("errors", ()))
        raise StackError(f"{method} {path}: {answer.status} {document.get('detail')} {errors}".strip())
    return document


class _Lines:
    """For files and pipes: one line whenever something has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[float, str] | None = None

    def show(self, progress: float, step: str) -> None:
        if self._last != (progress, step):
            self._console.print(f"{progress:5.1f} %  {step}")
            self._last = (progress, step)


class _Bar:
    """For a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=100)

    def show(self, progress: float, step: str) -> None:
        self._progress.update(self._task, completed=progress, description=step)


@contextmanager
def _display(console: Console) -> Iterator[Display]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (BarColumn(40), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        yield _Bar(progress)


def _summary(task: Document) -> Table:
    result = task["result"] or {}
    table = Table(show_header=False)
    for name in ("cities", "districts", "hospitals", "added", "changed", "unchanged", "gone"):
        table.add_row(name, str(result.get(name, "")))
    table.add_row("seconds", f"{_seconds(task):.1f}")
    failed = result.get("failed", [])
    table.add_row("steps failed", f"{len(failed)} {' '.join(step['name'] for step in failed[:5])}".strip())
    return table


def _seconds(task: Document) -> float:
    """Return how long the task ran, by the database's clock."""
    begin, end = (datetime.fromisoformat(task[name]) for name in ("started_at", "finished_at"))
    return (end - begin).total_seconds()


def _hospitals(stack: RunningStack, province: str | None) -> Table:
    """Return the first page of the directory as the API serves it."""
    query = {"page_size": str(PAGE_SIZE), **({"province": province} if province else {})}
    page = _ask(stack, "GET", f"/api/v1/hospitals?{urllib.parse.urlencode(query)}")
    title = f"The first {len(page['items'])} of {page['total']} hospitals (made up) from GET /api/v1/hospitals"
    table = Table("district", "hospital", "level", "address", title=title, title_justify="left")
    for hospital in page["items"]:
        table.add_row(*(hospital[name] for name in ("district_name", "name", "level", "address")))
    return table
