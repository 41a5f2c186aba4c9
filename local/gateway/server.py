"""The gateway's HTTP server: API Gateway's limits, and its own errors as RFC 9457 problems.

aiohttp answers a request that it cannot parse by itself, with a line of text; here that is a problem too.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod

# API Gateway's own limits: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
# aiohttp's are far beyond, so that a request over ours is still read and answered in order.
LINE_BYTES = 8 * 1024
HEAD_BYTES = 10 * 1024
BODY_BYTES = 10 * 1024 * 1024
PARSED_BYTES = 1024 * 1024
PARSED_HEADERS = 10_000

RETRYABLE = frozenset({429, 503})

_no_access_log = logging.getLogger(f"{__name__}.access")
_no_access_log.disabled = True

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """An error response of the gateway itself; `code` is for programs, `detail` for people."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers or {}


def problem_response(problem: Problem, path: str, request_id: str) -> web.Response:
    """Return the problem as application/problem+json."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": str(problem),
        "instance": path,
        "code": problem.code,
        "retryable": problem.status in RETRYABLE,
        "request_id": request_id,
    }
    return web.Response(
        status=problem.status,
        body=json.dumps(body, ensure_ascii=False).encode(),
        headers={**problem.headers, "Content-Type": "application/problem+json", "apigw-requestid": request_id},
    )


class HttpServer(web.Server):
    """Serves `handler`."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler, request_factory=self._request)

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=_no_access_log,
            auto_decompress=False,  # API Gateway passes a compressed body on as it is
            max_line_size=PARSED_BYTES,
            max_field_size=PARSED_BYTES,
            max_headers=PARSED_HEADERS,
        )

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES)


class _Connection(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp's hook for a request that it could not parse. The connection ends with it."""
        super().handle_error(request, status, exc, message)  # logs it; raises when the response was begun
        response = problem_response(_parse_problem(status, exc), request.rel_url.path, str(uuid.uuid4()))
        response.force_close()
        return response


def check_head(request: web.BaseRequest) -> None:
    """Raise Problem for a request line or headers that are too long, and for a header that is not UTF-8."""
    if len(request.raw_path) > LINE_BYTES:
        raise Problem(414, "uri_too_long", f"The request line is over {LINE_BYTES} bytes.")
    if len(request.raw_path) + sum(len(name) + len(value) for name, value in request.raw_headers) > HEAD_BYTES:
        raise Problem(431, "headers_too_large", f"The request line and its headers are over {HEAD_BYTES} bytes.")
    for name, value in request.raw_headers:
        try:
            value.decode()
        except UnicodeDecodeError as error:
            detail = f"The header {name.decode()} is not UTF-8 text."
            raise Problem(400, "malformed_header", detail) from error


async def read_body(request: web.BaseRequest) -> bytes:
    """Return the whole body; a client that expects `100 Continue` gets it. Raises Problem for a body too large."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Problem(413, "too_large", f"The body is over {BODY_BYTES} bytes.") from error


def _parse_problem(status: int, error: BaseException | None) -> Problem:
    if isinstance(error, BadHttpMethod):
        return Problem(501, "unknown_method", "HTTP has no such method.")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(500, "internal_error", "Something went wrong on our side.")
    detail = "The request is not HTTP/1.1, its address is not percent-encoded, or its headers are far too long."
    return Problem(status, "malformed_request", detail)
