"""Calling functions as Lambda does: with its context, by their sample events, several at once."""

import json
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import database
from tests.deployed import deployed

SCOPES = "tasks:read tasks:write notices:read notices:write"
EVENTS = Path(__file__).parents[1] / "events"


class Context(LambdaContext):
    """What Lambda passes beside the event."""

    def __init__(self) -> None:
        self._function_name = "function"
        self._memory_limit_in_mb = 128
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
        self._aws_request_id = "a-lambda-request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 300_000


def sample(domain: str, name: str) -> dict[str, Any]:
    """The function's sample event."""
    event: dict[str, Any] = json.loads((EVENTS / domain / f"{name}.json").read_text(encoding="utf-8"))
    return event


def call(domain: str, name: str, event: dict[str, Any]) -> Any:
    """What the function answers; it is imported now, as it reads its environment then."""
    function = import_module(f"{domain}.{name}")
    with deployed(function):
        return function.handler(event, Context())


def records(*bodies: Any) -> dict[str, Any]:
    """A batch from SQS: m0, m1, ..."""
    return {
        "Records": [
            {"messageId": f"m{i}", "body": body if isinstance(body, str) else json.dumps(body)}
            for i, body in enumerate(bodies)
        ]
    }


def at_once(number: int, work: Callable[[], object]) -> None:
    """Do the work in so many threads, each with a connection of its own, as execution environments have."""

    def once() -> None:
        try:
            work()
        finally:
            database.close()

    workers = [threading.Thread(target=once) for _ in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def ask(
    name: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    domain: str = "tasks",
    tenant: str = "acme",
    query: str = "",
    **headers: str,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """What an HTTP function (of the task core, unless told) answers a caller of every scope: status, document, headers.

    The document is empty where the answer is.
    """
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "queryStringParameters": dict(pair.split("=", 1) for pair in query.split("&")) if query else None,
        "headers": {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
            "requestId": "gateway-1",
            "stage": "$default",
            "authorizer": {"jwt": {"claims": {"sub": "ada", "tenant_id": tenant, "scope": SCOPES}, "scopes": []}},
        },
        "body": None if body is None else json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }
    answer = call(domain, name, event)
    return answer["statusCode"], json.loads(answer["body"] or "{}"), answer["headers"]
