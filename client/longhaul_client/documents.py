"""The API's JSON documents, made ready for programs (flat dictionaries, local times) and for terminals (safe text)."""

import json
import re
from datetime import datetime
from typing import Any

type Document = dict[str, Any]  # a JSON object as the API sends it

TIMES = ("created_at", "updated_at", "started_at", "finished_at", "run_after", "deadline")

# What a refresh counts. A waiting task has no statistics yet; programs find zeros.
_REFRESH = dict.fromkeys(("provinces_processed", "cities_processed", "districts_processed", "hospitals_found"), 0)
_MORE = ("kind", "priority", "attempt", "queue_position", "eta_seconds", "allowed_actions")

# DEL and C1, line and paragraph separators, marks that change the direction of text, halves of surrogate pairs.
_UNSAFE = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[\x00-\x1f{_UNSAFE}]")
_LEFT_BY_JSON = re.compile(f"[{_UNSAFE}]")  # json.dumps has escaped the rest


def dictionary(task: Document) -> Document:
    """Return a task as a flat dictionary: the fields that programs know, then the others."""
    error = task.get("error")
    return {
        "task_id": task["task_id"],
        "hospital_name": task["title"],
        "query": None,
        "status": task["status"],
        "progress": task["progress"],
        "current_step": task.get("current_step"),
        **_times(task),
        "result": task.get("result"),
        "error_message": error["message"] if error else None,
        "statistics": _statistics(task),
        **{name: task.get(name) for name in _MORE},
    }


def local_time(text: str) -> datetime:
    """Return the API's time as this machine's local time, with its zone: in autumn one hour occurs twice."""
    return datetime.fromisoformat(text).astimezone()


def printable(text: str) -> str:
    """Return the text on one line. A character that would control the terminal is shown as its escape: `\\x1b`."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_text(document: Any, *, indent: int | None, ascii_only: bool) -> str:
    """Return the document as JSON that is safe to print on a terminal."""
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _times(task: Document) -> Document:
    """`created_at`: 2026-11-21T14:30:52, local and without a zone, so that it compares with datetime.now().
    `created_at_utc`: the API's own text, with its zone."""
    known = {name: task.get(name) for name in TIMES}
    plain = {name: text and local_time(text).replace(tzinfo=None) for name, text in known.items()}
    return {name: moment and moment.isoformat(timespec="seconds") for name, moment in plain.items()} | {
        f"{name}_utc": text for name, text in known.items()
    }


def _statistics(task: Document) -> Document:
    counted = _REFRESH if task["kind"].startswith("hospital_") else {}
    return {**counted, **(task.get("statistics") or {})}
