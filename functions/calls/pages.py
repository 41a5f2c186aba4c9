"""A page of a campaign's calls: one cached entry, or two indexed statements. The provider is not called.

    page = pages.read(Span("call_campaign_...", first=1, size=20), "acme", recordings=True)

Work outside the rows is only woken: the sync of stale blocks and, for a reader who wants recordings, their copying. A
reader who waits for the provider reads through `calls.provider_wait`.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

from pydantic import TypeAdapter

from calls import freshness, page_store
from calls.freshness import Age
from calls.messages import wake_recordings
from calls.model import KIND, JobStatus, WrongKind, block_of
from calls.page_store import Row
from longhaul import cache, database
from longhaul.aws import links
from longhaul.aws.links import Sign
from longhaul.cache import Namespace, Tier
from longhaul.cache.debounce import Mark
from longhaul.errors import NotFound
from longhaul.tasks.model import Status

LINK_SECONDS = 20 * 60  # 15 minutes for the reader, after the 5 minutes that a page may have been cached


@dataclass(frozen=True)
class Span:
    """The page of `size` jobs that begins at the ordinal `first`, from 1."""

    task_id: str
    first: int
    size: int

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    @property
    def page(self) -> int:
        """The page's number, from 1."""
        return (self.first - 1) // self.size + 1

    @property
    def blocks(self) -> range:
        """The blocks that its jobs may lie in."""
        return range(block_of(self.first), block_of(self.last) + 1)


@dataclass(frozen=True)
class Content:
    """What the rows say of a page, as it is cached: neither the time nor the reader changes it.

    `total` counts the campaign's jobs, `synced_at` is in epoch seconds, `open_blocks` have jobs that are not final,
    `pending` are the jobs whose recording was not fetched yet. `items` is JSON as it is sent, with links that a reader
    may use: a page has hundreds of values, which are written once.
    """

    status: Status
    leads: int
    total: int
    counts: dict[str, int]
    synced_at: float | None
    open_blocks: list[int]
    pending: list[int]
    items: str


# Count the version up when the fields of `Content` change otherwise than by one with a default.
_PAGES = Namespace("call_pages", 2, Tier.medium)
_ENTRY = TypeAdapter(Content)


@dataclass(frozen=True)
class Page:
    """A page as it was read. `waited`: the result of waiting for the provider, None for a reader who did not wait."""

    span: Span
    content: Content
    age: Age
    marks: Mapping[str, Mark]
    source: Literal["hit", "miss", "bypass"]
    waited: Literal["synced", "cut_short"] | None = None


def read(span: Span, tenant_id: str, *, recordings: bool) -> Page:
    """The page. Its stale blocks will be synced and, with `recordings`, its missing recordings copied.

    Raises NotFound, WrongKind, DatabaseUnavailable.
    """
    page = find(span, tenant_id)
    wake_workers(page, recordings=recordings)
    return page


def find(span: Span, tenant_id: str) -> Page:
    """The page from the cache, or else from the rows. Raises as `read` does."""
    found = cache.read(
        _PAGES,
        json.dumps([tenant_id, span.task_id, span.first, span.size], ensure_ascii=False),
        freshness.tag_of(span.task_id),
        lambda: _ENTRY.dump_python(_load(span, tenant_id), mode="json"),
        parse=_ENTRY.validate_python,
        marks=[*(freshness.sync_mark(span.task_id, block) for block in span.blocks), _recordings_mark(span)],
    )
    content = found.value
    age = freshness.age_of(span.task_id, content.open_blocks, content.synced_at, found.marks, now=time.time())
    return Page(span, content, age, found.marks, "hit" if found.hit else "miss")


def wake_workers(page: Page, *, recordings: bool) -> None:
    """Wake the sync of stale blocks and, if wanted, the copying of missing recordings: once for all readers."""
    freshness.refresh(page.span.task_id, page.age, page.marks)
    pending = page.content.pending
    if recordings and pending and freshness.claim(_recordings_mark(page.span), page.marks):
        wake_recordings(page.span.task_id, pending)


def link_for(url: str, sign: Sign) -> str:
    """A short-lived link for `s3://bucket/key`. Any other URL is returned as it is."""
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return sign(bucket, key)


def _address(row: Row, sign: Sign) -> str | None:
    return link_for(row["recording_url"], sign) if row["recording_url"] else None


def _load(span: Span, tenant_id: str) -> Content:
    with database.connection() as session:
        head = page_store.fetch_head(session, span.task_id, tenant_id, span.first, span.last)
        if head is None:
            raise NotFound(f"there is no task {span.task_id}")
        if head.kind != KIND:
            raise WrongKind(f"{span.task_id} is a {head.kind}, not a {KIND}")
        rows: list[Row] = []
        if span.first <= head.total:
            rows = page_store.list_page(session, span.task_id, span.first, span.last)
    sign = links.signer(seconds=LINK_SECONDS)
    return Content(
        status=head.status,
        leads=head.leads,
        total=head.total,
        counts={status: head.counts[status] for status in JobStatus if status in head.counts},
        synced_at=head.synced_at.replace(tzinfo=UTC).timestamp() if head.synced_at else None,
        open_blocks=sorted({block_of(row["job_seq"]) for row in rows if not page_store.is_final(row)}),
        pending=[row["job_seq"] for row in rows if page_store.recording_of(row) == "pending"],
        items=f"[{','.join(page_store.written(row, _address(row, sign)) for row in rows)}]",
    )


def _recordings_mark(span: Span) -> str:
    return f"recordings:{span.task_id}:{span.first}:{span.size}"
