"""Quotas against DynamoDB's API over HTTP: the bucket's arithmetic, its cost, races, and what a caller is told."""

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from longhaul import aws, settings
from longhaul.aws import dynamodb
from longhaul.errors import Conflict
from longhaul.http import Response, limited, limits, make_app, needs, respond
from longhaul.http.limits import Policy, Standing, take
from longhaul.observability import metrics
from tests.calling import Context, sample
from tests.integration.conftest import make_table
from tests.requesting import Sent, sent_requests

TABLE = "limits-under-test"
NOW = 1_700_577_052.0
QUOTAS = {"WRITES_PER_MINUTE": "3", "BULK_PER_MINUTE": "1", "READS_PER_MINUTE": "0"}


@pytest.fixture(scope="module")
def table(moto_server: str) -> str:
    make_table(TABLE, "pk", endpoint_url=moto_server, aws_access_key_id="test", aws_secret_access_key="test")
    return moto_server


@pytest.fixture(autouse=True)
def at(table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """at(url) points the functions' own client somewhere, which knows nothing yet; at the server to begin with."""
    for name, value in QUOTAS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("CACHE_TABLE", TABLE)

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        aws._client.cache_clear()
        forget()

    settings.of.cache_clear()
    metrics.clear_metrics()
    point(table)
    yield point
    settings.of.cache_clear()
    aws._client.cache_clear()
    metrics.clear_metrics()


def forget() -> None:
    """A new execution environment."""
    limits._Memory.arrivals.clear()
    dynamodb._Memory.rests.clear()


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"tenant-{random.getrandbits(64):x}"


@pytest.fixture
def writes() -> Iterator[list[Sent]]:
    """Each write to DynamoDB since now."""
    with sent_requests("dynamodb") as sent:
        yield sent


def done(writes: list[Sent]) -> list[bool]:
    """Whether each did what it was to do."""
    return [write.status == 200 for write in writes]


app = make_app()


@app.get("/things", security=needs("things:read"))
@app.post("/things", security=needs("things:write"))
@app.post("/questions", security=needs("things:read"))
@app.delete("/things", security=needs("things:write"), openapi_extensions=limited("bulk"))
@app.get("/open")
def answer() -> Response[dict[str, str]]:
    return respond({})


@app.post("/things/<thing_id>/cancel", security=needs("things:write"))
def cancel(thing_id: str) -> Response[dict[str, str]]:
    raise Conflict(thing_id)


class Caller:
    """Asks the small API above: the status, the fields that are about limits, the body."""

    def __init__(self, tenant: str, scope: str = "things:read things:write") -> None:
        self.claims = {"sub": "ada", "tenant_id": tenant, "scope": scope}

    def __call__(self, method: str, path: str) -> tuple[int, dict[str, str], Any]:
        event = sample("tasks", "serve_tasks")
        event["rawPath"], _, query = path.partition("?")
        event["queryStringParameters"] = dict([query.split("=")]) if query else None
        event["requestContext"]["http"] |= {"method": method, "path": event["rawPath"]}
        event["requestContext"]["authorizer"]["jwt"]["claims"] = self.claims
        answered = app.resolve(event, Context())
        fields = {name: value for name, value in answered["headers"].items() if name.startswith(("RateLimit", "Retry"))}
        return answered["statusCode"], fields, json.loads(answered["body"])


def ask(policy: Policy, tenant: str, second: float = 0.0) -> Standing:
    standing = take(policy, tenant, lambda: NOW + second)
    assert standing is not None
    return standing


def test_a_minutes_quota_may_come_at_once_and_comes_back_evenly(tenant: str) -> None:
    # GIVEN three a minute
    policy = Policy("write", 3)

    # THEN three may go on, the fourth waits for 20 s, and what it is told is true
    assert [str(ask(policy, tenant)) for _ in range(3)] == ['"write";r=2;t=20', '"write";r=1;t=20', '"write";r=0;t=20']
    assert ask(policy, tenant, 1.5) == Standing(policy, allowed=False, remaining=0, seconds=19)
    assert ask(policy, tenant, 19.9) == Standing(policy, allowed=False, remaining=0, seconds=1)
    assert ask(policy, tenant, 20.0) == Standing(policy, allowed=True, remaining=0, seconds=20)
    assert not ask(policy, tenant, 20.0).allowed

    # AND after a minute without a request all three are there again, not more
    assert [ask(policy, tenant, 100.0).allowed for _ in range(4)] == [True, True, True, False]
    assert str(policy) == '"write";q=3;w=60'


def test_the_item_expires_after_it_has_become_useless(tenant: str) -> None:
    ask(Policy("bulk", 60), tenant)
    item = aws.client("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": f"~bulk:{tenant}"}})["Item"]
    assert item["arrival"] == {"N": str(int(NOW + 1) * 1_000_000)}
    assert item["expires_at"] == {"N": str(int(NOW) + 120)}


def test_it_is_a_token_bucket_whoever_asks(tenant: str) -> None:
    """Against the bucket as a textbook has it, by several environments of which none knows what the others do."""
    chance = random.Random(tenant)
    policy, tokens, second = Policy("write", 12), 60_000_000, 0  # a token is 5 s of the minute
    environments: list[dict[str, int]] = [{} for _ in range(3)]
    answers = set()
    for _ in range(150):
        wait = chance.choices([0, 1, 3, 5, 11, 70], [20, 6, 4, 3, 2, 1])[0]
        second, tokens = second + wait, min(60_000_000, tokens + wait * 1_000_000)
        allowed = tokens >= policy.step
        tokens -= policy.step if allowed else 0
        known = chance.choice(environments)
        forget()
        limits._Memory.arrivals.update(known)
        standing = ask(policy, tenant, second)
        known.update(limits._Memory.arrivals)
        assert (standing.allowed, standing.remaining) == (allowed, tokens // policy.step)
        assert standing.seconds == -(-(policy.step - tokens % policy.step) // 1_000_000)
        answers.add(allowed)
    assert answers == {True, False}


def test_a_request_costs_one_write(tenant: str, writes: list[Sent]) -> None:
    # GIVEN an idle tenant, then a busy one, then one that comes back
    policy = Policy("write", 60)
    for second in (0, 0, 0, 0.5, 30, 200, 200):
        ask(policy, tenant, second)

    # THEN each costs one write
    assert done(writes) == [True] * 7

    # AND in an environment that does not know how busy the tenant is: one more, once
    forget()
    for _ in range(3):
        ask(policy, tenant, 200)
    assert done(writes[7:]) == [False, True, True, True]


def test_a_flood_costs_nothing_once_it_is_known(tenant: str, writes: list[Sent]) -> None:
    policy = Policy("write", 2)
    assert [ask(policy, tenant).allowed for _ in range(50)] == [True, True] + [False] * 48
    assert done(writes) == [True, True]
    forget()
    assert [ask(policy, tenant).allowed for _ in range(50)] == [False] * 50
    assert done(writes[2:]) == [False]


def test_what_was_idle_for_one_environment_may_be_full_by_another(tenant: str, writes: list[Sent]) -> None:
    # GIVEN an environment that knows the tenant from a while ago, while another has used up its quota since
    policy = Policy("write", 2)
    ask(policy, tenant)
    before = dict(limits._Memory.arrivals)
    for second in (100, 100):
        ask(policy, tenant, second)
    limits._Memory.arrivals.update(before)

    # THEN it learns of it by the write that fails, and a guess the other way is mended too
    assert not ask(policy, tenant, 100).allowed
    assert done(writes[3:]) == [False]
    limits._Memory.arrivals[f"~write:{tenant}"] = int((NOW + 210) * 1_000_000)
    assert ask(policy, tenant, 200).allowed
    assert done(writes[4:]) == [False, True]


def test_however_many_ask_at_once_no_more_than_the_quota_go_on(tenant: str) -> None:
    policy, standings = Policy("write", 20), []

    def hurry() -> None:
        standings.extend(ask(policy, tenant) for _ in range(8))

    threads = [threading.Thread(target=hurry) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(standing.allowed for standing in standings) == 20
    assert sorted(standing.remaining for standing in standings if standing.allowed) == list(range(20))


def test_an_environment_remembers_so_many(tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEPT_BUCKETS", 3)
    policy = Policy("write", 5)
    for other in range(5):
        ask(policy, f"{tenant}-{other}")
    assert [key[-1] for key in limits._Memory.arrivals] == ["2", "3", "4"]
    assert ask(policy, f"{tenant}-0").remaining == 3


@pytest.mark.parametrize("fault", ["refuses connections", "answers with an error"])
def test_without_dynamodb_everything_goes_on_with_a_warning(
    tenant: str,
    table: str,
    at: Callable[[str], None],
    warnings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    # GIVEN that DynamoDB is away
    if fault == "refuses connections":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            at(f"http://127.0.0.1:{free.getsockname()[1]}")
    else:
        monkeypatch.setenv("CACHE_TABLE", "no-such-table")
        settings.of.cache_clear()

    # THEN nobody is refused, who asks knows the policy only, and DynamoDB is asked again after a while only
    api = Caller(tenant)
    for _ in range(5):
        status, fields, _ = api("POST", "/things")
        assert (status, fields) == (200, {"RateLimit-Policy": '"write";q=3;w=60'})
    assert warnings == ["not limited"]

    # AND when it is back, it counts again
    monkeypatch.setenv("CACHE_TABLE", TABLE)
    settings.of.cache_clear()
    at(table)
    assert api("POST", "/things")[1]["RateLimit"] == '"write";r=2;t=20'


def test_the_answers_tell_the_quota_whatever_they_are(tenant: str) -> None:
    # GIVEN three writes a minute
    api = Caller(tenant)

    # THEN each answer has its fields, also when the request is wrong or its effect impossible: its token is spent
    assert api("POST", "/things")[:2] == (
        200,
        {"RateLimit-Policy": '"write";q=3;w=60', "RateLimit": '"write";r=2;t=20'},
    )
    status, fields, _ = api("POST", "/things?colour=red")
    assert (status, fields["RateLimit"]) == (400, '"write";r=1;t=20')
    status, fields, _ = api("POST", "/things/done/cancel")
    assert (status, fields["RateLimit"]) == (409, '"write";r=0;t=20')

    # AND the fourth is refused with when to come again, in words and in fields
    status, fields, problem = api("POST", "/things")
    assert status == 429
    assert fields["RateLimit"].startswith('"write";r=0;t=')
    assert fields["Retry-After"] == fields["RateLimit"].removeprefix('"write";r=0;t=')
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["violated-policies"] == ["write"]
    assert (problem["code"], problem["retryable"], problem["status"]) == ("quota_exceeded", True, 429)
    assert f"try again in {fields['Retry-After']} s" in problem["detail"]
    assert len(metrics.metric_set["QuotaExceeded"]["Value"]) == 1


def test_classes_and_tenants_have_quotas_of_their_own(tenant: str) -> None:
    ours, theirs = Caller(tenant), Caller(f"{tenant}-too")
    assert [ours("DELETE", "/things")[0] for _ in range(2)] == [200, 429]
    assert ours("POST", "/things")[:2] == (
        200,
        {"RateLimit-Policy": '"write";q=3;w=60', "RateLimit": '"write";r=2;t=20'},
    )
    assert theirs("DELETE", "/things")[1] == {"RateLimit-Policy": '"bulk";q=1;w=60', "RateLimit": '"bulk";r=0;t=60'}


def test_who_may_not_ask_spends_nothing(tenant: str, writes: list[Sent]) -> None:
    assert Caller(tenant, scope="things:read")("POST", "/things")[:2] == (403, {})
    assert Caller("")("POST", "/things")[:2] == (401, {})
    assert done(writes) == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/things"), ("POST", "/questions"), ("GET", "/open")])
def test_reads_are_free_unless_limited(
    tenant: str, writes: list[Sent], monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    api = Caller(tenant)
    assert [api(method, path)[:2] for _ in range(5)] == [(200, {})] * 5
    assert done(writes) == []

    monkeypatch.setenv("READS_PER_MINUTE", "2")
    settings.of.cache_clear()
    last = [api(method, path)[0] for _ in range(3)][-1]
    assert last == (200 if path == "/open" else 429)
