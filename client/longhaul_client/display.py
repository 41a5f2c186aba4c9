"""How far tasks are, shown while they run: a bar each on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from longhaul_client.errors import Document
from longhaul_client.tasks import ENDED

type Doing = Callable[[Document], str]

COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "magenta", "PAUSED": "yellow", "RUNNING": "cyan"}


class Display(Protocol):
    def show(self, task: Document) -> None:
        """The task, as far as it is now."""


def doing(task: Document) -> str:
    """What is going on with the task, in a few words."""
    if task["status"] == "RUNNING":
        seconds = task.get("eta_seconds")
        left = f"  {seconds:.0f} s left" if seconds is not None else ""
        return f"{task['current_step'] or 'RUNNING'}{left}"
    if task["status"] == "PENDING" and (place := task.get("queue_position")) is not None:
        return f"PENDING, number {place} in its queue"
    error = task["error"]
    return f"{task['status']}: {error['message']}" if error else str(task["status"])


class _Lines:
    """For files and pipes: one line whenever something has changed."""

    def __init__(self, console: Console, doing: Doing) -> None:
        self._console = console
        self._doing = doing
        self._last: dict[str, str] = {}

    def show(self, task: Document) -> None:
        line = f"{task['progress']:3} %  {task['title']}  {self._doing(task)}"
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
                "", total=100, title=task["title"], said=Text("")
            )
        said = Text(self._doing(task), style=COLOURS.get(task["status"], ""), overflow="ellipsis", no_wrap=True)
        self._progress.update(bar, completed=task["progress"], said=said)
        if task["status"] in ENDED:
            self._progress.stop_task(bar)


class _Said(ProgressColumn):
    """As it is, whatever a step is called: it may look like markup."""

    def render(self, task: Task) -> Text:
        said: Text = task.fields["said"]
        return said


@contextmanager
def display(console: Console, doing: Doing = doing) -> Iterator[Display]:
    if not console.is_terminal:
        yield _Lines(console, doing)
        return
    title = TextColumn("{task.fields[title]}", markup=False)
    columns = (title, BarColumn(30), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), _Said())
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress, doing)
