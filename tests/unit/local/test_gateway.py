"""The HTTP API of the sample stack, over the wire."""

import json

import pytest

from local.__main__ import main
from local.gateway.tokens import Issuer
from local.running import RunningStack, send


def test_health(stack: RunningStack) -> None:
    answer = stack.request("GET", "/health", token="")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})


def test_a_request_reaches_its_function_in_payload_format_2(stack: RunningStack) -> None:
    # WHEN an order is sent by a user of a tenant, its path and query in Chinese
    token = stack.token(tenant="t-7", user="u-8", scopes=["tasks:write", "other"])
    answer = stack.request("POST", "/orders?q=%E5%8C%BB&q=2", token=token, json={"what": "茶"})

    # THEN the function saw it whole, and its answer comes back whole
    body = answer.json()
    assert answer.status == 201
    assert body["route"] == "POST /orders"
    assert json.loads(body["body"]) == {"what": "茶"}
    assert body["query"] == {"q": "医,2"}
    claims = body["claims"]
    assert (claims["tenant_id"], claims["sub"], claims["scope"]) == ("t-7", "u-8", "tasks:write other")
    assert claims["exp"].isdigit()
    assert answer.headers["etag"] == '"7"'
    assert answer.headers["content-type"] == "application/json"


def test_the_most_specific_route_wins_and_parameters_are_decoded(stack: RunningStack) -> None:
    assert stack.request("GET", "/orders/active").json()["route"] == "GET /orders/active"

    body = stack.request("GET", "/orders/%E7%9C%81_1").json()
    assert (body["route"], body["parameters"], body["path"]) == ("GET /orders/{id}", {"id": "省_1"}, "/orders/省_1")

    body = stack.request("GET", "/orders/a%2541").json()
    assert (body["parameters"], body["path"]) == ({"id": "a%41"}, "/orders/a%41"), "once, as an HTTP API does"


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("", 401, "unauthorized"),
        ("nonsense", 401, "unauthorized"),
        ("expired", 401, "unauthorized"),
        ("foreign", 401, "unauthorized"),
        ("read only", 403, "insufficient_scope"),
    ],
)
def test_a_token_is_checked(
    stack: RunningStack, tmp_path_factory: pytest.TempPathFactory, token: str, status: int, code: str
) -> None:
    # GIVEN tokens that should not open the door
    if token == "expired":
        token = stack.token(hours=-1)
    elif token == "foreign":
        token = Issuer(tmp_path_factory.mktemp("other"), stack.options.port).token("local", "mallory")
    elif token == "read only":
        token = stack.token(scopes=["tasks:read"])

    # WHEN an order is sent with one
    answer = stack.request("POST", "/orders", token=token, json={})

    # THEN it is refused as a problem that says how to do better
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["instance"]) == (status, code, "/orders")
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "code", "retryable", "request_id"}
    assert problem["request_id"] == answer.headers["apigw-requestid"]


@pytest.mark.parametrize("named", ["state", "port"])
def test_a_token_of_the_command_line_is_that_of_the_stack_it_names(
    stack: RunningStack, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stack runs on another port than the usual one, and on another folder."""
    value = {"state": str(stack.options.state), "port": str(stack.options.port)}[named]
    assert main(["token", f"--{named}", value, "--tenant", "other"]) == 0
    answer = stack.request("GET", "/orders/7", token=capsys.readouterr().out.strip())
    assert (answer.status, answer.json()["claims"]["tenant_id"]) == (201, "other")


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/orders/7")])
def test_an_unknown_route(stack: RunningStack, method: str, path: str) -> None:
    answer = stack.request(method, path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("mode", "status"), [("raise", 500), ("die", 500), ("odd", 500)])
def test_a_function_that_fails_is_a_problem_without_a_trace(stack: RunningStack, mode: str, status: int) -> None:
    answer = stack.request("GET", f"/open/{mode}", token="")
    assert (answer.status, answer.json()["status"]) == (status, status)
    assert b"Traceback" not in answer.body
    assert b"OutOfStock" not in answer.body


def test_an_answer_without_a_status_is_the_body(stack: RunningStack) -> None:
    answer = stack.request("GET", "/open/hello", token="")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["mode"] == "hello"


def test_a_route_is_throttled_alone(stack: RunningStack) -> None:
    # GIVEN a route that takes two requests at once, and then one in 100 s
    statuses = [stack.request("GET", "/rare", token="").status for _ in range(3)]

    assert statuses == [201, 201, 429]
    refused = stack.request("GET", "/rare", token="")
    problem = refused.json()
    assert (refused.headers["retry-after"], problem["code"], problem["retryable"]) == ("1", "throttled", True)
    assert stack.request("GET", "/open/hello", token="").status == 200


def test_a_body_over_ten_megabytes(stack: RunningStack) -> None:
    answer = stack.request("POST", "/orders", json="x" * (10 * 1024 * 1024))
    assert (answer.status, answer.json()["code"]) == (413, "too_large")


def test_cors(stack: RunningStack) -> None:
    # WHEN a browser asks first, from the one origin that the template allows
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = stack.request("OPTIONS", "/orders", token="", headers=preflight)

    # THEN it may send, and an answer's CORS headers are the template's, not the function's
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-max-age"] == "60"
    sent = stack.request("GET", "/orders/7", headers={"Origin": "https://shop.example"})
    assert sent.headers["access-control-allow-origin"] == "https://shop.example"
    assert sent.headers["access-control-expose-headers"] == "etag"


def test_another_origin_gets_no_cors_headers(stack: RunningStack) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = stack.request(method, "/orders/7", headers=preflight)
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_issuer_publishes_its_key(stack: RunningStack) -> None:
    issuer = f"{stack.url}/.local/issuer/.well-known"
    configuration = send(f"{issuer}/openid-configuration", "GET", None, {}, 5).json()
    keys = send(configuration["jwks_uri"], "GET", None, {}, 5).json()["keys"]
    assert configuration["issuer"] == f"{stack.url}/.local/issuer"
    assert [(key["kty"], key["alg"]) for key in keys] == [("RSA", "RS256")]
