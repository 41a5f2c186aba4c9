"""Documents printed as tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from longhaul_client.display import COLOURS
from longhaul_client.documents import TIMES, Document, local_time, printable

TASK = ("task_id", "title", "status", "priority", "progress", "created_at", "error")
STEP = ("key", "level", "label", "status", "attempts", "units", "started_at", "duration_seconds", "error")
RESULT = ("key", "label", "status", "output", "error")
EVENT = ("at", "event", "status", "attempt", "detail")
QUEUE = ("kind", "waiting", "running", "max_concurrent", "max_queued", "paused", "oldest_waiting_seconds", "yours")
WEBHOOK = ("webhook_id", "url", "title", "events", "kinds", "paused", "disabled")
DELIVERY = ("delivery_id", "event", "task_id", "status", "tries", "status_code", "latency_ms", "error", "created_at")
RECIPIENT = ("recipient_id", "address", "language", "kinds", "status", "confirmed_at")
ALERT = ("alert_id", "rule", "severity", "state", "message", "acknowledged_by", "created_at")
HAPPENED = ("created_at", "event", "severity", "message", "user_id", "silenced")
RULE = ("rule", "warning", "critical", "unit", "hold_seconds", "enabled", "origin")
SILENCE = ("silence_id", "rule", "subject", "ends_at", "comment", "created_by")
DEAD_LETTERS = ("queue", "count", "oldest_at")
DEAD_LETTER = ("message_id", "sent_at", "task_id", "reason", "body")
HOSPITAL = ("district_name", "name", "level", "type", "address")

LIST_SHOWN = 5  # items of a list in a cell, such as the steps that failed

_LEFT_OUT = ("links", "allowed_actions")


def rows(console: Console, documents: Iterable[Document], names: tuple[str, ...], *, header: bool = True) -> None:
    """Print a row for each document."""
    console.print(table(documents, names, header=header))


def table(documents: Iterable[Document], names: tuple[str, ...], *, header: bool = True) -> Table:
    """Return a row for each document."""
    made = Table(box=None, show_header=header, pad_edge=False)
    for name in names:
        made.add_column(name.replace("_", " "), overflow="fold")
    for document in documents:
        made.add_row(*(_cell(name, document.get(name)) for name in names))
    return made


def details(console: Console, document: Document) -> None:
    """Print a document, a line for each of its fields, and what may be asked of it if it is a task."""
    made = Table(box=None, show_header=False, pad_edge=False)
    for name, value in document.items():
        if name not in _LEFT_OUT and value is not None and value != {}:
            made.add_row(Text(printable(name.replace("_", " "))), _cell(name, value))
    if (actions := document.get("allowed_actions")) is not None:
        made.add_row("allowed actions", Text(_plain(", ".join(actions or ("none",)))))
    console.print(made)


def _cell(name: str, value: Any) -> Text:
    if value is None:
        return Text("")
    if name == "status":
        return Text(printable(value), style=COLOURS.get(value, ""))
    if name == "at" or name.endswith("_at") or name in TIMES:
        return Text(local_time(value).isoformat(" ", "seconds"))
    if name == "error" and isinstance(value, Mapping):
        return Text(printable(f"{value.get('code')}: {value.get('message')}"))
    if name == "progress":
        return Text(f"{value} %")
    return Text(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{printable(name)} {_plain(inner)}" for name, inner in value.items() if inner not in (None, [])
        )
    if isinstance(value, list):
        rest = [f"and {len(value) - LIST_SHOWN} more"] if len(value) > LIST_SHOWN else []
        return "\n".join([*map(_plain, value[:LIST_SHOWN]), *rest])
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else printable(str(value))
