"""Whatever goes wrong, the caller gets a problem document with the right status, and no inside view."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from longhaul.http.problems import pointer

GOOD = {"kind": "full", "params": {"province": "广东省"}}


@pytest.fixture
def refused(call: Callable[..., Any]) -> Callable[..., Any]:
    """The problem a request is answered with, checked for what every problem has."""

    def send(method: str, path: str, **request: Any) -> Any:
        answer = call(method, path, **request)
        problem = answer.json
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert problem["status"] == answer.status
        assert problem["type"] == f"urn:longhaul:problem:{problem['code']}"
        assert problem["request_id"] == "JKJaXmPLvHcESHA=" == answer.headers["X-Request-Id"]
        assert problem["title"]
        assert problem["detail"]
        return problem | {"headers": answer.headers}

    return send


@pytest.mark.parametrize(
    ("loc", "expected"),
    [
        (("body",), ""),
        (("body", "params", "province"), "/params/province"),
        (("body", "items", 0, "a/b~c"), "/items/0/a~1b~0c"),
        (("query", "page"), "query/page"),
        (("header", "Idempotency-Key"), "header/Idempotency-Key"),
    ],
)
def test_pointer(loc: tuple[str | int, ...], expected: str) -> None:
    assert pointer(loc) == expected


def test_invalid_body_is_422_with_each_place(refused: Callable[..., Any]) -> None:
    problem = refused("POST", "/api/v1/things", body={"params": {"province": "粤"}, "priority": 99})
    assert problem["status"] == 422
    assert problem["code"] == "invalid_request"
    assert {e["pointer"] for e in problem["errors"]} == {"/kind", "/params/province", "/priority"}
    assert all(set(e) == {"pointer", "detail"} and e["detail"] for e in problem["errors"])
    assert "粤" not in problem["detail"], "what was sent is not echoed"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {}, 400, "malformed_body"),
        ("", {}, 400, "malformed_body"),
        (None, {}, 400, "malformed_body"),
        ('{"a": NaN}', {}, 400, "malformed_body"),
        ('{"a": 1' + "0" * 5000 + "}", {}, 400, "malformed_body"),
        ('{"kind": "\\ud800"}', {}, 400, "malformed_body"),
        ("[" * 100_000, {}, 400, "malformed_body"),
        (b"\xff\xfe{}", {}, 400, "malformed_body"),
        ("[]", {}, 422, "invalid_request"),
        ('[{"kind": "full", "params": {"province": "广东省"}}]', {}, 422, "invalid_request"),
        ("null", {}, 422, "invalid_request"),
        ('"kind"', {}, 422, "invalid_request"),
        ("kind=full", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ("{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ("{}", {"content-type": "application/jsonp"}, 415, "unsupported_media_type"),
        ('{"kind": "' + "x" * 1_000_000 + '"}', {}, 413, "body_too_large"),
        (('{"kind": "' + "字" * 340_000 + '"}').encode(), {}, 413, "body_too_large"),
        (b" " * 2_000_000, {}, 413, "body_too_large"),
    ],
)
def test_unusable_bodies(
    refused: Callable[..., Any], body: str | bytes | None, headers: dict[str, str], status: int, code: str
) -> None:
    problem = refused("POST", "/api/v1/things", body=body, headers=headers)
    assert (problem["status"], problem["code"]) == (status, code)
    assert len(problem["detail"]) < 200


@pytest.mark.parametrize(
    "media_type", [None, "application/json", "Application/JSON; charset=utf-8", "application/a+json"]
)
@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "base64"])
def test_a_json_body_is_read(call: Callable[..., Any], media_type: str | None, encode: Callable[[str], Any]) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    text = '{"kind": "full", "params": {"province": "广东省"}, "priority": 0}'
    answer = call("POST", "/api/v1/things", body=encode(text), headers=headers)
    assert answer.status == 202
    assert answer.json["order"] == {"kind": "full", "params": {"province": "广东省"}, "priority": 0}


@pytest.mark.parametrize(("number", "read"), [("7", 7), ("7.0", 7), ("0.7e1", 7), ("-0.0", 0)])
def test_an_integer_is_what_json_schema_says(call: Callable[..., Any], number: str, read: int) -> None:
    text = f'{{"kind": "full", "params": {{"province": "广东省"}}, "priority": {number}}}'
    answer = call("POST", "/api/v1/things", body=text)
    assert (answer.status, answer.json["order"]["priority"]) == (202, read)


@pytest.mark.parametrize("number", ["7.5", '"7"', "true", "1e999", "1e300"])
def test_nothing_else_is_an_integer(refused: Callable[..., Any], number: str) -> None:
    text = f'{{"kind": "full", "params": {{"province": "广东省"}}, "priority": {number}}}'
    assert refused("POST", "/api/v1/things", body=text)["status"] == 422


def test_a_body_may_just_have_a_megabyte(call: Callable[..., Any]) -> None:
    frame = '{"params": {"province": "广东省"}, "kind": "%s"}'
    body = frame % ("x" * (1_000_000 - len((frame % "").encode())))
    assert len(body.encode()) == 1_000_000
    assert call("POST", "/api/v1/things", body=body).status == 202


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"page": "0"}, "query/page"),
        ({"page": "-1"}, "query/page"),
        ({"page": "one"}, "query/page"),
        ({"page": "1,2"}, "query/page"),
        ({"page": "1_0"}, "query/page"),
        ({"page": " 10"}, "query/page"),
        ({"page_size": "1e1_0"}, "query/page_size"),
        ({"page_size": "1001"}, "query/page_size"),
        ({"page_size": ""}, "query/page_size"),
        ({"stauts": "FAILED"}, "query/stauts"),
        ({"page": "502"}, "query/page"),
    ],
)
def test_wrong_query_parameters_are_400(refused: Callable[..., Any], query: dict[str, str], place: str) -> None:
    problem = refused("GET", "/api/v1/things", query=query)
    assert problem["status"] == 400
    assert [e["pointer"] for e in problem["errors"]] == [place]


def test_a_page_too_deep_names_the_cursor(refused: Callable[..., Any]) -> None:
    problem = refused("GET", "/api/v1/things", query={"page": "12", "page_size": "1000"})
    assert (problem["status"], problem["code"]) == (400, "page_too_deep")
    assert "cursor" in problem["detail"]


def test_an_unknown_parameter_is_told_what_is_known(refused: Callable[..., Any]) -> None:
    problem = refused("GET", "/api/v1/things", query={"stauts": "FAILED"})
    assert "page, page_size, status" in problem["errors"][0]["detail"]


def test_parameters_outrank_the_body(refused: Callable[..., Any]) -> None:
    problem = refused("POST", "/api/v1/things", body={}, headers={"Idempotency-Key": ""})
    assert problem["status"] == 400
    assert problem["errors"][0]["pointer"] == "header/idempotency-key"


@pytest.mark.parametrize(
    ("thing", "status", "code", "retryable", "header"),
    [
        ("done", 409, "illegal_transition", False, None),
        ("full", 503, "lane_full", True, ("Retry-After", "5")),
        ("throttled", 503, "provider_throttled", True, ("Retry-After", "3")),
        ("gone", 404, "not_found", False, None),
        ("broken", 500, "internal_error", False, None),
        ("odd", 500, "internal_error", False, None),
    ],
)
def test_raised_errors(
    refused: Callable[..., Any], thing: str, status: int, code: str, retryable: bool, header: tuple[str, str] | None
) -> None:
    problem = refused("POST", f"/api/v1/things/{thing}/cancel")
    assert (problem["status"], problem["code"], problem["retryable"]) == (status, code, retryable)
    assert problem["instance"] == f"/api/v1/things/{thing}/cancel"
    if header:
        assert problem["headers"][header[0]] == header[1]


def test_a_conflict_says_what_is_possible(refused: Callable[..., Any]) -> None:
    problem = refused("POST", "/api/v1/things/done/cancel")
    assert (problem["status"], problem["task_status"], problem["allowed_actions"]) == (409, "SUCCEEDED", ["retry"])
    assert problem["detail"] == "It is over."


@pytest.mark.parametrize(("thing", "secret"), [("broken", "hunter2"), ("full", "db-7")])
def test_what_a_server_error_says_stays_inside(refused: Callable[..., Any], thing: str, secret: str) -> None:
    assert secret not in str(refused("POST", f"/api/v1/things/{thing}/cancel"))


def test_an_unexpected_error_is_logged_with_its_trace(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from longhaul.observability import logger

    seen: list[logging.LogRecord] = []
    monkeypatch.setattr(logger.handlers[0], "emit", seen.append)
    call("POST", "/api/v1/things/broken/cancel")
    [record] = [r for r in seen if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])
    assert vars(record)["gateway_request_id"] == "JKJaXmPLvHcESHA="


def test_an_answer_that_breaks_its_own_schema_is_ours(refused: Callable[..., Any]) -> None:
    assert refused("GET", "/api/v1/wrong")["status"] == 500


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/nothing", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/api/v1/things/", 404, None),
        ("GET", "/api/v1/no{thing}", 404, None),
        ("DELETE", "/api/v1/things", 405, "GET, POST"),
        ("GET", "/api/v1/things/t1/cancel", 405, "POST"),
        ("GET", "/api/v1/things/all", 405, "POST"),  # a path of its own, not the thing named "all"
        ("OPTIONS", "/api/v1/things", 405, "GET, POST"),
    ],
)
def test_no_such_route(refused: Callable[..., Any], method: str, path: str, status: int, allow: str | None) -> None:
    problem = refused(method, path, query={"any": "thing"})
    assert problem["status"] == status
    assert problem["headers"].get("Allow") == allow


def test_instance_is_a_uri_reference(refused: Callable[..., Any]) -> None:
    problem = refused("POST", "/api/v1/things/广东省/none")
    assert problem["instance"] == "/api/v1/things/%E5%B9%BF%E4%B8%9C%E7%9C%81/none"
