"""Requests that no HTTP library would send, byte by byte: each is answered by a problem."""

import json
import socket
from typing import Any, NamedTuple

import pytest

from local.running import RunningStack


class Raw(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def send(stack: RunningStack, data: bytes) -> Raw:
    with socket.create_connection(("127.0.0.1", stack.options.port), timeout=20) as connection:
        return send_on(connection, data)


def send_on(connection: socket.socket, data: bytes) -> Raw:
    connection.sendall(data)
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(part.lower().split(": ", 1) for part in lines)
    return Raw(int(line.split()[1]), headers, body)


def raw(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", body])


def refused(answer: Raw) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer
    problem: dict[str, Any] = json.loads(answer.body)
    assert {"type", "title", "detail", "instance", "retryable", "request_id"} <= problem.keys()
    assert problem["status"] == answer.status
    return answer.status, problem["code"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (raw(b"GET /open/" + b"x" * 9_000), 414, "uri_too_long"),
        (raw(b"GET /open/" + b"x" * 200_000), 414, "uri_too_long"),
        (raw(b"GET /open/hello?q=" + b"%E5%8C%BB" * 1_000), 414, "uri_too_long"),
        (raw(b"GET /open/hello", b"X-Long: " + b"y" * 11_000), 431, "headers_too_large"),
        (raw(b"GET /open/hello", *(b"X-%d: many" % number for number in range(2_000))), 431, "headers_too_large"),
        (raw(b"GET /open/hello", b"X-Name: \xc4\xe3\xba\xc3"), 400, "malformed_header"),
        (raw(b"GET /open/\xff\xfe"), 400, "malformed_request"),
        (raw(b"GET http://[::1"), 400, "malformed_request"),
        (raw(b"POST /orders", b"Content-Length: many"), 400, "malformed_request"),
        (raw(b"BREW /open/hello"), 501, "unknown_method"),
        (raw(b"GET /no%0Awhere"), 404, "not_found"),
        (raw(b"GET /nowhere%0A"), 404, "not_found"),
        (raw(b"TRACE /open/hello"), 404, "not_found"),
        (raw(b"OPTIONS *"), 404, "not_found"),
    ],
    ids=range(14),
)
def test_what_is_wrong_with_a_request_itself_is_a_problem(
    stack: RunningStack, request_: bytes, status: int, code: str
) -> None:
    assert refused(send(stack, request_)) == (status, code)


def test_a_caller_who_waits_to_be_asked_for_the_body_is(stack: RunningStack) -> None:
    token = f"Authorization: Bearer {stack.token()}".encode()
    head = raw(b"POST /orders", token, b"Transfer-Encoding: chunked", b"Expect: 100-continue")
    with socket.create_connection(("127.0.0.1", stack.options.port), timeout=20) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        answer = send_on(connection, b"2\r\n{}\r\n0\r\n\r\n")
    assert (answer.status, json.loads(answer.body)["body"]) == (201, "e30=")


def test_a_line_just_short_enough_and_a_line_break_in_a_parameter_go_through(stack: RunningStack) -> None:
    answer = send(stack, raw(b"GET /open/" + b"x" * 8_000))
    assert (answer.status, json.loads(answer.body)["mode"]) == (200, "x" * 8_000)
    answer = send(stack, raw(b"GET /open/one%0Atwo", "X-Name: 王芳".encode()))
    assert (answer.status, json.loads(answer.body)["mode"]) == (200, "one\ntwo")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_reaches_its_function_with_its_length(stack: RunningStack, chunked: bool) -> None:
    """By which the function sees that bytes which are not UTF-8 were exchanged for others."""
    token, gbk = f"Authorization: Bearer {stack.token()}".encode(), "茶".encode("gbk")
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(gbk), gbk) if chunked else gbk
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(gbk)
    answer = send(stack, raw(b"POST /orders", token, b"Content-Type: application/json", length, body=sent))
    event = json.loads(answer.body)
    assert (event["body"], event["length"]) == ("\ufffd\ufffd", "2")
