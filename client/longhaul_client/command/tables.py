"""Documents as tables for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from longhaul_client.dictionaries import local_time
from longhaul_client.display import COLOURS
from longhaul_client.errors import Document

TASK = ("task_id", "title", "status", "priority", "progress", "created_at")
STEP = ("key", "level", "label", "status", "attempt", "units", "finished_at", "error")
EVENT = ("at", "event", "status", "attempt", "detail")
LANE = ("kind", "waiting", "running", "max_concurrent", "max_queued", "paused", "oldest_waiting_seconds", "yours")
HOSPITAL = ("district_name", "name", "level", "type", "address")

LIST_SHOWN = 5  # of what failed, for one

_LEFT_OUT = ("links", "allowed_actions")


def rows(console: Console, documents: Iterable[Document], names: tuple[str, ...], *, header: bool = True) -> None:
    """One row a document."""
    table = Table(box=None, show_header=header, pad_edge=False)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for document in documents:
        table.add_row(*(_cell(name, document.get(name)) for name in names))
    console.print(table)


def details(console: Console, document: Document) -> None:
    """What is known of one task, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in document.items():
        if name not in _LEFT_OUT and value is not None and value != {}:
            table.add_row(name.replace("_", " "), _cell(name, value))
    table.add_row("allowed actions", Text(", ".join(document["allowed_actions"]) or "none"))
    console.print(table)


def _cell(name: str, value: Any) -> Text:
    if value is None:
        return Text("")
    if name == "status":
        return Text(value, style=COLOURS.get(value, ""))
    if name == "at" or name.endswith("_at") or name in ("run_after", "deadline"):
        return Text(local_time(value).replace("T", " "))
    if name == "progress":
        return Text(f"{value} %")
    return Text(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items() if inner not in (None, []))
    if isinstance(value, list):
        left = [f"and {len(value) - LIST_SHOWN} more"] if len(value) > LIST_SHOWN else []
        return "\n".join([*map(_plain, value[:LIST_SHOWN]), *left])
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
