"""How a task stands, as an answer: conditional, and held back for those who would rather wait than ask again."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from longhaul.http import (
    Api,
    Response,
    asks_for_fresh,
    caller,
    check_match,
    conditional,
    dumps,
    etag_of,
    held,
    keyed_request,
    known_tag,
    replay_headers,
    respond,
)
from longhaul.http.errors import PreconditionFailed
from longhaul.http.prefer import headers_of
from longhaul.idempotency import KeyedRequest, was_carried_out
from longhaul.tasks import following
from longhaul.tasks.following import TaskView
from longhaul.tasks.model import TERMINAL, Status, Task
from longhaul.tasks.submission import Submitted
from tasks.wire import TaskDocument, document, location, view_document

POLL_SECONDS = "2"


def status_answer(app: Api, task_id: str, wait: int | None) -> Response[TaskDocument]:
    """The task at once; with `wait`, when it has ended, or, for who has a version of it already, when that changes.

    Where no more requests may wait, the task at once.
    """
    look = _Look(task_id, caller(app).tenant_id, fresh=asks_for_fresh(app))
    knows = "if-none-match" in app.current_event.headers

    def done(seen: TaskDocument) -> bool:
        return seen.status in TERMINAL or (knows and not known_tag(app, etag_of(dumps(seen))))

    seen, applied = held(app, wait, look, done)
    text = dumps(seen)
    # What waits has a place in its queue, which changes without the task: no date tells one answer from the next.
    changed = datetime.now(UTC) if seen.status == Status.PENDING else seen.updated_at
    return conditional(app, lambda: text, etag=etag_of(text), last_modified=changed, headers=headers_of(applied))


class _Look:
    """Looks how a task stands. Its place in the queue is asked for only when something of the task has changed: a wait
    does not end because others move up, and costs the database nothing.
    """

    def __init__(self, task_id: str, tenant_id: str, *, fresh: bool = False) -> None:
        self._task_id, self._tenant_id, self._fresh = task_id, tenant_id, fresh
        self._seen: tuple[TaskView, TaskDocument] | None = None

    def __call__(self) -> TaskDocument:
        view = following.read_task(self._task_id, self._tenant_id, fresh=self._fresh)
        if self._seen is None or self._seen[0] != view:
            self._seen = view, view_document(following.with_position(view))
        return self._seen[1]


def submitted_answer(app: Api, submitted: Submitted, wait: int | None) -> Response[TaskDocument]:
    """202 with the task and where to look for it; 200 when it was open already, or has ended within `wait`."""
    task = submitted.task
    seen, applied = document(task), wait
    if wait:
        look = _Look(task.task_id, task.tenant_id)
        seen, applied = held(app, wait, look, lambda now: now.status in TERMINAL)
    headers = {"Location": location(task.task_id), **headers_of(applied), **replay_headers(submitted.replayed)}
    if seen.status in TERMINAL and wait is not None:
        return respond(seen, 200, headers)
    return respond(seen, 200 if submitted.deduplicated else 202, {**headers, "Retry-After": POLL_SECONDS})


class Steer(Protocol):
    """One of the task core's control functions."""

    def __call__(self, task_id: str, tenant_id: str, *, request: KeyedRequest) -> Task: ...


def steered_answer(app: Api, steer: Steer, task_id: str, idempotency_key: str | None) -> Response[TaskDocument]:
    """The task as it is after this; a request that is sent again changes nothing."""
    request = keyed_request(app, idempotency_key)
    task = steer(task_id, request.tenant_id, request=request)
    return respond(document(task), headers=replay_headers(request.replayed))


def unchanged(task_id: str, tenant_id: str, if_match: str | None, request: KeyedRequest) -> Callable[[Task], None]:
    """What is to be held against the task once it is locked, so that nothing comes between the look and the change.

    A request that was carried out before has changed the version itself, so it is not held against it. Raises
    PreconditionFailed, as what it gives does, when the caller has another version; NotFound, KeyReused.
    """
    if if_match is None:
        return lambda _: None
    seen = following.with_position(following.read_task(task_id, tenant_id, fresh=True))
    if not was_carried_out(request):
        check_match(if_match, etag_of(dumps(view_document(seen))))

    def check(task: Task) -> None:
        if seen.task is None or _version(task) != _version(seen.task):
            raise PreconditionFailed

    return check


def _version(task: Task) -> tuple[object, ...]:
    """What a caller who changes it goes by; its progress goes on meanwhile."""
    return task.status, task.attempt, task.priority, task.title, task.run_after
