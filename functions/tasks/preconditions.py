"""If-Match: a change of a task only for who has seen it as it is."""

from collections.abc import Callable

from longhaul.http import check_match, dumps, etag_of
from longhaul.http.errors import PreconditionFailed
from longhaul.tasks import reading
from longhaul.tasks.finding.model import FoundTask
from longhaul.tasks.model import Task
from tasks.documents import view_document


def unchanged(task_id: str, tenant_id: str, if_match: str | None) -> Callable[[Task], None]:
    """What is to be held against the task once it is locked, so that nothing comes between the look and the change.

    Raises PreconditionFailed, as what it gives does, when the caller has another version; NotFound.
    """
    if if_match is None:
        return lambda _: None
    seen = reading.with_position(reading.read_task(task_id, tenant_id, fresh=True))
    check_match(if_match, etag_of(dumps(view_document(seen))))

    def check(task: Task) -> None:
        if seen.task is None or _version(task) != _version(seen.task):
            raise PreconditionFailed

    return check


def _version(task: Task | FoundTask) -> tuple[object, ...]:
    """What a caller who changes it goes by; its progress goes on meanwhile."""
    return task.status, task.attempt, task.priority, task.title
