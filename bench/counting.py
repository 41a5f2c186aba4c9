"""The cost of one call of a handler: its time without AWS's, its statements, its AWS calls."""

import contextlib
import io
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.handler_parts import Context, action_of, event_of

SCOPES = "tasks:read tasks:write ops"


def request_event(
    tenant: str, method: str, path: str, *, query: str = "", body: Any = None, **headers: str
) -> dict[str, Any]:
    """Return API Gateway's event of this request."""
    event = event_of(body, tenant) | {"rawPath": path, "rawQueryString": query}
    event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&")) if query else None
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = SCOPES
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    event["body"] = None if body is None else json.dumps(body)
    return event


@dataclass
class Counting:
    """Counts from its creation on. `ran` keeps each statement by its name, as it first ran.

    AWS's time is counted separately: here it is moto's.
    """

    tenant: str
    statements: int = 0
    aws_calls: Counter[str] = field(default_factory=Counter)
    aws_ms: float = 0.0
    ran: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from longhaul import database
        from longhaul.aws.connections import Connections

        run = database.Session.run

        def counting(session: Any, name: str, sql: str, parameters: Any) -> Any:
            self.statements += 1
            self.ran.setdefault(name, (sql, parameters))
            return run(session, name, sql, parameters)

        def send(connections: Any, headers: Any, body: bytes) -> Any:
            self.aws_calls[action_of(headers)] += 1
            started = time.perf_counter()
            try:
                return sent(connections, headers, body)
            finally:
                self.aws_ms += (time.perf_counter() - started) * 1000

        database.Session.run = counting  # type: ignore[assignment,method-assign]
        sent = Connections.post
        Connections.post = send  # type: ignore[method-assign,assignment]

    def call(
        self, function: Any, method: str, path: str, *, query: str = "", body: Any = None, **headers: str
    ) -> tuple[dict[str, Any], float]:
        """Call a function (a module). Returns its response and its milliseconds; the counts are this call's."""
        event = request_event(self.tenant, method, path, query=query, body=body, **headers)
        self.statements, self.aws_ms = 0, 0.0
        self.aws_calls.clear()
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):  # the metrics, which Lambda takes from there
            answer: dict[str, Any] = function.handler(event, Context())
        return answer, (time.perf_counter() - started) * 1000 - self.aws_ms
