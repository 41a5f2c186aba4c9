"""Lists as answers: cached until something of theirs changes, conditional, and linked to the next page.

A list is cached by what it was asked, under the generation of its tag: all of a tenant's lists are forgotten at once
when one of its tasks changes. Steps change without their task, so they are read each time.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import BaseModel

from longhaul import cache, database, stored
from longhaul.cache import Namespace, Tier
from longhaul.http import Api, Page, PageParams, Response, asks_for_fresh, conditional, dumps, etag_of, page_of, rfc3339
from longhaul.http.cursors import cursor_after, key_of
from longhaul.tasks import listing
from longhaul.tasks.listing import Place, Question, Sort
from longhaul.tasks.model import Priority, StepStatus, Task, task_tag, tenant_tag
from longhaul.workloads.results import find_results
from tasks.page_wire import (
    ActiveTasks,
    CursorPage,
    EventDocument,
    PageQuery,
    ResultDocument,
    StepDocument,
    event_document,
    result_document,
    step_document,
)
from tasks.wire import TaskDocument, document

_LISTS = Namespace("task_lists", 2, Tier.short)  # short: a writer may die between its commit and its word to the cache

type Content = dict[str, Any]  # {items, ..., read_at}: a list as it is cached; its items are as on the wire


def page_answer[V: BaseModel](
    app: Api,
    question: Question,
    query: PageQuery,
    show: Callable[[Task], V],
    of: type[V],
) -> Response[Page[V]]:
    """The page with that number, or after the cursor; `show` makes a document `of` each task."""
    named = ["page", text_of(question)]
    params = PageParams.at(named, query.page, query.page_size, query.cursor)

    def load() -> Content:
        after = place_at(question, params.after) if params.after else None
        _check_kinds(question)
        tasks, total, following = listing.find_page(question, limit=params.limit, offset=params.offset, after=after)
        items = _written(map(show, tasks))
        return {"items": items, "total": total.number, "more": total.more, "last": place_key(following)}

    key = ["page", show.__name__, question, params]
    content = _read(app, tenant_tag(question.tenant_id), key, load, of)
    items, total, more = _timely(content["items"]), content["total"], content.get("more", False)
    found = page_of(items, total, params, more=more, of=named, last=content["last"])
    return _answer(app, found, content["read_at"], _next_page(params, found))


def _next_page(params: PageParams, page: Page[Any]) -> Mapping[str, object] | None:
    """The next page by its number where a number reaches it, else, or behind a page that is not full, by its cursor."""
    if page.next_cursor and (params.after or params.page >= page.pages or len(page.items) < page.page_size):
        return {"cursor": page.next_cursor}
    return {"page": params.page + 1} if page.next_cursor else None


def cursor_answer(app: Api, question: Question, cursor: str | None, limit: int) -> Response[CursorPage[TaskDocument]]:
    """The page after the cursor."""
    after = place_of(question, cursor)

    def load() -> Content:
        _check_kinds(question)
        tasks, following = listing.find_after(question, after, limit)
        return {"items": _written(map(document, tasks)), "next_cursor": cursor_at(question, following)}

    content = _read(app, tenant_tag(question.tenant_id), ["cursor", question, cursor, limit], load, TaskDocument)
    return _cursor_page(app, content)


def _check_kinds(question: Question) -> None:
    with database.connection() as session:
        listing.check_kinds(session, question.filter.kind)


def active_answer(app: Api, tenant_id: str) -> Response[ActiveTasks]:
    """What has not ended."""

    def load() -> Content:
        tasks, more = listing.find_active(tenant_id)
        return {"items": _written(map(document, tasks)), "more": more}

    content = _read(app, tenant_tag(tenant_id), ["active", tenant_id], load, TaskDocument)
    more = content.get("more", False)  # an entry of the version before does not know
    return _answer(app, {"items": _timely(content["items"]), "more": more}, content["read_at"])


def events_answer(
    app: Api, task_id: str, tenant_id: str, cursor: str | None, limit: int
) -> Response[CursorPage[EventDocument]]:
    """What happened to a task."""
    of = ["events", tenant_id, task_id]
    after = key_of(of, cursor) if cursor else 0

    def load() -> Content:
        events, following = listing.find_events(task_id, tenant_id, after=after, limit=limit)
        return {"items": _written(map(event_document, events)), "next_cursor": cursor_after(of, following)}

    return _cursor_page(app, _read(app, task_tag(task_id), [*of, cursor, limit], load, EventDocument))


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
    read_at, after = time.time(), key_of(of, cursor) if cursor else ""
    steps, following = listing.find_steps(task_id, tenant_id, level=level, status=status, after=after, limit=limit)
    next_cursor = cursor_after(of, following)
    items = _written(map(step_document, steps))
    return _cursor_page(app, {"items": items, "next_cursor": next_cursor, "read_at": read_at})


def results_answer(
    app: Api,
    task_id: str,
    tenant_id: str,
    stage: str | None,
    status: StepStatus | None,
    cursor: str | None,
    limit: int,
) -> Response[CursorPage[ResultDocument]]:
    """What the items of a task came to, in the order in which they were planned."""
    of = ["results", tenant_id, task_id, stage, status]
    read_at, after = time.time(), key_of(of, cursor) if cursor else 0
    rows, following = find_results(task_id, tenant_id, stage=stage, status=status, after=after, limit=limit)
    items = _written(map(result_document, rows))
    return _cursor_page(app, {"items": items, "next_cursor": cursor_after(of, following), "read_at": read_at})


def cursor_at(question: Question, place: Place | None) -> str | None:
    """Where the next page of this list begins; None at the end."""
    return cursor_after(text_of(question), place_key(place))


def place_of(question: Question, cursor: str | None) -> Place | None:
    """Where the cursor points; None for the beginning. InvalidCursor when it was made for another question."""
    return None if cursor is None else place_at(question, key_of(text_of(question), cursor))


def place_key(place: Place | None) -> list[Any] | None:
    """The place as JSON, as a cursor holds it."""
    if place is None:
        return None
    return [place.value.isoformat() if isinstance(place.value, datetime) else place.value, place.id]


def place_at(question: Question, key: Sequence[Any]) -> Place:
    """The place whose key this is."""
    value, row = key
    timely = question.sort in (Sort.created_at, Sort.updated_at)
    return Place(datetime.fromisoformat(value) if timely else value, row)


def text_of(question: Question) -> str:
    """What tells the question from others, in the words that cursors have always had: they outlive a deployment."""
    wanted = question.filter
    shown: dict[str, object] = {
        "statuses": tuple(wanted.status),
        "kinds": tuple(wanted.kind),
        "priorities": tuple(Priority[name] for name in wanted.priority),
        "created_after": wanted.created_after,
        "created_before": wanted.created_before,
        "title": wanted.title,
    }
    shown |= {name: end for name in ("ended_after", "ended_before") if (end := getattr(wanted, name)) is not None}
    if wanted.error_code:
        shown["error_codes"] = tuple(wanted.error_code)
    filters = ", ".join(f"{name}={value!r}" for name, value in shown.items())
    return (
        f"Question(tenant_id={question.tenant_id!r}, filters=Filters({filters}), "
        f"sort={question.sort!r}, order={question.order!r})"
    )


def _read(app: Api, tag: str, key: object, load: Callable[[], Content], of: type[BaseModel]) -> Content:
    """The list, whose items are documents `of` this type."""

    def loaded() -> Content:
        read_at = time.time()
        return {**load(), "read_at": read_at}

    def parse(content: Content) -> Content:
        return content | {"items": [stored.fields_of(of, item) for item in content["items"]]}

    name = hashlib.sha256(repr(key).encode()).hexdigest()
    return cache.read(_LISTS, name, tag, loaded, parse=parse, fresh=asks_for_fresh(app)).value


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
