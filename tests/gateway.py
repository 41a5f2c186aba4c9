"""Calling HTTP functions with the events API Gateway sends, for a tenant."""

import base64
import gzip
import json
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from tests.calling import Context
from tests.deployed import deployed

TASKS = ("tasks.serve_tasks", "tasks.read_task", "tasks.serve_lists")


class Answer(NamedTuple):
    status: int
    body: Any  # parsed; None when there is none
    headers: dict[str, str]


class Api:
    """Calls the function whose route it is, as the gateway would for this tenant."""

    def __init__(
        self, tenant_id: str = "acme", scope: str = "tasks:read tasks:write", functions: tuple[str, ...] = TASKS
    ) -> None:
        self.functions = functions
        self.claims: dict[str, str] = {"sub": "ada", "tenant_id": tenant_id, "scope": scope}

    def __call__(self, method: str, path: str, body: Any = None, query: str = "", **headers: str) -> Answer:
        """`path` and `query` as they stand in the address; headers with _ for -. API Gateway decodes the path, once."""
        path = unquote(path)
        parameters: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):  # the gateway joins what is repeated
            parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "queryStringParameters": parameters or None,
            "headers": {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()},
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
                "requestId": "gateway-1",
                "stage": "$default",
                "authorizer": {"jwt": {"claims": self.claims, "scopes": []}},
            },
            "body": body if isinstance(body, str) or body is None else json.dumps(body, ensure_ascii=False),
            "isBase64Encoded": False,
        }
        function = _function(self.functions, method, path)
        with deployed(function):
            answer = function.handler(event, Context())
        text: Any = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            text = gzip.decompress(base64.b64decode(text)).decode()
        return Answer(answer["statusCode"], json.loads(text) if text else None, answer["headers"])

    def get(self, path: str, query: str = "", **headers: str) -> Any:
        """The body of an answer that should be 200."""
        answer = self("GET", path, None, query, **headers)
        assert answer.status == 200, answer
        return answer.body


def _function(names: tuple[str, ...], method: str, path: str) -> Any:
    """A route without parameters goes before one with; where none fits, the first function says so."""
    functions = [import_module(name) for name in names]
    for kind in ("_static_routes", "_dynamic_routes"):
        for function in functions:
            if any(route.method == method and route.rule.match(path) for route in getattr(function.app, kind)):
                return function
    return functions[0]
