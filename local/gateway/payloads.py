"""API Gateway's payload format 2.0: a request as a function's event, a function's result as a response."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.gateway.server import Problem
from local.gateway.tokens import Identity
from local.template.model import ACCOUNT, Route

TEXT = ("text/", "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded")
DROPPED = {"content-length", "transfer-encoding", "connection", "date", "server"}  # the server sets its own


def http_event(
    request: web.BaseRequest,
    body: bytes,
    route: Route,
    parameters: Mapping[str, str],
    identity: Identity | None,
    request_id: str,
) -> dict[str, Any]:
    """Return a request's event. As in API Gateway's, rawPath is decoded and header names are in lower case."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    query: dict[str, str] = {}
    for name, value in request.rel_url.query.items():
        query[name] = f"{query[name]},{value}" if name in query else value
    if body:  # API Gateway takes a body whole before it passes it on, chunked or not
        headers["content-length"] = str(len(body))
    text = not body or is_text(headers.get("content-type", ""))
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{route.method} {route.path}",
        "rawPath": request.rel_url.path,
        "rawQueryString": request.rel_url.raw_query_string,
        "headers": {**headers, "x-forwarded-for": request.remote or "", "x-forwarded-proto": "http"},
        "requestContext": _context(request, route, identity, request_id),
        "isBase64Encoded": not text,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = dict(parameters)
    if body:
        event["body"] = body.decode(errors="replace") if text else base64.b64encode(body).decode()
    return event


def _context(request: web.BaseRequest, route: Route, identity: Identity | None, request_id: str) -> dict[str, Any]:
    now = time.time()
    context: dict[str, Any] = {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": request.host.split(":")[0],
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": request.rel_url.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.remote or "",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "requestId": request_id,
        "routeKey": f"{route.method} {route.path}",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if identity is not None:
        claims = {name: _claim(value) for name, value in identity.claims.items()}
        context["authorizer"] = {"jwt": {"claims": claims, "scopes": list(identity.scopes) or None}}
    return context


def _claim(value: Any) -> str:
    """Return a claim as API Gateway gives it: as a string, a list as `[a b]`."""
    if isinstance(value, list):
        return f"[{' '.join(_claim(item) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith(TEXT) or kind.endswith(("+json", "+xml"))


def http_response(payload: bytes) -> web.Response:
    """Return a function's result as a response. A result without a statusCode is the body of a 200.

    Raises Problem(500), as an HTTP API answers, for a result that is not an HTTP response.
    """
    try:
        result = json.loads(payload)
        if not isinstance(result, dict) or "statusCode" not in result:
            text = result if isinstance(result, str) else payload.decode()
            return web.Response(body=text.encode(), headers={"Content-Type": "application/json"})
        body = result.get("body") or ""
        data = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
        response = web.Response(status=int(result["statusCode"]), body=data)
        response.headers.pop("Content-Type", None)
        headers = {**result.get("headers", {})}
        for name, values in (result.get("multiValueHeaders") or {}).items():
            headers[name] = ", ".join(str(value) for value in values)
        for name, value in headers.items():
            if name.lower() not in DROPPED:
                response.headers[name] = str(value)
        for cookie in result.get("cookies") or ():
            response.headers.add("Set-Cookie", cookie)
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem(500, "internal_error", "The function's answer is not an HTTP response.") from error
    if data and "Content-Type" not in response.headers:
        response.headers["Content-Type"] = "text/plain; charset=utf-8"
    return response
