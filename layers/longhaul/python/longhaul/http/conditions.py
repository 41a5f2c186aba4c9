"""Conditional reads (RFC 9110, 13): an answer that has not changed is a 304, made without the work."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Header

from longhaul.http.errors import PreconditionFailed
from longhaul.http.wire import JSON, dumps, respond

VARY = "Authorization, Accept-Encoding"
DATES_DIFFER_AFTER = timedelta(seconds=2)  # HTTP's dates are whole seconds, and clocks are not quite together

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_STRONG = re.compile(r'(?<!W/)("[^"]*")')
_ENCODED = '-gzip"'  # what the tag of a compressed answer ends with: a strong tag names one sequence of bytes


def etag_of(*parts: object) -> str:
    """A strong ETag of whatever decides the answer: its versions (cheap), or the body itself."""
    text = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else dumps(parts)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def weak_etag_of(*parts: object) -> str:
    """A weak ETag: what has the same one differs in nothing that matters, such as its time (RFC 9110, 8.8.1)."""
    return f"W/{etag_of(*parts)}"


def encoded_etag(etag: str) -> str:
    """The tag of the same answer, compressed."""
    return etag.removesuffix('"') + _ENCODED


def conditional[T](
    app: APIGatewayHttpResolver,
    load: Callable[[], T | str],
    *,
    etag: str,
    last_modified: datetime | None = None,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Response[T]:
    """200 with `load()` as its body, or 304 without calling it when the caller has this version already.

    Text is sent as it is: it may be the answer as JSON that was written already, to make its tag. `headers` go with
    both answers, and over those that are set here.
    """
    validators = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": VARY}
    if last_modified:
        from email.utils import format_datetime  # which no submission needs

        validators["Last-Modified"] = format_datetime(_told(last_modified), usegmt=True)
    validators |= headers or {}
    known = known_tag(app, etag) or (_not_modified_since(app, last_modified) and etag)
    if known:
        return Response(status_code=304, headers={**validators, "ETag": known})
    return respond(load(), headers=validators, content_type=content_type)


def asks_for_fresh(app: APIGatewayHttpResolver) -> bool:
    """Whether the caller wants nothing from a cache: `Cache-Control: no-cache` (RFC 9111, 5.2.1.4)."""
    directives = app.current_event.headers.get("cache-control", "").lower().split(",")
    return "no-cache" in (directive.strip() for directive in directives)


def known_tag(app: APIGatewayHttpResolver, etag: str) -> str | None:
    """The caller's own tag, weak where `etag` is, when it names this version, compressed or not."""
    known = app.current_event.headers.get("if-none-match", "")
    if known.strip() == "*":
        return etag
    strong = etag.removeprefix("W/")
    found = next((tag for tag in _TAG.findall(known) if tag in (strong, encoded_etag(strong))), None)
    return found and etag.removesuffix(strong) + found


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="Only when it is still this version: the `ETag` of an answer to its GET, or `*`.",
        min_length=1,
        max_length=1_000,
        examples=['"3f2504e04f8941d39a0c0305e82c3301"'],
    ),
]
"""A write's parameter: `if_match: IfMatch = None`, to be held against `check_match`."""


def check_match(if_match: str, etag: str) -> None:
    """Raises PreconditionFailed unless If-Match names this version, compressed or not; a weak tag never does."""
    if if_match.strip() != "*" and not {etag, encoded_etag(etag)} & set(_STRONG.findall(if_match)):
        raise PreconditionFailed


def _not_modified_since(app: APIGatewayHttpResolver, last_modified: datetime | None) -> bool:
    """If-Modified-Since counts only without If-None-Match, and is ignored when it is no date."""
    headers = app.current_event.headers
    since = headers.get("if-modified-since")
    if since is None or last_modified is None or "if-none-match" in headers:
        return False
    from email.utils import parsedate_to_datetime

    try:
        return _utc(last_modified) <= _utc(parsedate_to_datetime(since))
    except (ValueError, OverflowError):
        return False


def _told(last_modified: datetime) -> datetime:
    """What is so new that it may change within the same second is told as older: its date is nobody's to ask with."""
    now = datetime.now(UTC)
    return min(_utc(last_modified), _utc(now) - DATES_DIFFER_AFTER)


def _utc(moment: datetime) -> datetime:
    """To whole seconds, as HTTP dates are; naive is UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(microsecond=0)
