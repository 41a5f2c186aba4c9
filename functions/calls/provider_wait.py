"""A page for a reader who waits for the provider. No other page read calls the provider.

A fresh page is returned at once. Otherwise its stale blocks are synced within `WAIT_SECONDS`, and it is read again. A
reader who finds no place to wait in gets the stale page, and the sync is woken as for any reader.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from calls import pages
from calls.pages import Page, Span
from calls.syncing import sync_blocks

WAIT_SECONDS = 3.0

type Place = Callable[[], AbstractContextManager[bool]]  # holds a place to wait in; False: all are taken


def read(span: Span, tenant_id: str, *, recordings: bool, place: Place) -> Page:
    """The page as `pages.read` returns it, after its stale blocks were synced."""
    page = pages.find(span, tenant_id)
    if page.age.stale:
        with place() as held:
            page = _synced(page, tenant_id) if held else replace(page, waited="cut_short")
    pages.wake_workers(page, recordings=recordings)
    return page


def _synced(page: Page, tenant_id: str) -> Page:
    """The page read again. A sync that changed something has forgotten the cached one."""
    complete = sync_blocks(page.span.task_id, page.age.stale, seconds=WAIT_SECONDS)
    return replace(pages.find(page.span, tenant_id), source="bypass", waited="synced" if complete else "cut_short")
