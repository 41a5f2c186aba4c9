"""Tasks as dictionaries for programs: flat, with plain local times."""

from datetime import datetime

from longhaul_client.errors import Document

# What a refresh has counted; nothing yet while it waits.
_REFRESH = dict.fromkeys(("provinces_processed", "cities_processed", "districts_processed", "hospitals_found"), 0)
_MORE = (
    "kind",
    "priority",
    "attempt",
    "run_after",
    "deadline",
    "queue_position",
    "eta_seconds",
    "allowed_actions",
)


def dictionary(task: Document) -> Document:
    """The fields that programs know, then the others, as the API sends them (times with their zone)."""
    error = task.get("error")
    return {
        "task_id": task["task_id"],
        "hospital_name": task["title"],
        "query": None,
        "status": task["status"],
        "progress": task["progress"],
        "current_step": task.get("current_step"),
        "created_at": local_time(task["created_at"]),
        "updated_at": local_time(task["updated_at"]),
        "result": task.get("result"),
        "error_message": error["message"] if error else None,
        "statistics": _statistics(task),
        **{name: task.get(name) for name in _MORE},
    }


def local_time(text: str) -> str:
    """`2026-11-21T14:30:52`: this machine's local time, without a zone, so that it compares with datetime.now()."""
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None).isoformat(timespec="seconds")


def _statistics(task: Document) -> Document:
    counted = _REFRESH if task["kind"].startswith("hospital_") else {}
    return {**counted, **task["statistics"]}
