"""Who calls, with what: identity, scopes, path parameters, the Idempotency-Key."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from longhaul.http import make_app, parse_idempotency_key

BODY = {"kind": "full", "params": {"province": "广东省"}}
CLAIMS = {"sub": "user-7", "tenant_id": "tenant-3", "scope": "things:read things:write"}


@pytest.mark.parametrize("claims", [None, {}, {"sub": "user-7"}, {"tenant_id": "tenant-3"}, CLAIMS | {"sub": ""}])
def test_no_identity_is_401(call: Callable[..., Any], claims: dict[str, str] | None) -> None:
    answer = call("POST", "/api/v1/things", body=BODY, claims=claims)
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scope", ["", "things:read", "things:writes ops", None])
def test_a_missing_scope_is_403_before_anything_is_read(call: Callable[..., Any], scope: str | None) -> None:
    answer = call("POST", "/api/v1/things", body="no json", query={"no": "such"}, claims=CLAIMS | {"scope": scope})
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert "things:write" in answer.json["detail"]
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", ["things:write", "ops things:write", "[ops things:write]"])
def test_the_caller_comes_from_the_token(call: Callable[..., Any], scope: str) -> None:
    answer = call("POST", "/api/v1/things", body=BODY, claims=CLAIMS | {"scope": scope})
    assert answer.status == 202
    assert (answer.json["tenant"], answer.json["user"]) == ("tenant-3", "user-7")
    assert answer.headers["Location"] == "/api/v1/things/t1"


@pytest.mark.parametrize(
    "thing_id", ["province_广东省_20231121_143052_1a2b3c4d", "a b", "a-b.c~d", "a%b", "x/y", "é&=+;,@"]
)
def test_path_parameters_arrive_decoded(call: Callable[..., Any], thing_id: str) -> None:
    assert call("GET", f"/api/v1/things/{quote(thing_id, safe='')}").json["thing_id"] == thing_id


def test_a_path_parameter_may_come_unencoded(call: Callable[..., Any]) -> None:
    """API Gateway decodes rawPath in some set-ups."""
    assert call("GET", "/api/v1/things/province_广东省_1").json["thing_id"] == "province_广东省_1"


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED,FAILED", "广东 省"])
def test_query_values_arrive_whole(call: Callable[..., Any], status: str) -> None:
    answer = call("GET", "/api/v1/things", query={"status": status, "page": "3", "page_size": "20"})
    assert answer.json["items"] == [{"thing_id": "t40", "title": status, "created_at": "2023-11-21T14:30:52.123Z"}]
    assert {k: v for k, v in answer.json.items() if k != "items"} == {
        "page": 3,
        "page_size": 20,
        "total": 41,
        "pages": 3,
    }


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5", "8e03978e-40d5"),
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("a,b", "a,b"),
        ("x" * 255, "x" * 255),
        (None, None),
    ],
)
def test_idempotency_key(call: Callable[..., Any], header: str | None, key: str | None) -> None:
    assert parse_idempotency_key(header) == key
    headers = {} if header is None else {"idempotency-key": header}
    assert call("POST", "/api/v1/things", body=BODY, headers=headers).json["key"] == key


@pytest.mark.parametrize("header", ["", " ", '""', "x" * 256, '"open', '"a"b"', "ключ", "a\tb"])
def test_a_wrong_idempotency_key_is_400(call: Callable[..., Any], header: str) -> None:
    answer = call("POST", "/api/v1/things", body=BODY, headers={"Idempotency-Key": header})
    assert answer.status == 400
    assert [e["pointer"] for e in answer.json["errors"]] == ["header/idempotency-key"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ORDERS = st.fixed_dictionaries({}, optional={"kind": JSON, "params": JSON | st.just(BODY["params"]), "priority": JSON})


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.text() | st.binary() | JSON.map(json.dumps) | ORDERS.map(json.dumps))
def test_no_body_is_our_fault(call: Callable[..., Any], body: str | bytes) -> None:
    assert call("POST", "/api/v1/things", body=body).status in (202, 400, 422)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.text(), query=st.dictionaries(st.text(), st.text(), max_size=3), header=st.text())
def test_no_request_line_or_header_is_our_fault(
    call: Callable[..., Any], path: str, query: dict[str, str], header: str
) -> None:
    headers = dict.fromkeys(("if-none-match", "if-modified-since", "accept-encoding", "content-type"), header)
    for target in (f"/{path}", f"/api/v1/things/{path}", "/api/v1/things"):
        assert call("GET", target, query=query, headers=headers).status in (200, 304, 400, 404, 405)


def test_no_setting_makes_it_print_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], http_event: Callable[..., Any]
) -> None:
    monkeypatch.setenv("POWERTOOLS_DEV", "true")
    headers = {"authorization": "Bearer a-token"}
    make_app().resolve(http_event("GET", "/", headers=headers), None)  # type: ignore[arg-type]
    assert "a-token" not in capsys.readouterr().out
