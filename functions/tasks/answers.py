"""Lists as answers: cached until something of theirs changes, conditional, and linked to the next page.

A list is cached by what it was asked, under the generation of its scope: all of a tenant's lists are forgotten at once
when one of its tasks changes. Steps change without their task, so they are read each time.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import BaseModel

from longhaul import cache
from longhaul.cache import Namespace, Tier
from longhaul.http import Api, Page, PageParams, Response, asks_for_fresh, conditional, dumps, etag_of, page_of, rfc3339
from longhaul.http.pages import MAX_OFFSET
from longhaul.tasks.finding import lists
from longhaul.tasks.finding.model import FoundTask, Question
from longhaul.tasks.finding.positions import cursor_after, cursor_at, key_of, place_of
from longhaul.tasks.model import StepStatus
from longhaul.tasks.scopes import scope_of_task, scope_of_tenant
from tasks.documents import TaskDocument, document
from tasks.views import ActiveTasks, CursorPage, EventDocument, StepDocument, event_document, step_document

_LISTS = Namespace(
    "task_lists", 1, Tier.short
)  # short: should a writer die between its commit and its word to the cache

type Content = dict[str, Any]  # {items, ..., read_at}: a list as it is cached; its items are as on the wire


def page_answer[V: BaseModel](
    app: Api, question: Question, params: PageParams, show: Callable[[FoundTask], V]
) -> Response[Page[V]]:
    """The page with that number."""

    def load() -> Content:
        tasks, total = lists.find_page(question, limit=params.limit, offset=params.offset)
        return {"items": _written(map(show, tasks)), "total": total}

    key = ["page", show.__name__, question, params.page, params.page_size]
    content = _read(app, scope_of_tenant(question.tenant_id), key, load)
    page = page_of(_timely(content["items"]), content["total"], params)
    more = params.page < page.pages and params.offset + params.limit <= MAX_OFFSET
    return _answer(app, page, content["read_at"], {"page": params.page + 1} if more else None)


def cursor_answer(app: Api, question: Question, cursor: str | None, limit: int) -> Response[CursorPage[TaskDocument]]:
    """The page after the cursor."""
    after = place_of(question, cursor)

    def load() -> Content:
        tasks, following = lists.find_after(question, after, limit)
        return {"items": _written(map(document, tasks)), "next_cursor": cursor_at(question, following)}

    content = _read(app, scope_of_tenant(question.tenant_id), ["cursor", question, cursor, limit], load)
    return _cursor_page(app, content)


def active_answer(app: Api, tenant_id: str) -> Response[ActiveTasks]:
    """What has not ended."""

    def load() -> Content:
        return {"items": _written(map(document, lists.find_active(tenant_id)))}

    content = _read(app, scope_of_tenant(tenant_id), ["active", tenant_id], load)
    return _answer(app, {"items": _timely(content["items"])}, content["read_at"])


def events_answer(
    app: Api, task_id: str, tenant_id: str, cursor: str | None, limit: int
) -> Response[CursorPage[EventDocument]]:
    """What happened to a task."""
    of = ["events", tenant_id, task_id]
    after = key_of(of, cursor, 0)

    def load() -> Content:
        events, following = lists.find_events(task_id, tenant_id, after=after, limit=limit)
        return {"items": _written(map(event_document, events)), "next_cursor": cursor_after(of, following)}

    return _cursor_page(app, _read(app, scope_of_task(task_id), [*of, cursor, limit], load))


def steps_answer(
    app: Api,
    task_id: str,
    tenant_id: str,
    level: str | None,
    status: StepStatus | None,
    cursor: str | None,
    limit: int,
) -> Response[CursorPage[StepDocument]]:
    """The steps of a task."""
    of = ["steps", tenant_id, task_id, level, status]
    read_at, after = time.time(), key_of(of, cursor, "")
    steps, following = lists.find_steps(task_id, tenant_id, level=level, status=status, after=after, limit=limit)
    next_cursor = cursor_after(of, following)
    items = _written(map(step_document, steps))
    return _cursor_page(app, {"items": items, "next_cursor": next_cursor, "read_at": read_at})


def _read(app: Api, scope: str, key: object, load: Callable[[], Content]) -> Content:
    def loaded() -> Content:
        read_at = time.time()
        return {**load(), "read_at": read_at}

    name = hashlib.sha256(repr(key).encode()).hexdigest()
    return cache.read(_LISTS, name, scope, loaded, fresh=asks_for_fresh(app)).value


def _written(items: Any) -> list[dict[str, Any]]:
    return [item.model_dump(mode="json") for item in items]


def _timely(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A start that was delayed is told only while it lies ahead."""
    now = rfc3339(datetime.now(UTC))
    return [item | {"run_after": None} if (item.get("run_after") or now) < now else item for item in items]


def _cursor_page(app: Api, content: Content) -> Response[Any]:
    items, next_cursor = _timely(content["items"]), content["next_cursor"]
    following = {"cursor": next_cursor} if next_cursor else None
    return _answer(app, {"items": items, "next_cursor": next_cursor}, content["read_at"], following)


def _answer(app: Api, body: object, read_at: float, following: Mapping[str, object] | None = None) -> Response[Any]:
    """The list, as new as when it was read: what leaves a list leaves no date behind, so it has none of its items'."""
    text = dumps(body)
    return conditional(
        app,
        lambda: text,
        etag=etag_of(text),
        last_modified=datetime.fromtimestamp(read_at, UTC),
        headers={"Link": _link(app, following)} if following else None,
    )


def _link(app: Api, changed: Mapping[str, object]) -> str:
    """The address of the next page: this one's, but for what is changed."""
    event = app.current_event
    query = [pair for pair in parse_qsl(event.get("rawQueryString", "")) if pair[0] not in changed]
    path = quote(event["rawPath"], safe="/%:@!$&'()*+,;=~")
    return f'<{path}?{urlencode([*query, *changed.items()])}>; rel="next"'
