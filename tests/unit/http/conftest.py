"""A small API with every manner in it, and requests to it as the gateway sends them."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import pytest
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from longhaul import settings
from longhaul.errors import IllegalTransition, LaneFull, NotFound, ProviderThrottled
from longhaul.http import (
    Api,
    IdempotencyKey,
    Page,
    PageNumber,
    PageParams,
    PageSize,
    Response,
    Timestamp,
    also,
    caller,
    conditional,
    etag_of,
    in_text,
    make_app,
    needs,
    page_of,
    respond,
    weak_etag_of,
)
from tests.calling import Context


class Params(BaseModel):
    province: str = Field(min_length=2, examples=["广东省"])


class Order(BaseModel):
    kind: str
    params: Params
    priority: int = Field(default=5, ge=0, le=9, strict=True)


class Thing(BaseModel):
    thing_id: str
    title: str
    created_at: Timestamp


CREATED = datetime(2023, 11, 21, 14, 30, 52, 123456)
LONG = "广州市" * 400


def build() -> Api:
    app = make_app()

    @app.get("/api/v1/things", security=needs("things:read"))
    def list_things(
        page: PageNumber = 1, page_size: PageSize = 20, status: Annotated[str | None, Query()] = None
    ) -> Response[Page[Thing]]:
        params = PageParams(page, page_size)
        thing = Thing(thing_id=f"t{params.offset}", title=status or "-", created_at=CREATED)
        return respond(page_of([thing], 41, params))

    @app.get("/api/v1/things/<thing_id>")
    def show_thing(thing_id: str) -> Response[Thing]:
        thing = Thing(thing_id=thing_id, title=LONG, created_at=CREATED)
        return conditional(app, lambda: thing, etag=etag_of(thing_id, CREATED), last_modified=CREATED)

    @app.get(
        "/api/v1/things/<thing_id>/age",
        openapi_extensions=also(304) | in_text("text/plain; charset=utf-8", json=True),
    )
    def tell_age(thing_id: str) -> Response[Thing]:
        return conditional(app, lambda: LONG, etag=weak_etag_of(thing_id), content_type="text/plain; charset=utf-8")

    @app.post("/api/v1/things", security=needs("things:write"), status_code=202)
    def submit(order: Order, idempotency_key: IdempotencyKey = None) -> Response[dict[str, Any]]:
        who = caller(app)
        body = {"order": order.model_dump(), "tenant": who.tenant_id, "user": who.user_id, "key": idempotency_key}
        return respond(body, 202, {"Location": "/api/v1/things/t1"})

    @app.post("/api/v1/things/<thing_id>/cancel")
    def cancel(thing_id: str) -> Response[dict[str, Any]]:
        match thing_id:
            case "done":
                raise IllegalTransition("It is over.", task_status="SUCCEEDED", allowed_actions=["retry"])
            case "full":
                raise LaneFull("lane hospital_full_refresh on db-7.internal")
            case "throttled":
                raise ProviderThrottled(retry_after=2.2)
            case "gone":
                raise NotFound
            case "broken":
                raise RuntimeError("password=hunter2")
            case "odd":
                return respond({"value": object()})
        return respond({"when": CREATED, "none": None, "rows": [{"at": CREATED}]})

    @app.post("/api/v1/things/all")
    def count() -> Response[dict[str, Any]]:
        return respond({"count": 1})

    @app.get("/api/v1/wrong")
    def wrong() -> Response[Thing]:
        return respond({"thing_id": "t1"})  # type: ignore[return-value]

    return app


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


CLAIMS = {"sub": "user-7", "tenant_id": "tenant-3", "scope": "things:read things:write", "aud": "longhaul"}


def make_event(
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: str | bytes | None = None,
    claims: dict[str, Any] | None = CLAIMS,
) -> dict[str, Any]:
    """Payload format 2.0, as API Gateway's documentation shows it."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"host": "api.example.com", "x-forwarded-proto": "https", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "api.example.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "21/Nov/2023:14:30:52 +0000",
            "timeEpoch": 1700577052000,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    return event


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is limited where there is no DynamoDB."""
    for name in settings.Limits.model_fields.keys() - {"scope_prefix"}:
        monkeypatch.setenv(name.upper(), "0")
    settings.of.cache_clear()


@pytest.fixture(scope="session")
def http_event() -> Callable[..., dict[str, Any]]:
    """http_event(method, path, query=, headers=, body=, claims=): the event alone."""
    return make_event


@pytest.fixture(scope="session")
def app() -> Api:
    return build()


@pytest.fixture
def call(app: Api) -> Callable[..., Answer]:
    """call(method, path, query=, headers=, body=, claims=) -> Answer; a dict as body is sent as JSON."""

    def send(method: str, path: str, **request: Any) -> Answer:
        if isinstance(request.get("body"), dict):
            request["body"] = json.dumps(request["body"])
            request["headers"] = {"content-type": "application/json", **request.get("headers", {})}
        result = app.resolve(make_event(method, path, **request), Context())
        body = result["body"] or ""
        raw = base64.b64decode(body) if result["isBase64Encoded"] else body.encode()
        return Answer(result["statusCode"], result["headers"], raw)

    return send
