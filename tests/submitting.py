"""Submitting a task in a test that does not care whether it was there already."""

from typing import Any

from longhaul.tasks import submission
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission


def asking(**changes: Any) -> Submission:
    """What a caller asks for, but for these changes."""
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "user_id": "ada",
        "kind": "hospital_province_refresh",
        "params": {"province": "广东省"},
    }
    return Submission(**values | changes)


def submit(wanted: Submission, **options: Any) -> Task:
    return submission.submit(wanted, **options).task
