"""The gateway's and the runtime's small parts, each alone."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from local.gateway.payloads import http_response, is_text
from local.gateway.routes import Routes, TokenBucket
from local.gateway.server import Problem
from local.gateway.tokens import AUDIENCE, Issuer, JwtAuthorizer
from local.runtime.api import exited
from local.runtime.pool import Sources
from local.template.model import Authorizer, Route

ROUTE = Route("GET", "/a", "F", authorizer="Jwt", scopes=("tasks:read", "ops"))


def authorizer(issuer: Issuer) -> JwtAuthorizer:
    return JwtAuthorizer({"Jwt": Authorizer(issuer.url, (AUDIENCE,))}, issuer.public_key)


def test_a_good_token_gives_its_claims_and_the_scopes_that_match(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, 4000)
    token = issuer.token("t-1", "u-2", ["ops", "other"])

    identity = authorizer(issuer).identify(ROUTE, f"Bearer {token}")

    assert identity is not None
    assert (identity.claims["tenant_id"], identity.claims["sub"], identity.scopes) == ("t-1", "u-2", ("ops",))
    assert authorizer(issuer).identify(Route("GET", "/b", "F"), None) is None


@pytest.mark.parametrize(
    ("change", "scopes"),
    [({"scp": ["ops", "x"]}, ("ops",)), ({"scp": "tasks:read"}, ("tasks:read",)), ({"scope": ["ops"]}, ("ops",))],
)
def test_scopes_are_a_text_or_a_list_in_either_claim(
    tmp_path: Path, change: dict[str, Any], scopes: tuple[str]
) -> None:
    issuer = Issuer(tmp_path, 4000)
    claims = jwt.decode(issuer.token("t", "u", []), issuer.public_key, ["RS256"], audience=AUDIENCE)
    identity = authorizer(issuer).identify(ROUTE, f"Bearer {jwt.encode(claims | change, issuer._key, 'RS256')}")
    assert identity is not None
    assert identity.scopes == scopes


@pytest.mark.parametrize("change", [{"aud": "other"}, {"iss": "http://other"}, {"exp": None}, {"tenant_id": "\ud800"}])
def test_a_token_with_a_wrong_claim_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    # GIVEN a token of the right key, one of whose claims is wrong or missing
    issuer = Issuer(tmp_path, 4000)
    claims = jwt.decode(issuer.token("t", "u"), issuer.public_key, ["RS256"], audience=AUDIENCE)
    claims = {name: value for name, value in {**claims, **change}.items() if value is not None}
    token = jwt.encode(claims, (tmp_path / "issuer.pem").read_text(), "RS256")

    with pytest.raises(Problem) as refused:
        authorizer(issuer).identify(ROUTE, f"Bearer {token}")
    assert refused.value.status == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, 4000)
    forged = jwt.encode({"aud": AUDIENCE, "iss": issuer.url, "exp": 9999999999}, "x" * 32, "HS256")
    with pytest.raises(Problem, match="not valid"):
        authorizer(issuer).identify(ROUTE, f"Bearer {forged}")


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    first, second = Issuer(tmp_path, 4000), Issuer(tmp_path, 4000)
    assert first.jwks() == second.jwks()
    assert (tmp_path / "issuer.pem").stat().st_mode & 0o777 == 0o600


def test_a_bucket_refills_up_to_its_burst() -> None:
    # GIVEN two requests at once and one in two seconds
    now = 100.0
    bucket = TokenBucket(0.5, 2, clock=lambda: now)

    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now = 102.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 1000.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(0, 0)
    assert all(bucket.take() for _ in range(1000))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/tasks/active", "active"),
        ("GET", "/tasks/7", "one"),
        ("GET", "/tasks/7/8", "greedy"),
        ("POST", "/tasks/7", "any"),
        ("GET", "/else", "default"),
        ("GET", "/tasks.x/7", "default"),
    ],
)
def test_routes(method: str, path: str, expected: str) -> None:
    routes = Routes(
        [
            Route("ANY", "$default", "default"),
            Route("ANY", "/tasks/{id}", "any"),
            Route("GET", "/tasks/{rest+}", "greedy"),
            Route("GET", "/tasks/{id}", "one"),
            Route("GET", "/tasks/active", "active"),
        ]
    )
    found = routes.find(method, path)
    assert found is not None
    assert found[0].function == expected


def test_an_answer_is_decoded() -> None:
    # GIVEN a binary answer with cookies and headers of several values
    body = base64.b64encode(b"\x1f\x8b").decode()
    answer = {
        "statusCode": "206",
        "headers": {"Content-Type": "image/png", "Content-Length": "999"},
        "multiValueHeaders": {"Vary": ["a", "b"]},
        "cookies": ["x=1", "y=2"],
        "isBase64Encoded": True,
        "body": body,
    }

    response = http_response(json.dumps(answer).encode())

    assert (response.status, response.body) == (206, b"\x1f\x8b")
    assert (response.headers["Content-Type"], response.headers["Vary"]) == ("image/png", "a, b")
    assert response.headers.getall("Set-Cookie") == ["x=1", "y=2"]
    assert response.headers.get("Content-Length") != "999"


@pytest.mark.parametrize(("payload", "body"), [(b'{"a": 1}', b'{"a": 1}'), (b'"plain"', b"plain"), (b"null", b"null")])
def test_what_has_no_status_is_the_body(payload: bytes, body: bytes) -> None:
    response = http_response(payload)
    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(
    "payload",
    [b"\xff", b'{"statusCode": "much"}', b'{"statusCode": 200, "body": 7}', b'{"statusCode": 200, "headers": [1]}'],
)
def test_an_odd_answer_is_an_internal_error(payload: bytes) -> None:
    with pytest.raises(Problem) as odd:
        http_response(payload)
    assert odd.value.status == 500


def test_text_and_binary_bodies() -> None:
    assert all(map(is_text, ("application/json; charset=utf-8", "text/plain", "application/problem+json")))
    assert not any(map(is_text, ("image/png", "application/octet-stream", "")))


@pytest.mark.parametrize(("code", "how"), [(-9, "signal: killed"), (-15, "signal: SIGTERM"), (3, "exit status 3")])
def test_how_a_process_ended(code: int, how: str) -> None:
    assert json.loads(exited("r-1", code).payload)["errorMessage"].endswith(how)


def test_sources_count_a_change_an_addition_and_a_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.runtime.pool.SCAN_SECONDS", 0.0)
    (tmp_path / "a.py").write_text("1")
    sources = Sources([tmp_path, tmp_path / "nowhere"])
    versions = [sources.version(), sources.version()]

    (tmp_path / "a.py").write_text("22")
    versions.append(sources.version())
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "q.sql").write_text("SELECT 1")
    versions.append(sources.version())
    (tmp_path / "a.py").unlink()
    versions.append(sources.version())
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    versions.append(sources.version())

    assert versions == [1, 1, 2, 3, 4, 4]
