"""Where the time of a page query goes: its handler called as Lambda calls it, measured part by part.

A part's time excludes the parts that it calls. For the handler's own parts it is processor time, which does not grow
when other programs use the processor. For what it waits for, SQL and AWS, it is elapsed time.
"""

import contextlib
import functools
import io
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

SQL, AWS = "sql", "aws"  # the parts it waits for; each AWS action is one: `aws:PutItem`


@dataclass(frozen=True)
class Call:
    """A call of the handler: its own milliseconds by part, those it waited, and all its processor time."""

    parts: dict[str, float]
    sql_ms: float
    aws_ms: float
    processor_ms: float
    counts: Counter[str]
    answer: dict[str, Any]

    @property
    def own_ms(self) -> float:
        return sum(self.parts.values())


@dataclass
class Stopwatch:
    """Measures one part at a time: the innermost."""

    worked: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # seconds of this thread's processor time
    passed: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds
    counts: Counter[str] = field(default_factory=Counter)
    _running: list[str] = field(default_factory=list)
    _since: tuple[float, float] = (0.0, 0.0)

    def reset(self) -> None:
        self.worked.clear()
        self.passed.clear()
        self.counts.clear()

    def enter(self, part: str) -> None:
        self._lap()
        self.counts[part] += 1
        self._running.append(part)

    def leave(self) -> None:
        self._lap()
        self._running.pop()

    def watch(self, owner: object, name: str, part: str | Callable[..., str]) -> None:
        """Count the time of this function or method for `part`, which may depend on what it is called with."""
        watched = getattr(owner, name)

        @functools.wraps(watched)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.enter(part(*args, **kwargs) if callable(part) else part)
            try:
                return watched(*args, **kwargs)
            finally:
                self.leave()

        setattr(owner, name, timed)

    def _lap(self) -> None:
        worked, passed = time.thread_time(), time.perf_counter()
        if self._running:
            part, (worked_before, passed_before) = self._running[-1], self._since
            self.worked[part] += worked - worked_before
            self.passed[part] += passed - passed_before
        self._since = worked, passed


def action_of(headers: Mapping[str, str]) -> str:
    """Return the action that a request to an AWS service asks for."""
    return headers["X-Amz-Target"].rpartition(".")[2]


class Context(LambdaContext):
    """The context that Lambda passes with an event."""

    def __init__(self) -> None:
        self._function_name = "query_page"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:query_page"
        self._aws_request_id = "a-lambda-request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 300_000


def watched_handler() -> Callable[[dict[str, Any]], Call]:
    """Return `query_page`'s handler, measured: it returns the cost of each call."""
    from calls import page_store, pages, query_page, wire
    from longhaul import cache, database
    from longhaul.aws.connections import Connections
    from longhaul.http.app import Api
    from longhaul.http.exchange import RequestValidation

    watch = Stopwatch()
    watch.watch(database.Session, "run", SQL)
    watch.watch(Connections, "post", lambda _, headers, __: f"{AWS}:{action_of(headers)}")
    watch.watch(RequestValidation, "handler", "parse, validate")
    watch.watch(pages, "read", "page")
    watch.watch(page_store, "list_page", "rows to calls")
    watch.watch(pages, "link_for", "sign links")
    watch.watch(pages._ENTRY, "dump_python", "page to entry")
    watch.watch(pages._ENTRY, "validate_python", "entry to page")
    watch.watch(cache, "pack", "pack for the cache")
    watch.watch(cache, "unpack", "unpack")
    watch.watch(query_page, "write_page", "write JSON")
    watch.watch(wire, "_head_document", "answer")
    watch.watch(wire, "etag_of", "ETag")
    watch.watch(Api, "_build_response", "gzip, headers")

    def call(event: dict[str, Any]) -> Call:
        watch.reset()
        with contextlib.redirect_stdout(io.StringIO()):  # the metrics, which Lambda takes from there
            watch.enter("route, log")
            try:
                answer = query_page.handler(event, Context())
            finally:
                watch.leave()
        parts = {
            part: seconds * 1000 for part, seconds in watch.worked.items() if part != SQL and not part.startswith(AWS)
        }
        aws = sum(seconds for part, seconds in watch.passed.items() if part.startswith(AWS))
        worked = sum(watch.worked.values())  # includes the work of PyMySQL and boto3 around their waits
        return Call(parts, watch.passed[SQL] * 1000, aws * 1000, worked * 1000, Counter(watch.counts), answer)

    return call


def event_of(body: dict[str, Any], tenant_id: str) -> dict[str, Any]:
    """Return API Gateway's event of a browser's page query."""
    path = "/api/query-task-execution"
    claims = {"iss": "https://issuer.example.com", "sub": "ada", "tenant_id": tenant_id, "scope": "tasks:read"}
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "accept-encoding": "gzip, deflate, br",
            "authorization": "Bearer eyJ...",
            "content-type": "application/json",
            "host": "api.example.com",
            "user-agent": "Mozilla/5.0",
            "x-forwarded-for": "203.0.113.7",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "api.example.com",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"POST {path}",
            "stage": "$default",
            "time": "24/Nov/2026:14:30:52 +0000",
            "timeEpoch": 1795530652000,
            "authorizer": {"jwt": {"claims": claims, "scopes": ["tasks:read"]}},
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
