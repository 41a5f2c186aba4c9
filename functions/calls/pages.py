"""The page query (seed 000): one cached item, or two indexed statements; no provider in the way."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from calls import downloads, page_store
from calls.campaigns import KIND
from calls.errors import WrongKind
from calls.freshness import Age, age_of, claimed, refresh
from calls.messages import hint_recordings
from calls.model import block_of
from calls.page_store import PageHead
from calls.positions import Position, at_cursor, at_page
from calls.scopes import mark_of, scope_of
from calls.statuses import JobStatus, outcome_of_job
from calls.syncing import sync_blocks
from calls.views import PageQuery
from longhaul import cache, database, settings
from longhaul.cache import Cached, Namespace, Tier
from longhaul.errors import NotFound
from longhaul.http import dumps, etag_of, rfc3339

WAIT_SECONDS = 3.0
HOW = ("waited", "cache")  # how the page was come by
FOLLOW_COLUMNS = (
    "follow_time",
    "leads_remark",
    "frist_follow_time",
    "new_follow_time",
    "next_follow_time",
    "is_arrive",
    "frist_arrive_time",
)

_PAGES = Namespace("call_pages", 1, Tier.medium)  # a link to a recording is valid for as long, and 15 minutes more

type Content = dict[str, Any]  # a page as it is cached: what does not depend on the time or on who asks


def query(asked: PageQuery, tenant_id: str) -> dict[str, Any]:
    """A `views.PageAnswer`, ready to be written. Raises NotFound, WrongKind, InvalidCursor, DatabaseUnavailable."""
    position = _position(asked)
    found = _read(position, tenant_id)
    age = _age(position, found)
    source, waited = "hit" if found.hit else "miss", None
    if asked.wait_for_sync and age.stale:
        whole = sync_blocks(position.task_id, age.stale, seconds=WAIT_SECONDS)
        source, waited = "bypass", "synced" if whole else "cut_short"
        found = _read(position, tenant_id)  # what the sync has changed made it stale
        age = _age(position, found)
    refresh(position.task_id, age, found.marks)
    if not asked.skip_recording:
        _want_recordings(position, found)
    return _answer(asked, position, found.value, age) | {"waited": waited, "cache": source}


def written(answer: dict[str, Any]) -> tuple[str, str]:
    """The answer as JSON, and its ETag: of what the page says, not of how it was come by."""
    page = dumps({name: value for name, value in answer.items() if name not in HOW})
    how = dumps({name: answer[name] for name in HOW})
    return f"{page[:-1]},{how[1:]}", etag_of(page)


def _position(asked: PageQuery) -> Position:
    if asked.cursor is None:
        return at_page(asked.task_id, asked.page, asked.page_size)
    size = asked.page_size if "page_size" in asked.model_fields_set else None
    return at_cursor(asked.task_id, asked.cursor, size)


def _read(position: Position, tenant_id: str) -> Cached[Content]:
    """The page with the marks of its blocks."""
    task_id = position.task_id
    key = json.dumps([tenant_id, task_id, position.first, position.size], ensure_ascii=False)
    names = [mark_of(task_id, block) for block in position.blocks]
    known = [*names, _recordings_mark(position)]
    return cache.read(_PAGES, key, scope_of(task_id), lambda: _load(position, tenant_id), marks=known)


def _load(position: Position, tenant_id: str) -> Content:
    with database.connection() as session:
        head = page_store.fetch_head(session, position.task_id, tenant_id, position.first, position.last)
        if head is None:
            raise NotFound(f"there is no task {position.task_id}")
        if head.kind != KIND:
            raise WrongKind(f"{position.task_id} is a {head.kind}, not a {KIND}")
        rows = []
        if position.first <= head.total:
            rows = page_store.list_page(session, position.task_id, position.first, position.last)
    return _content(position, head, rows)


def _content(position: Position, head: PageHead, rows: list[dict[str, Any]]) -> Content:
    still_open = {block_of(row["job_seq"]) for row in rows if not JobStatus(row["call_status"]).is_final}
    return {
        "status": head.status,
        "leads": head.leads,
        "total": head.total,
        "counts": {status: head.counts[status] for status in JobStatus if status in head.counts},
        "synced_at": head.synced_at.replace(tzinfo=UTC).timestamp() if head.synced_at else None,
        "open_blocks": sorted(still_open),
        "next_cursor": position.next_cursor(head.total),
        "items": [_item(row) for row in rows],
    }


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """The row by the seed's names, its times and its conversation as they go over the wire."""
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in row.items()}
    follow = {name: told.pop(name) for name in FOLLOW_COLUMNS}
    lines, url = row["call_conversation"], row["recording_url"]
    told["call_conversation"] = json.loads(lines) if lines else None
    told["recording_url"] = downloads.link_for(url) if url else None
    told["outcome"] = outcome_of_job(JobStatus(row["call_status"]), row["call_result"])
    told["is_interested"] = _bool(row["is_interested"])
    told["follow_data"] = None
    if row["leads_follow_id"] is not None:
        told["follow_data"] = {
            "id": row["leads_follow_id"],
            "leads_id": row["leads_id"],
            **follow,
            "is_arrive": _bool(row["is_arrive"]),
        }
    return told


def _bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _age(position: Position, found: Cached[Content]) -> Age:
    content = found.value
    return age_of(position.task_id, content["open_blocks"], content["synced_at"], found.marks, now=time.time())


def _answer(asked: PageQuery, position: Position, content: Content, age: Age) -> dict[str, Any]:
    total = content["total"]
    return {
        "task_id": position.task_id,
        "status": content["status"],
        "items": [_told(item, asked.skip_recording) for item in content["items"]],
        "page": position.page,
        "page_size": position.size,
        "total": total,
        "pages": -(-total // position.size),
        "leads": content["leads"],
        "counts": content["counts"],
        "next_cursor": content["next_cursor"],
        "freshness": age.freshness,
        "synced_at": rfc3339(datetime.fromtimestamp(age.synced_at, UTC)) if age.synced_at else None,
    }


def _told(item: dict[str, Any], skip_recording: bool) -> dict[str, Any]:
    state = item["recording_state"]
    told = {name: value for name, value in item.items() if name != "recording_state"}
    if item["recording_url"]:
        told["recording_status"] = "ready"
    elif state == "none" or item["call_status"] != JobStatus.SUCCEEDED:
        told["recording_status"] = "none"
    else:
        told["recording_status"] = "skipped" if skip_recording else "pending"
    return told


def _recordings_mark(position: Position) -> str:
    return f"recordings:{position.task_id}:{position.first}:{position.size}"


def _want_recordings(position: Position, found: Cached[Content]) -> None:
    """Have the page's missing recordings fetched, unless another reader asked for that a moment ago."""
    pending = [
        item["job_seq"]
        for item in found.value["items"]
        if _told(item, skip_recording=False)["recording_status"] == "pending"
    ]
    every = settings.of(settings.Calls).call_sync_seconds
    if pending and claimed(_recordings_mark(position), found.marks, every):
        hint_recordings(position.task_id, pending)
