"""Progress of running tasks: a bar each on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from longhaul_client.documents import Document, printable
from longhaul_client.resources import ENDED

type Doing = Callable[[Document], str]

COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "magenta", "PAUSED": "yellow", "RUNNING": "cyan"}


class Display(Protocol):
    def show(self, task: Document) -> None:
        """Show the task's present state."""


def doing(task: Document) -> str:
    """Describe the task's state in a few words."""
    if task["status"] == "RUNNING":
        seconds = task.get("eta_seconds")
        left = f"  {seconds:.0f} s left" if seconds is not None else ""
        return f"{task.get('current_step') or 'RUNNING'}{left}"
    if task["status"] == "PENDING" and (place := task.get("queue_position")) is not None:
        return f"PENDING, number {place} in its queue"
    error = task.get("error")
    return f"{task['status']}: {error['message']}" if error else str(task["status"])


class _Lines:
    """For files and pipes: a line whenever a task has changed."""

    def __init__(self, console: Console, doing: Doing) -> None:
        self._console = console
        self._doing = doing
        self._last: dict[str, str] = {}

    def show(self, task: Document) -> None:
        line = printable(f"{task['progress']:3} %  {task['title']}  {self._doing(task)}")
        if self._last.get(task["task_id"]) != line:
            self._last[task["task_id"]] = line
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Bars:
    """For a terminal."""

    def __init__(self, progress: Progress, doing: Doing) -> None:
        self._progress = progress
        self._doing = doing
        self._bars: dict[str, TaskID] = {}

    def show(self, task: Document) -> None:
        bar = self._bars.get(task["task_id"])
        if bar is None:
            bar = self._bars[task["task_id"]] = self._progress.add_task(
                "", total=100, title=printable(task["title"]), state=Text("")
            )
        state = Text(
            printable(self._doing(task)), style=COLOURS.get(task["status"], ""), overflow="ellipsis", no_wrap=True
        )
        self._progress.update(bar, completed=task["progress"], state=state)
        if task["status"] in ENDED:
            self._progress.stop_task(bar)


class _State(ProgressColumn):
    """Plain text: the name of a step may look like markup."""

    def render(self, task: Task) -> Text:
        state: Text = task.fields["state"]
        return state


@contextmanager
def display(console: Console, doing: Doing = doing) -> Iterator[Display]:
    """Show tasks until the block ends. `doing` describes one."""
    if not console.is_terminal:
        yield _Lines(console, doing)
        return
    title = TextColumn("{task.fields[title]}", markup=False)
    columns = (title, BarColumn(30), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), _State())
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress, doing)
