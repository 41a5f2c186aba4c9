"""The cost of one call of a handler: its time without AWS's, its statements, its AWS calls."""

import contextlib
import io
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.handler_parts import Context, event_of

SERVICES = ("dynamodb", "sqs", "stepfunctions")
SCOPES = "tasks:read tasks:write ops"


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
        from longhaul import aws, database

        run, since = database.Session.run, [0.0]

        def counting(session: Any, name: str, sql: str, parameters: Any) -> Any:
            self.statements += 1
            self.ran.setdefault(name, (sql, parameters))
            return run(session, name, sql, parameters)

        def begin(model: Any, **_: Any) -> None:
            self.aws_calls[model.name] += 1
            since[0] = time.perf_counter()

        def end(**_: Any) -> None:
            self.aws_ms += (time.perf_counter() - since[0]) * 1000

        database.Session.run = counting  # type: ignore[assignment,method-assign]
        for service in SERVICES:
            events = aws.client(service).meta.events  # type: ignore[call-overload] # one of the services that it has
            events.register("provide-client-params.*", begin)
            events.register("after-call.*", end)
            events.register("after-call-error.*", end)

    def call(
        self, function: Any, method: str, path: str, *, query: str = "", body: Any = None, **headers: str
    ) -> tuple[dict[str, Any], float]:
        """Call a function (a module). Returns its response and its milliseconds; the counts are this call's."""
        event = event_of(body, self.tenant) | {"rawPath": path, "rawQueryString": query}
        event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&")) if query else None
        event["requestContext"]["http"] |= {"method": method, "path": path}
        event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = SCOPES
        event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
        event["body"] = None if body is None else json.dumps(body)
        self.statements, self.aws_ms = 0, 0.0
        self.aws_calls.clear()
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):  # the metrics, which Lambda takes from there
            answer: dict[str, Any] = function.handler(event, Context())
        return answer, (time.perf_counter() - started) * 1000 - self.aws_ms
