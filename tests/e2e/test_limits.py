"""Quotas of the running stack: the template's numbers, the table that counts, and what a caller sees of it."""

import random
import re
import time
from collections.abc import Iterator

import pytest

from local.running import RunningStack
from tests.observation import KIND, Observer

TASKS = "/api/v1/tasks"
GOOD = {"kind": KIND, "params": {"province": "澳门"}}
EXPOSED = (  # api.md, "From a browser"
    "allow,etag,idempotency-replayed,link,location,preference-applied,ratelimit,ratelimit-policy,retry-after,"
    "traceparent,www-authenticate,x-request-id"
)


@pytest.fixture
def tenant(caller: Observer) -> Iterator[str]:
    """One that no other test uses; its tasks wait."""
    caller.sql("UPDATE lanes SET paused = 1")
    name = f"tenant-{random.getrandbits(64):x}"
    yield name
    caller.sql("DELETE FROM tasks WHERE tenant_id = %s", name)
    caller.sql("UPDATE lanes SET paused = 0")


def use_up(caller: Observer, tenant: str, seconds: int) -> None:
    """As if the tenant had asked for so many seconds' worth more than it may: by hand it would take 60,000 requests."""
    caller.aws("dynamodb").put_item(
        TableName=caller.physical("CacheTable"),
        Item={
            "pk": {"S": f"~write:{tenant}"},
            "arrival": {"N": str(int((time.time() + 60 + seconds) * 1_000_000))},
            "expires_at": {"N": str(int(time.time()) + 300)},
        },
    )


def test_a_tenant_over_its_quota_is_told_when_to_come_again(caller: Observer, stack: RunningStack, tenant: str) -> None:
    # GIVEN a tenant within its quota, which is the local stack's, not the template's default
    token = stack.token(tenant)
    first = caller.request("POST", TASKS, json=GOOD, token=token)
    assert first.status == 202
    assert first.headers["ratelimit-policy"] == '"write";q=60000;w=60'
    assert re.fullmatch(r'"write";r=59\d{3};t=1', first.headers["ratelimit"])

    # WHEN it has used it up, THEN its next write is refused and does nothing, with what the caller's program needs
    use_up(caller, tenant, 40)
    refused = caller.request("POST", TASKS, json=GOOD, token=token, headers={"Origin": "https://console.example"})
    assert refused.status == 429
    wait = int(refused.headers["retry-after"])
    assert 30 < wait <= 41
    assert refused.headers["ratelimit"] == f'"write";r=0;t={wait}'
    assert refused.json()["violated-policies"] == ["write"]
    assert len(caller.sql("SELECT 1 FROM tasks WHERE tenant_id = %s", tenant)) == 1

    # AND a browser lets its page see these
    assert refused.headers["access-control-expose-headers"].lower() == EXPOSED

    # AND it may still read, and others may write
    assert caller.request("GET", TASKS, token=token).status == 200
    other = caller.request("POST", TASKS, json=GOOD, token=stack.token(f"{tenant}-too"))
    assert other.status == 202
    caller.sql("DELETE FROM tasks WHERE tenant_id = %s", f"{tenant}-too")


def test_a_browser_may_send_what_the_manners_need(caller: Observer) -> None:
    asked = {
        "Origin": "https://console.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "if-match",
    }
    answer = caller.request("OPTIONS", f"{TASKS}/some", token="", headers=asked)
    assert answer.status == 204
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(","))
    allowed = set(answer.headers["access-control-allow-headers"].lower().split(","))
    assert {"authorization", "idempotency-key", "if-match", "if-none-match", "prefer", "traceparent"} <= allowed
