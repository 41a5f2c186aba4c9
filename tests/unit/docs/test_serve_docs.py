"""GET /openapi.json and GET /docs, without a token and without a network."""

import base64
import gzip
import json
import re
from typing import Any

import pytest

from deployment.bundle import Bundle
from deployment.template import ROOT
from docs import published
from longhaul import settings
from tests.calling import Context

ALL = Bundle.read(ROOT / "functions").workloads

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Longhaul")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "longhaul")
    monkeypatch.setenv("WORKLOADS", ",".join(ALL))
    monkeypatch.setenv("PUBLIC_DOCS", "true")
    for remembered in (settings.of, published.openapi, published._deployed, published._paths):
        remembered.cache_clear()


def get(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api.example.com", **{name.replace("_", "-"): value for name, value in headers.items()}},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    from docs.serve_docs import handler  # it reads its settings when it is imported

    answer = handler(event, Context())
    body = answer["body"] or ""
    return (
        answer["statusCode"],
        answer["headers"],
        base64.b64decode(body) if answer["isBase64Encoded"] else body.encode(),
    )


def test_the_document_is_served_as_it_is_kept() -> None:
    status, headers, body = get("/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == json.loads(published.kept())


def test_the_page_shows_the_document() -> None:
    status, headers, body = get("/docs")
    text = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert 'url: "openapi.json"' in text
    assert "SwaggerUIBundle" in text


def test_the_page_asks_no_other_host() -> None:
    text = get("/docs")[2].decode()
    own = re.sub(r"<script>.*?</script>", "", text, count=1, flags=re.DOTALL)
    assert text.count("</script>") == 2, "no asset closes its own element"
    assert not re.findall(r"""(?:src|href)\s*=|@import|url\(["']?https?:""", own)
    assert "validatorUrl: null" in text
    assert "default-src 'none'" in text
    assert "connect-src 'self'" in text


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_it_travels_compressed_and_once(path: str) -> None:
    _, headers, packed = get(path, accept_encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == get(path)[2]
    assert get(path, accept_encoding="gzip", if_none_match=headers["ETag"])[0] == 304


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/tasks", "DELETE, GET, POST"),
        ("HEAD", "/api/v1/tasks/广东 省", "GET, PATCH"),
        ("OPTIONS", "/api/v1/tasks/batch", "PATCH, POST"),
        ("DELETE", "/docs", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_take(method: str, path: str, allowed: str) -> None:
    status, headers, body = get(path, method)
    assert (status, headers["Allow"], headers["Content-Type"]) == (405, allowed, "application/problem+json")
    assert json.loads(body)["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/api/v1/tasks\n", "/api/v1/tasks/a/b", "/api/v1/tasksX", "/api/v1/tasks/"])
def test_a_path_that_is_none(path: str) -> None:
    status, _, body = get(path)
    assert (status, json.loads(body)["code"]) == (404, "not_found")


def test_a_preflight_that_the_gateway_passes_on_succeeds() -> None:
    assert get("/api/v1/tasks", "OPTIONS", access_control_request_method="POST")[0] == 204


def test_a_deployment_shows_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a deployment without calls
    monkeypatch.setenv("WORKLOADS", "hospitals,roles")

    # THEN its document has neither their operations nor their kinds, and their routes are none
    document = json.loads(get("/openapi.json")[2])
    assert "/api/query-task-execution" not in document["paths"]
    assert {"/api/v1/hospitals", "/api/v1/roles", "/api/v1/tasks"} <= document["paths"].keys()
    kinds = {option["title"] for option in document["components"]["schemas"]["SubmitRequest"]["oneOf"]}
    assert "call_campaign" not in kinds
    assert {"role_creation", "bulk_action"} <= kinds
    assert get("/api/query-task-execution", "GET")[0] == 404
    assert get("/api/v1/roles", "DELETE")[0] == 405


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_documentation_may_be_closed(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PUBLIC_DOCS", "false")
    status, _, body = get(path)
    assert (status, json.loads(body)["code"]) == (404, "not_found")
