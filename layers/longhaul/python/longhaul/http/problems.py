"""Every error as an RFC 9457 problem: the one place where exceptions become HTTP answers.

What a 5xx says to the caller is its class's docstring only; the message, which may name hosts and tables, goes to the
log beside the request's id.
"""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from longhaul import aws
from longhaul.errors import AwsUnavailable, FieldError, InvalidRequest, LonghaulError
from longhaul.http.errors import Forbidden, InvalidParameter, MethodNotAllowed, Unauthenticated
from longhaul.http.wire import dumps
from longhaul.observability import logger
from longhaul.validation import OWN_ID_ERROR

PROBLEM_JSON = "application/problem+json"
DEFAULT_RETRY_AFTER = 5  # seconds, where an error that may be retried gives no hint of its own


def pointer(location: tuple[str | int, ...]) -> str:
    """Where a value is: a JSON pointer into the body (`/params/province`), or `query/page`, `path/task_id`."""
    place, *keys = location
    if place == "query" and len(keys) > 1 and isinstance(keys[1], str):
        keys = keys[1:]  # a field of a model of parameters, whose name the caller never sees
    if place != "body":
        return "/".join(map(str, (place, *keys)))
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def from_validation(error: RequestValidationError) -> InvalidRequest:
    """400 when a parameter is wrong, 422 when the body is well-formed but not valid; parameters come first.

    An id of the caller's own has one rule in path, query and body, and is 422 in all of them.
    """
    found = [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
    errors = [FieldError(pointer=pointer(location), detail=message) for location, message in found]
    summary = "; ".join(f"{e['pointer'] or 'body'}: {e['detail']}" for e in errors[:3])
    in_body = all(e["loc"][0] == "body" or e["type"] == OWN_ID_ERROR for e in error.errors())
    return InvalidRequest(summary, errors=errors) if in_body else InvalidParameter(summary, errors=errors)


def problem(app: APIGatewayHttpResolver, error: LonghaulError) -> Response[str]:
    """The answer that tells the caller of `error`, with the headers that go with its status."""
    log = logger.warning if error.status >= 500 else logger.info
    log("refused", extra={"problem": error.code, "status": error.status, "detail": str(error)})
    return Response(
        status_code=error.status,
        content_type=PROBLEM_JSON,
        body=dumps(document(app, error)),
        headers={**_headers_of(error), "Cache-Control": "no-store"},
    )


def document(app: APIGatewayHttpResolver, error: LonghaulError) -> dict[str, Any]:
    """The problem itself (RFC 9457); a batch's answer has one for each item that was refused."""
    return {
        **error.members(),
        "type": error.problem_type,
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": str(error) if error.status < 500 else (type(error).__doc__ or "").strip(),
        "instance": quote(app.current_event.path, safe="/%:@!$&'()*+,;=~"),
        "code": error.code,
        "retryable": error.retryable,
        "request_id": request_id_of(app),
    }


def request_id_of(app: APIGatewayHttpResolver) -> str:
    """The gateway's id of the request, which its access log and the caller's problem share."""
    return str(app.current_event.request_context.request_id)


def _headers_of(error: LonghaulError) -> Mapping[str, str]:
    match error:
        case LonghaulError(retryable=True, retry_after=seconds):
            return {"Retry-After": str(max(1, math.ceil(seconds)) if seconds else DEFAULT_RETRY_AFTER)}
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case Forbidden():
            return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        case MethodNotAllowed(allowed=methods):
            return {"Allow": ", ".join(methods)}
    return {}


def install(app: APIGatewayHttpResolver) -> None:
    """Teach `app` to answer with problems, whatever is raised."""

    def known(error: LonghaulError) -> Response[str]:
        return problem(app, error)

    def invalid(error: RequestValidationError) -> Response[str]:
        return problem(app, from_validation(error))

    def unexpected(error: Exception) -> Response[str]:
        if aws.is_away(error):
            return problem(app, AwsUnavailable(str(error)))
        logger.exception("unexpected error", exc_info=error, extra={"gateway_request_id": request_id_of(app)})
        return problem(app, LonghaulError())

    app.exception_handler(LonghaulError)(known)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(Exception)(unexpected)
