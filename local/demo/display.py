"""How far a task is, shown while it runs: a bar on a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Display(Protocol):
    def show(self, progress: float, doing: str) -> None:
        """`progress` in percent."""


class _Lines:
    """For files and pipes: one line whenever something has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[float, str] | None = None

    def show(self, progress: float, doing: str) -> None:
        if self._last != (progress, doing):
            self._console.print(f"{progress:5.1f} %  {doing}")
            self._last = (progress, doing)


class _Bar:
    """For a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=100)

    def show(self, progress: float, doing: str) -> None:
        self._progress.update(self._task, completed=progress, description=doing)


@contextmanager
def display(console: Console) -> Iterator[Display]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (BarColumn(40), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        yield _Bar(progress)
