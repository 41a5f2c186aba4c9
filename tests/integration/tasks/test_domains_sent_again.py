"""The domains' own control requests, sent again after a lost answer: what was done in between stands."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import settings
from longhaul.tasks import lifecycle
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.submission import Submission
from tests.gateway import Answer, Api
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]

DIAGNOSIS = {"brand": "星野", "questions": ["买什么好？"], "models": ["deepseek"], "max_cost": 1}


@pytest.fixture
def api(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Api:
    values = {"AI_MODELS": "[]", "LLM_BASE_URL": "http://127.0.0.1:9", "LLM_MODEL": "m", "LLM_SECRET_ARN": "arn:x"}
    for name, value in (values | {"LLM_TIMEOUT_SECONDS": "5", "LLM_RESPONSE_FORMAT": "auto"}).items():
        monkeypatch.setenv(name, os.environ.get(name, value))
    settings.of.cache_clear()
    return Api(functions=("diagnosis.serve_diagnoses", "calls.serve_campaigns", "roles.serve_material"))


def replayed(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_budget_does_not_undo_anothers(api: Api) -> None:
    task = submit(Submission("acme", "ada", "brand_diagnosis", DIAGNOSIS))
    path = f"/api/v1/diagnoses/{task.task_id}"
    first = api("PATCH", path, {"max_cost": 2}, idempotency_key="k1")
    assert (first.status, first.body["max_cost"], replayed(first)) == (200, 2, False)
    api("PATCH", path, {"max_cost": 3, "max_tokens": 500})
    again = api("PATCH", path, {"max_cost": 2}, idempotency_key="k1")
    assert (again.status, again.body["max_cost"], again.body["max_tokens"], replayed(again)) == (200, 3, 500, True)
    assert api("PATCH", path, {"max_cost": 4}, idempotency_key="k1").body["code"] == "idempotency_key_reused"


def test_a_diagnosis_is_asked_again_once_though_the_new_one_has_ended(api: Api, sql: Sql) -> None:
    # GIVEN a diagnosis that was asked again, by an answer that was lost, and whose budget was changed since
    old = submit(Submission("acme", "ada", "brand_diagnosis", DIAGNOSIS))
    sql("UPDATE tasks SET status = 'CANCELLED', finished_at = UTC_TIMESTAMP(6)")
    path = f"/api/v1/diagnoses/{old.task_id}/retry"
    first = api("POST", path, idempotency_key="k1")
    assert (first.status, replayed(first)) == (202, False)
    sql("UPDATE tasks SET status = 'CANCELLED', finished_at = UTC_TIMESTAMP(6)")

    # WHEN it is sent again
    again = api("POST", path, idempotency_key="k1")

    # THEN it is the same new one, though a third could be made by now, and the key is of no other diagnosis
    assert (again.status, again.body["task_id"], again.body["status"]) == (200, first.body["task_id"], "CANCELLED")
    assert (replayed(again), again.body["cells"]) == (True, 1)
    other = api("POST", f"/api/v1/diagnoses/{first.body['task_id']}/retry", idempotency_key="k1")
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 2}]


def test_leads_are_counted_as_they_were_added(api: Api, sql: Sql) -> None:
    params = {"name": "x", "script_id": "demo", "leads": [{"leads_id": "L-0", "phone": "13800000000"}], "open": True}
    task = submit(Submission("acme", "ada", "call_campaign", params))
    path = f"/api/v1/campaigns/{task.task_id}/leads"
    body = {"leads": [{"leads_id": f"L-{n}", "phone": f"1380000000{n}"} for n in range(3)]}
    first = api("POST", path, body, idempotency_key="k1")
    again = api("POST", path, body, idempotency_key="k1")
    assert (first.body["added"], first.body["leads"], len(first.body["duplicates"])) == (2, 3, 1)
    assert (again.status, again.body, replayed(first), replayed(again)) == (200, first.body, False, True)
    assert sql("SELECT COUNT(*) AS n FROM leads_task_list") == [{"n": 3}]


def test_leads_that_were_refused_are_taken_later(api: Api, sql: Sql) -> None:
    params = {"name": "x", "script_id": "demo", "leads": [{"leads_id": "L-0", "phone": "13800000000"}]}
    task = submit(Submission("acme", "ada", "call_campaign", params))
    dispatch(["call_campaign"])
    lifecycle.close(task.task_id, 1, Outcome(result={}))
    body = {"leads": [{"leads_id": "L-1", "phone": "13800000001"}]}
    refused = api("POST", f"/api/v1/campaigns/{task.task_id}/leads", body, idempotency_key="k1")
    assert refused.status == 409
    assert sql("SELECT COUNT(*) AS n FROM control_requests") == [{"n": 0}]


@pytest.mark.parametrize(
    ("part", "mine", "theirs"),
    [
        ("base-info", {"company": "甲", "role_name": "小甲"}, {"company": "乙", "role_name": "小乙"}),
        ("talk-style", {"tone": "亲切"}, {"tone": "热情"}),
        ("products", {"items": [{"name": "甲"}, {"name": "乙"}]}, {"items": [{"name": "丙"}]}),
        ("knowledge", {"items": []}, {"items": [{"title": "丙", "content": "丙"}]}),
    ],
)
def test_material_does_not_replace_what_was_put_since(api: Api, part: str, mine: Any, theirs: Any) -> None:
    path = f"/api/v1/role-tasks/T-1/{part}"
    assert not replayed(api("PUT", path, mine, idempotency_key="k1"))
    there = api("PUT", path, theirs).body
    again = api("PUT", path, mine, idempotency_key="k1")
    assert (again.status, again.body, replayed(again)) == (200, there, True)
