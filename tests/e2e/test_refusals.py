"""Bad input through the real gateway: refused with a problem that names what is wrong, never a 500, never a trace."""

import json
import urllib.error
import urllib.request
from typing import Any

import jwt
import pytest

from local.gateway.tokens import AUDIENCE, Issuer
from local.running import Answer, RunningStack
from tests.observation import KIND, Observer, path_of

TASKS = "/api/v1/tasks"
UNSUPPORTED = "unsupported_media_type"
GOOD = {"kind": KIND, "params": {"province": "澳门"}}


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem, in the shape that RFC 9457 gives it."""
    assert answer.status == status, answer.body.decode()[:500]
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert {"type", "title", "detail", "instance", "request_id"} <= problem.keys()
    assert "Traceback" not in answer.body.decode()
    return problem


def submitted(caller: Observer) -> int:
    """How many tasks there are."""
    (row,) = caller.sql("SELECT COUNT(*) AS tasks FROM tasks")
    return int(row["tasks"])


def signed(stack: RunningStack, **changes: Any) -> str:
    """A good token with some claims changed, signed with the right key."""
    issuer = Issuer(stack.options.state, stack.options.port)
    claims = jwt.decode(issuer.token("local", "ada"), issuer.public_key, ["RS256"], audience=AUDIENCE)
    key = (stack.options.state / "issuer.pem").read_text()
    return jwt.encode({**claims, **changes}, key, "RS256", headers={"kid": "local"})


def test_no_token_or_a_wrong_one(caller: Observer, stack: RunningStack) -> None:
    tokens = {
        "none": "",
        "nonsense": "a.b.c",
        "expired": stack.token(hours=-1),
        "another audience": signed(stack, aud="another"),
        "another issuer": signed(stack, iss="https://elsewhere.example"),
    }
    for path in (TASKS, f"{TASKS}/some", "/api/v1/provinces"):
        for name, token in tokens.items():
            answer = caller.request("GET", path, token=token)
            refused(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer"), name


@pytest.mark.parametrize("claim", ["tenant_id", "sub"])
def test_a_token_whose_tenant_or_user_cannot_be_an_id(caller: Observer, stack: RunningStack, claim: str) -> None:
    before = submitted(caller)
    for value in (
        "",
        " ",
        "local ",
        " local",
        "local\u00a0",
        "\u3000local",
        "local\t",
        "lo\ncal",
        "lo\0cal",
        "x" * 256,
    ):
        token = signed(stack, **{claim: value})
        for method, path in (("GET", TASKS), ("GET", f"{TASKS}/active"), ("POST", TASKS), ("DELETE", TASKS)):
            answer = caller.request(method, path, token=token, json=GOOD if method == "POST" else None)
            assert claim in refused(answer, 401, "unauthenticated")["detail"], repr(value)
    refused(caller.request("GET", TASKS, token=signed(stack, **{claim: "\ud800"})), 401, "unauthorized")
    assert submitted(caller) == before


def test_a_long_subject_and_scopes_in_the_other_claim_are_good(caller: Observer, stack: RunningStack) -> None:
    token = signed(stack, sub="用" * 255, scope="", scp=["tasks:read", "tasks:write"])
    assert caller.request("GET", TASKS, token=token).status == 200
    assert caller.request("POST", TASKS, token=token, json=GOOD).status == 202


@pytest.mark.parametrize("own_id", ["a%2541", "a%3Fb", "a%23b", "a%22b", "a%5Cb", "a%20b"])
def test_an_id_that_cannot_be_one_is_refused_in_a_path(caller: Observer, own_id: str) -> None:
    answer = caller.request("PUT", f"/api/v1/role-tasks/{own_id}/products", json={"items": []})
    assert "an id is 1 to 64 characters" in refused(answer, 422, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", TASKS, ["tasks:read", "directory:read"]),
        ("GET", TASKS, ["tasks:write", "directory:read"]),
        ("GET", "/api/v1/provinces", ["tasks:read", "tasks:write"]),
    ],
)
def test_a_token_without_the_scope(
    caller: Observer, stack: RunningStack, method: str, path: str, scopes: list[str]
) -> None:
    before = submitted(caller)
    token = stack.token(scopes=scopes)
    answer = caller.request(method, path, token=token, json=GOOD if method == "POST" else None)
    refused(answer, 403, "insufficient_scope")
    assert submitted(caller) == before


def test_another_tenants_task_is_not_there(observer: Observer, stack: RunningStack) -> None:
    # GIVEN a task of ours, and a caller of another tenant with every scope
    observer.sql("UPDATE lanes SET paused = 1")
    task_id = observer.submit("澳门")
    row, theirs = observer.task(task_id), stack.token(tenant="another")

    # THEN to them it is as if it did not exist, and nothing they do changes it
    for method, path in (("GET", path_of(task_id)), ("POST", f"{path_of(task_id)}/cancel")):
        problem = refused(observer.request(method, path, token=theirs), 404, "not_found")
        unknown = observer.request(method, path.replace("province", "provinces"), token=theirs)
        assert refused(unknown, 404, "not_found")["title"] == problem["title"]
    assert observer.request("GET", TASKS, token=theirs).json()["items"] == []
    assert observer.request("GET", f"{TASKS}/active", token=theirs).json()["items"] == []
    assert observer.task(task_id) == row


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"params": {"province": "澳门"}}, 422, "invalid_request", "/kind"),
        ({"kind": "no_such", "params": {}}, 422, "unknown_kind", "/kind"),
        ({"kind": 7, "params": {}}, 422, "invalid_request", "/kind"),
        ({"kind": KIND, "params": {}}, 422, "invalid_request", "/params/province"),
        ({"kind": KIND, "params": {"province": 44}}, 422, "invalid_request", "/params/province"),
        ({"kind": KIND, "params": {"province": "澳门", "city": "x"}}, 422, "invalid_request", "/params/city"),
        ({"kind": KIND, "params": []}, 422, "invalid_request", "/params"),
        ({**GOOD, "priority": "soon"}, 422, "invalid_request", "/priority"),
        ({**GOOD, "colour": "red"}, 422, "invalid_request", "/colour"),
        ({"kind": "hospital_full_refresh", "params": {"province": "澳门"}}, 422, "invalid_request", "/params/province"),
    ],
)
def test_a_submission_that_is_wrong_names_the_field(
    caller: Observer, body: Any, status: int, code: str, pointer: str
) -> None:
    before = submitted(caller)
    problem = refused(caller.request("POST", TASKS, json=body), status, code)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert submitted(caller) == before


def test_an_unknown_province_names_the_nearest(caller: Observer) -> None:
    answer = caller.request("POST", TASKS, json={"kind": KIND, "params": {"province": "广州省"}})
    (error,) = refused(answer, 422, "invalid_request")["errors"]
    assert error["pointer"] == "/params/province"
    assert "广东省" in error["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"kind": ', "application/json", 400, "malformed_body"),
        (b"\xff\xfe", "application/json", 400, "malformed_body"),
        (b"", "application/json", 400, "malformed_body"),
        (b"[" * 100_000, "application/json", 400, "malformed_body"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b"kind=x", "application/x-www-form-urlencoded", 415, UNSUPPORTED),
        (b'{"title": "' + b"x" * 2_000_000 + b'"}', "application/json", 413, "body_too_large"),
        (json.dumps(GOOD, ensure_ascii=False).encode("gbk"), "application/json", 400, "malformed_body"),
        (json.dumps(GOOD, ensure_ascii=False).encode("gbk"), "application/json; charset=gbk", 415, UNSUPPORTED),
        (json.dumps(GOOD, ensure_ascii=False).encode(), "application/json; charset=gbk", 415, UNSUPPORTED),
    ],
    ids=["cut off", "no text", "empty", "deep", "a list", "a form", "2 MB", "GBK", "GBK, and says so", "says GBK"],
)
def test_a_body_that_is_no_json_object(
    caller: Observer, body: bytes, content_type: str, status: int, code: str
) -> None:
    before = submitted(caller)
    request = urllib.request.Request(caller.stack.url + TASKS, body, method="POST")
    request.add_header("Authorization", f"Bearer {caller.token}")
    request.add_header("Content-Type", content_type)
    with pytest.raises(urllib.error.HTTPError) as answered, urllib.request.urlopen(request, timeout=30):
        pass
    with answered.value as error:
        headers = {name.lower(): value for name, value in error.headers.items()}
        refused(Answer(error.code, headers, error.read()), status, code)
    assert submitted(caller) == before


@pytest.mark.parametrize("path", [TASKS, "/api/v1/hospitals", "/api/v1/provinces"])
@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page_size=0", "page_size=1000000000", "page_size=1e3"]
)
def test_a_page_out_of_bounds_names_the_parameter(caller: Observer, path: str, query: str) -> None:
    problem = refused(caller.request("GET", f"{path}?{query}"), 400, "invalid_parameter")
    assert [error["pointer"] for error in problem["errors"]] == [f"query/{query.split('=')[0]}"]


def test_a_page_too_deep_an_unknown_filter_and_unknown_places(caller: Observer) -> None:
    deep = caller.request("GET", f"{TASKS}?page=1000000000")
    assert refused(deep, 400, "page_too_deep")["errors"][0]["pointer"] == "query/page"
    unknown = caller.request("GET", f"{TASKS}?colour=red")
    assert refused(unknown, 400, "invalid_parameter")["errors"][0]["pointer"] == "query/colour"
    assert refused(caller.request("GET", f"{TASKS}?status=DONE"), 400, "invalid_parameter")
    refused(caller.request("GET", "/api/v1/provinces/990000/cities"), 404, "not_found")
    assert refused(caller.request("GET", "/api/v1/provinces/44/cities"), 400, "invalid_parameter")
    refused(caller.request("GET", "/api/v1/nowhere"), 404, "not_found")


def test_an_idempotency_key_makes_one_task_of_one_body(observer: Observer) -> None:
    # GIVEN a submission with a key
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first = observer.request("POST", TASKS, json=GOOD, headers=key)

    # WHEN it is sent again, also while it is at work, THEN it is the same task
    again = observer.request("POST", TASKS, json=GOOD, headers=key)
    assert (first.status, again.status) == (202, 202)
    assert first.headers["location"] == again.headers["location"] == path_of(first.json()["task_id"])
    assert len(observer.sql("SELECT * FROM tasks")) == 1

    # AND with another body it is refused, with another key or tenant it is another task
    other = observer.request("POST", TASKS, json={**GOOD, "priority": "high"}, headers=key)
    (error,) = refused(other, 422, "idempotency_key_reused")["errors"]
    assert error["pointer"] == "header/Idempotency-Key"
    observer.request("POST", TASKS, json=GOOD, headers={"Idempotency-Key": "another"})
    theirs = observer.request("POST", TASKS, json=GOOD, headers=key, token=observer.stack.token(tenant="another"))
    assert theirs.status == 202
    assert len(observer.sql("SELECT * FROM tasks")) == 3


@pytest.mark.parametrize(
    ("path", "allowed", "methods"),
    [
        (TASKS, "DELETE, GET, POST", ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"]),
        (f"{TASKS}/no_such_task", "GET, PATCH", ["PUT", "POST", "DELETE", "HEAD", "OPTIONS"]),
        ("/api/v1/role-tasks/T%201/products", "PUT", ["GET", "POST"]),
        ("/openapi.json", "GET", ["PUT", "HEAD"]),
    ],
)
def test_another_method_is_refused_with_those_there_are(
    caller: Observer, path: str, allowed: str, methods: list[str]
) -> None:
    for method in methods:
        answer = caller.request(method, path, token="")
        assert (answer.status, answer.headers["allow"]) == (405, allowed), method
        if method != "HEAD":  # whose answers have no body
            problem = refused(answer, 405, "method_not_allowed")
            assert problem["allowed_methods"] == allowed.split(", ")


@pytest.mark.parametrize("path", ["/api/v1/nowhere", f"{TASKS}%0A", f"{TASKS}/a%0Ab", f"{TASKS}/a/b/c"])
def test_what_is_nowhere_is_not_found(caller: Observer, path: str) -> None:
    refused(caller.request("GET", path), 404, "not_found")


def test_a_browser_asks_first_and_is_answered_for_every_path(caller: Observer) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    for path in (TASKS, "/api/v1/nowhere"):
        answer = caller.request("OPTIONS", path, token="", headers=asked)
        assert answer.status == 204
        assert "cache-control" in answer.headers["access-control-allow-headers"].split(",")
    refused_to_all = caller.request("PUT", TASKS, token="", headers={"Origin": "https://app.example.com"})
    assert "X-Request-Id" in refused_to_all.headers["access-control-expose-headers"].split(",")
