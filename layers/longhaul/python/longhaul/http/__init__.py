"""HTTP manners, once for every HTTP function.

    app = make_app()

    @app.get("/api/v1/tasks", security=needs("tasks:read"))
    def list_tasks(page: PageNumber = 1, page_size: PageSize = 20) -> Response[Page[TaskSummary]]:
        params = PageParams(page, page_size)
        items, total = reading.list_tasks(caller(app).tenant_id, params.limit, params.offset)
        return respond(page_of(items, total, params))

- Errors are RFC 9457 problems. A parameter of path, query or headers that is wrong, repeated or unknown: 400; a body
  that is no JSON: 400, no object or not valid: 422, over 1 MB: 413, of another media type: 415 (none means JSON).
- A tenant may ask so often a minute (`longhaul.http.limits`): a route is a read or a write by its scopes, or what its
  `openapi_extensions=limited("bulk")` says. Limited routes' answers have RateLimit fields, whatever their status.
- A caller's trace (`traceparent`) goes on in the logs and in the answer.
- Path parameters arrive decoded. Times leave as RFC 3339 UTC to the millisecond, text unescaped in UTF-8.
- Answers over 1 KB are compressed when the caller accepts gzip.
"""

from aws_lambda_powertools.event_handler import Response

from longhaul.http.app import Api, make_app
from longhaul.http.conditions import (
    IfMatch,
    asks_for_fresh,
    check_match,
    conditional,
    etag_of,
    known_tag,
    weak_etag_of,
)
from longhaul.http.described import KindName, TaskId, also, in_text
from longhaul.http.errors import InvalidParameter, MethodNotAllowed, UnsupportedMediaType
from longhaul.http.idempotency import IdempotencyKey, keyed_request, parse_idempotency_key, replay_headers
from longhaul.http.identity import Caller, caller, needs, require_scope
from longhaul.http.limits import limited
from longhaul.http.pages import Page, PageCursor, PageNumber, PageParams, PageSize, page_of
from longhaul.http.prefer import Prefer, held, wait_of
from longhaul.http.problems import document, pointer
from longhaul.http.wire import Timestamp, dumps, respond, rfc3339
from longhaul.validation import Moment

__all__ = [
    "Api",
    "Caller",
    "IdempotencyKey",
    "IfMatch",
    "InvalidParameter",
    "KindName",
    "MethodNotAllowed",
    "Moment",
    "Page",
    "PageCursor",
    "PageNumber",
    "PageParams",
    "PageSize",
    "Prefer",
    "Response",
    "TaskId",
    "Timestamp",
    "UnsupportedMediaType",
    "also",
    "asks_for_fresh",
    "caller",
    "check_match",
    "conditional",
    "document",
    "dumps",
    "etag_of",
    "held",
    "in_text",
    "keyed_request",
    "known_tag",
    "limited",
    "make_app",
    "needs",
    "page_of",
    "parse_idempotency_key",
    "pointer",
    "replay_headers",
    "require_scope",
    "respond",
    "rfc3339",
    "wait_of",
    "weak_etag_of",
]
