"""GET /openapi.json and GET /docs, without a token and without a network."""

import base64
import gzip
import json
import re
from typing import Any

import pytest

from docs import published
from docs.serve_docs import handler
from tests.calling import Context

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Longhaul")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "longhaul")


def get(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"GET {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api.example.com", **{name.replace("_", "-"): value for name, value in headers.items()}},
        "requestContext": {
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
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
    assert json.loads(body) == json.loads(published.openapi())


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
