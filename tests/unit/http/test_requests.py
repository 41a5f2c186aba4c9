"""Who calls, with what: identity, scopes, path parameters, the Idempotency-Key."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from longhaul import settings
from longhaul.http import idempotency, make_app, parse_idempotency_key

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


NO_IDS = {
    "empty": "",
    "a space": " ",
    "trailing space": "acme ",
    "leading space": " acme",
    "no-break space": "acme\u00a0",
    "ideographic space": "\u3000acme",
    "line separator": "acme\u2028",
    "tab": "acme\t",
    "newline": "acme\n",
    "newline within": "ac\nme",
    "NUL": "ac\0me",
    "delete": "ac\x7fme",
    "next line": "ac\x85me",
    "half a pair": "ac\ud800me",
    "no value": "null",
    "a list": '["acme"]',
    "an object": '{"id":1}',
}


@pytest.mark.parametrize("claim", ["tenant_id", "sub"])
@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS)
def test_what_cannot_be_an_id_is_nobody(call: Callable[..., Any], claim: str, value: str) -> None:
    answer = call("POST", "/api/v1/things", body=BODY, claims=CLAIMS | {claim: value})
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert claim in answer.json["detail"]


@pytest.mark.parametrize(("claim", "longest"), [("tenant_id", 64), ("sub", 255)])
def test_a_claim_has_so_many_characters_at_most(call: Callable[..., Any], claim: str, longest: int) -> None:
    assert call("POST", "/api/v1/things", body=BODY, claims=CLAIMS | {claim: "医" * longest}).status == 202
    assert call("POST", "/api/v1/things", body=BODY, claims=CLAIMS | {claim: "医" * (longest + 1)}).status == 401


@pytest.mark.parametrize(
    ("prefix", "claims", "status"),
    [
        ("", {"scp": "things:write"}, 202),
        ("", {"scp": "[ops things:write]"}, 202),
        ("", {"scope": "things:read", "scp": "things:write"}, 202),
        ("", {"scp": "things:read"}, 403),
        ("https://api.example/", {"scope": "openid https://api.example/things:write"}, 202),
        ("https://api.example/", {"scp": "[https://api.example/things:write]"}, 202),
        ("https://api.example/", {"scope": "things:write"}, 403),
        ("https://api.example/", {"scope": "https://other.example/things:write"}, 403),
    ],
)
def test_scopes_are_in_either_claim_and_after_the_prefix(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, prefix: str, claims: dict[str, str], status: int
) -> None:
    monkeypatch.setenv("SCOPE_PREFIX", prefix)
    settings.of.cache_clear()
    who = {name: value for name, value in CLAIMS.items() if name != "scope"}
    assert call("POST", "/api/v1/things", body=BODY, claims=who | claims).status == status


@pytest.mark.parametrize("scope", ["things:write", "ops things:write", "[ops things:write]"])
def test_the_caller_comes_from_the_token(call: Callable[..., Any], scope: str) -> None:
    answer = call("POST", "/api/v1/things", body=BODY, claims=CLAIMS | {"scope": scope})
    assert answer.status == 202
    assert (answer.json["tenant"], answer.json["user"]) == ("tenant-3", "user-7")
    assert answer.headers["Location"] == "/api/v1/things/t1"


@pytest.mark.parametrize(
    "thing_id",
    ["province_广东省_20231121_143052_1a2b3c4d", "a b", "a-b.c~d", "a%b", "a%41", "é&=+;,@", '?#"\\', "😀", "a\n"],
)
def test_a_path_parameter_arrives_as_the_gateway_decoded_it(call: Callable[..., Any], thing_id: str) -> None:
    """An HTTP API decodes rawPath once; decoded once more `a%41` would be `aA`."""
    assert call("GET", f"/api/v1/things/{thing_id}").json["thing_id"] == thing_id


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED,FAILED", "广东 省"])
def test_query_values_arrive_whole(call: Callable[..., Any], status: str) -> None:
    answer = call("GET", "/api/v1/things", query={"status": status, "page": "3", "page_size": "20"})
    assert answer.json["items"] == [{"thing_id": "t40", "title": status, "created_at": "2023-11-21T14:30:52.123Z"}]
    assert {k: v for k, v in answer.json.items() if k != "items"} == {
        "page": 3,
        "page_size": 20,
        "total": 41,
        "more": False,
        "pages": 3,
        "next_cursor": None,
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
    assert header is None or re.fullmatch(idempotency.PATTERN, header.strip()), "the document says otherwise"
    headers = {} if header is None else {"idempotency-key": header}
    assert call("POST", "/api/v1/things", body=BODY, headers=headers).json["key"] == key


@pytest.mark.parametrize("header", ["", " ", '""', "x" * 256, '"open', '"a"b"', "ключ", "a\tb"])
def test_a_wrong_idempotency_key_is_400(call: Callable[..., Any], header: str) -> None:
    assert not re.fullmatch(idempotency.PATTERN, header), "the document says otherwise"
    answer = call("POST", "/api/v1/things", body=BODY, headers={"Idempotency-Key": header})
    assert answer.status == 400
    assert [e["pointer"] for e in answer.json["errors"]] == ["header/idempotency-key"]


CHINESE = json.dumps(BODY, ensure_ascii=False)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ('Application/JSON;charset="UTF8"', 202),
        ("application/problem+json ; charset=us-ascii", 202),
        ("", 202),
        ("application/json; charset=gbk", 415),
        ('application/json; charset="GB18030"', 415),
        ("application/json; charset*=utf-16''utf-16", 415),
        ("application/json; charset=latin-1", 415),
        ("text/json", 415),
        ("json", 415),
    ],
)
def test_a_body_is_json_in_utf_8(call: Callable[..., Any], content_type: str, status: int) -> None:
    answer = call("POST", "/api/v1/things", body=CHINESE, headers={"content-type": content_type})
    assert answer.status == status
    if status == 415:
        assert answer.json["code"] == "unsupported_media_type"
        assert "UTF-8" in answer.json["detail"]


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 202), ("", 202)])
def test_a_body_is_not_compressed(call: Callable[..., Any], encoding: str, status: int) -> None:
    answer = call("POST", "/api/v1/things", body=CHINESE, headers={"content-encoding": encoding})
    assert answer.status == status
    if encoding == "gzip":
        assert "gzip" in answer.json["detail"]


def test_bytes_that_the_gateway_could_not_read_are_not_stored(call: Callable[..., Any]) -> None:
    """It passes them as U+FFFD; a caller may send that sign itself, and then the length is right."""
    sent = CHINESE.encode("gbk")
    read = sent.decode("utf-8", errors="replace")
    answer = call("POST", "/api/v1/things", body=read, headers={"content-length": str(len(sent))})
    assert (answer.status, answer.json["code"]) == (400, "malformed_body")
    assert "UTF-8" in answer.json["detail"]

    meant = CHINESE.replace("广", "\ufffd")
    answer = call("POST", "/api/v1/things", body=meant, headers={"content-length": str(len(meant.encode()))})
    assert answer.json["order"]["params"]["province"] == "\ufffd东省"


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
