"""Lanes over HTTP: what waits and runs, and for operators the limits. (serve_queue)"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from longhaul.tasks import lifecycle
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.calling import call, sample
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]

KIND = "hospital_province_refresh"
LANES = [
    "brand_diagnosis",
    "bulk_action",
    "call_campaign",
    "hospital_full_refresh",
    KIND,
    "role_creation",
    "text_summaries",
    "video_generation",
    "video_scene_regeneration",
]


def ask(
    method: str, path: str, body: Any = None, tenant_id: str = "acme", scope: str = "tasks:read"
) -> tuple[int, dict[str, Any]]:
    event = sample("tasks", "serve_queue")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["requestContext"]["authorizer"]["jwt"]["claims"] |= {"tenant_id": tenant_id, "scope": scope}
    event["body"] = None if body is None else json.dumps(body)
    answer = call("tasks", "serve_queue", event)
    return answer["statusCode"], json.loads(answer["body"])


def lane(kind: str = KIND, **asked: Any) -> dict[str, Any]:
    status, queue = ask("GET", "/api/v1/queue", **asked)
    assert status == 200
    assert [item["kind"] for item in queue["items"]] == LANES
    found: dict[str, Any] = next(item for item in queue["items"] if item["kind"] == kind)
    return found


def steer(body: Any, kind: str = KIND, scope: str = "ops") -> tuple[int, dict[str, Any]]:
    return ask("PATCH", f"/api/v1/queue/{kind}", body, scope=scope)


def put(tenant_id: str = "acme") -> Task:
    return submit(Submission(tenant_id, "ada", KIND, {"province": "海南省"}))


def test_the_queue_says_what_waits_and_runs_and_how_much_of_it_is_yours(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN a lane for two, in which two of five run, one was to start a minute ago, and one may only later
    sql("UPDATE lanes SET max_concurrent = 2, max_queued = 70 WHERE kind = %s", KIND)
    tasks = [put(tenant) for tenant in ("acme", "other", "other", "acme", "acme")]
    dispatch([KIND])
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -60, UTC_TIMESTAMP(6)) WHERE id = %s", tasks[2].id)
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, 600, UTC_TIMESTAMP(6)) WHERE id = %s", tasks[3].id)

    # WHEN one of the tenants looks
    seen = lane()

    # THEN
    assert 60 <= seen.pop("oldest_waiting_seconds") <= 65
    assert seen.pop("oldest_waiting_at").endswith("Z")
    assert seen == {
        "kind": KIND,
        "waiting": 2,
        "scheduled": 1,
        "running": 2,
        "max_concurrent": 2,
        "max_queued": 70,
        "max_scheduled": 1000,
        "paused": False,
        "yours": {"waiting": 1, "scheduled": 1, "running": 1},
        "weights": None,
    }
    assert lane(tenant_id="other")["yours"] == {"waiting": 1, "scheduled": 0, "running": 1}
    assert lane("call_campaign") | {"weights": None} == {
        "kind": "call_campaign",
        "waiting": 0,
        "scheduled": 0,
        "running": 0,
        "max_concurrent": 20,
        "max_queued": 1000,
        "max_scheduled": 1000,
        "paused": False,
        "oldest_waiting_at": None,
        "oldest_waiting_seconds": None,
        "yours": {"waiting": 0, "scheduled": 0, "running": 0},
        "weights": None,
    }


def test_operators_change_a_lane_and_the_dispatcher_is_woken(database: dict[str, Any], sql: Sql, sent: Sent) -> None:
    others = lane("hospital_full_refresh")
    status, changed = steer({"max_concurrent": 7, "max_queued": 0, "weights": {"acme": 3, "试": 1}})
    assert (status, changed["max_concurrent"], changed["max_queued"], changed["paused"]) == (200, 7, 0, False)
    assert changed["weights"] == {"acme": 3}
    assert sent("dispatch") == [{"kind": KIND}]
    assert (lane()["weights"], lane(scope="tasks:read ops")["weights"]) == (None, {"acme": 3})

    # AND what is not named stays, and so do other lanes
    status, changed = steer({"weights": {"other": 2}})
    assert (changed["max_concurrent"], changed["max_queued"], changed["weights"]) == (7, 0, {"acme": 3, "other": 2})
    assert lane("hospital_full_refresh") == others


def test_a_paused_lane_starts_nothing_until_it_goes_on(database: dict[str, Any], sent: Sent) -> None:
    put()
    sent("dispatch")
    assert steer({"paused": True})[1]["paused"]
    assert sent("dispatch") == [], "nothing may start"
    assert dispatch([KIND]) == 0
    assert not steer({"paused": False})[1]["paused"]
    assert sent("dispatch") == [{"kind": KIND}]
    assert dispatch([KIND]) == 1


def test_a_lower_limit_stops_nothing_that_runs(database: dict[str, Any]) -> None:
    tasks = [put() for _ in range(4)]
    dispatch([KIND])
    assert steer({"max_concurrent": 1})[1]["running"] == 4
    lifecycle.cancel(tasks[0].task_id, "acme")
    put()
    assert dispatch([KIND]) == 0
    assert lane()["running"] == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"max_concurrent": None}, ""),
        ({"max_concurrent": 0}, "/max_concurrent"),
        ({"max_concurrent": 1001}, "/max_concurrent"),
        ({"max_queued": -1}, "/max_queued"),
        ({"max_queued": 20_001}, "/max_queued"),
        ({"max_scheduled": -1}, "/max_scheduled"),
        ({"max_scheduled": 100_001}, "/max_scheduled"),
        ({"paused": "perhaps"}, "/paused"),
        ({"paused": 0}, "/paused"),
        ({"paused": "yes"}, "/paused"),
        ({"max_concurrent": True}, "/max_concurrent"),
        ({"max_concurrent": "5"}, "/max_concurrent"),
        ({"max_queued": 70.5}, "/max_queued"),
        ({"weights": {"acme": "3"}}, "/weights/acme"),
        ({"weights": {}}, "/weights"),
        ({"weights": {"acme": 0}}, "/weights/acme"),
        ({"weights": {"acme": 101}}, "/weights/acme"),
        ({"weights": {"x" * 65: 1}}, f"/weights/{'x' * 65}/[key]"),
        ({"weights": {f"t-{n}": 1 for n in range(101)}}, "/weights"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_no_change_of_a_lane_is_refused(database: dict[str, Any], body: Any, pointer: str) -> None:
    before = lane(scope="tasks:read ops")
    status, problem = steer(body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    assert lane(scope="tasks:read ops") == before


@pytest.mark.parametrize("kind", ["no_such", "hospital_province_refresh%20"])
def test_an_unknown_lane_is_not_there(database: dict[str, Any], sql: Sql, kind: str) -> None:
    status, problem = steer({"paused": True, "weights": {"acme": 2}}, kind)
    assert (status, problem["code"]) == (404, "not_found")
    assert sql("SELECT COUNT(*) AS n FROM lane_tenants") == [{"n": 0}]


def test_a_kind_whose_lane_was_not_made_yet_is_not_there_either(database: dict[str, Any], sql: Sql) -> None:
    sql("DELETE FROM lanes WHERE kind = %s", KIND)
    assert steer({"paused": True})[0] == 404
    assert steer({"weights": {"acme": 2}})[0] == 404


def test_who_is_no_operator_changes_nothing_and_who_may_not_read_sees_nothing(database: dict[str, Any]) -> None:
    assert steer({"paused": True}, scope="tasks:read tasks:write")[0] == 403
    assert ask("GET", "/api/v1/queue", scope="tasks:write")[0] == 403
    assert not lane()["paused"]
