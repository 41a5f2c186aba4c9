"""A page of the directory as an answer: the same page is a 304 to who has it."""

from typing import Any

from hospitals.directory import Rows
from longhaul.http import Api, Page, PageParams, Response, conditional, etag_of, page_of


def answer(app: Api, rows: Rows, params: PageParams) -> Response[Page[Any]]:
    """`rows` are the page's own."""
    page = page_of(rows["items"], rows["total"], params)
    return conditional(app, lambda: page, etag=etag_of(page))


def sliced(app: Api, rows: Rows, params: PageParams) -> Response[Page[Any]]:
    """`rows` are all there are: a division has few children."""
    items = rows["items"][params.offset : params.offset + params.limit]
    return answer(app, {"items": items, "total": rows["total"]}, params)
