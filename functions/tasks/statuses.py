"""How a task stands, as an answer: conditional, and held back for those who would rather wait than ask again."""

from datetime import UTC, datetime

from longhaul.http import (
    Api,
    Response,
    asks_for_fresh,
    caller,
    conditional,
    dumps,
    etag_of,
    held,
    known_tag,
    respond,
)
from longhaul.http.prefer import headers_of
from longhaul.tasks import reading
from longhaul.tasks.model import TERMINAL, Status
from longhaul.tasks.reading import TaskView
from longhaul.tasks.submission import Placed
from tasks.documents import TaskDocument, document, location, view_document

POLL_SECONDS = "2"


def status_answer(app: Api, task_id: str, wait: int | None) -> Response[TaskDocument]:
    """The task at once; with `wait`, when it has ended, or, for who has a version of it already, when that changes."""
    look = _Look(task_id, caller(app).tenant_id, fresh=asks_for_fresh(app))
    knows = "if-none-match" in app.current_event.headers

    def done(seen: TaskDocument) -> bool:
        return seen.status in TERMINAL or (knows and not known_tag(app, etag_of(dumps(seen))))

    seen = held(app, wait, look, done)
    text = dumps(seen)
    # What waits has a place in its queue, which changes without the task: no date tells one answer from the next.
    changed = datetime.now(UTC) if seen.status == Status.PENDING else seen.updated_at
    return conditional(app, lambda: text, etag=etag_of(text), last_modified=changed, headers=headers_of(wait))


class _Look:
    """Looks how a task stands. Its place in the queue is asked for only when something of the task has changed: a wait
    does not end because others move up, and costs the database nothing.
    """

    def __init__(self, task_id: str, tenant_id: str, *, fresh: bool = False) -> None:
        self._task_id, self._tenant_id, self._fresh = task_id, tenant_id, fresh
        self._seen: tuple[TaskView, TaskDocument] | None = None

    def __call__(self) -> TaskDocument:
        view = reading.read_task(self._task_id, self._tenant_id, fresh=self._fresh)
        if self._seen is None or self._seen[0] != view:
            self._seen = view, view_document(reading.with_position(view))
        return self._seen[1]


def submitted_answer(app: Api, placed: Placed, wait: int | None) -> Response[TaskDocument]:
    """202 with the task and where to look for it; 200 when it was open already, or has ended within `wait`."""
    task = placed.task
    headers = {"Location": location(task.task_id), **headers_of(wait)}
    seen = document(task)
    if wait:
        look = _Look(task.task_id, task.tenant_id)
        seen = held(app, wait, look, lambda now: now.status in TERMINAL)
    if seen.status in TERMINAL and wait is not None:
        return respond(seen, 200, headers)
    return respond(seen, 200 if placed.joined else 202, {**headers, "Retry-After": POLL_SECONDS})
