"""Answers of the gateway itself, as RFC 9457 problems."""

import json
from http import HTTPStatus

from aiohttp import web

RETRYABLE = frozenset({429, 503, 504})


class Problem(Exception):
    """An answer that is not the function's; `code` is for programs, `detail` for people."""

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
