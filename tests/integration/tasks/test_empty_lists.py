"""A list that is given and empty is refused everywhere: it could mean none or all, and all may be a disaster."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.gateway import Api
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]

TASKS = "/api/v1/tasks"
FUNCTIONS = (
    "tasks.serve_tasks",
    "tasks.read_task",
    "tasks.serve_lists",
    "tasks.serve_batches",
    "calls.serve_campaigns",
)


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(functions=FUNCTIONS)


@pytest.fixture
def task(api: Api) -> Task:
    return submit(Submission("acme", "ada", "hospital_province_refresh", {"province": "海南省"}))


@pytest.mark.parametrize("field", ["status", "kind", "priority", "task_ids"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_action_on_an_empty_list_is_refused(api: Api, task: Task, sql: Sql, field: str, dry_run: bool) -> None:
    # WHEN an action names a list without a member, beside another that would match
    wanted = {"status": ["PENDING"], field: []} if field != "status" else {"kind": [task.kind], field: []}
    answer = api("POST", f"{TASKS}/actions", {"action": "cancel", "filter": wanted, "dry_run": dry_run})

    # THEN it is refused and says what to do, and no action was begun
    assert (answer.status, answer.body["errors"]) == (
        422,
        [{"pointer": f"/filter/{field}", "detail": "the list is empty: name at least one, or leave it out"}],
    )
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 1}]


@pytest.mark.parametrize("field", ["status", "kind", "priority", "task_ids"])
def test_so_is_one_that_comes_as_a_task(api: Api, field: str) -> None:
    params = {"action": "cancel", "filter": {"title": "x", field: []}}
    answer = api("POST", TASKS, {"kind": "bulk_action", "params": params})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/params/filter/{field}")


@pytest.mark.parametrize(
    ("method", "path", "query", "detail"),
    [
        ("DELETE", TASKS, "older_than_days=0&status=", "the list is empty: name at least one, or leave it out"),
        ("DELETE", TASKS, "older_than_days=0&status=FAILED,", "the list has an empty member: name each, or leave"),
        ("DELETE", TASKS, "older_than_days=0&status=FAILED&status=", "the list has an empty member"),
        ("DELETE", TASKS, "older_than_days=0&status=%20", "the list is empty"),
        *[
            (method, path, f"{field}={value}", detail)
            for method, path in (("GET", TASKS), ("GET", f"{TASKS}/summary"), ("GET", f"{TASKS}/cursor"))
            for field in ("status", "kind", "priority")
            for value, detail in (("", "the list is empty"), (",", "empty member"), ("x,,y", "empty member"))
        ],
    ],
)
def test_a_query_with_an_empty_list_is_refused(
    api: Api, task: Task, sql: Sql, method: str, path: str, query: str, detail: str
) -> None:
    sql("UPDATE tasks SET status = 'FAILED', finished_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
    answer = api(method, path, query=query)
    (error,) = answer.body["errors"]
    name = query.split("&")[-1].split("=")[0]
    assert (answer.status, error["pointer"]) == (422, f"query/{name}")
    assert detail in error["detail"]
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 1}]


def test_other_parameters_may_be_left_out_and_lists_may_have_members(api: Api, task: Task) -> None:
    assert api.get(TASKS, "status=PENDING,FAILED&kind=hospital_province_refresh&status=RUNNING")["total"] == 1


def test_a_batch_without_items_is_refused(api: Api) -> None:
    for method in ("POST", "PATCH"):
        answer = api(method, f"{TASKS}/batch", {"items": []})
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/items")


def test_leads_without_a_lead_say_that_no_more_will_come(api: Api) -> None:
    params = {"name": "x", "script_id": "demo", "open": True}
    campaign = submit(Submission("acme", "ada", "call_campaign", params))
    path = f"/api/v1/campaigns/{campaign.task_id}/leads"
    for body in ({}, {"leads": []}, {"leads": [], "last": False}):
        refused = api("POST", path, body)
        assert refused.status == 422
        assert "give one at least, or last: true" in refused.body["detail"]
    assert api("POST", path, {"leads": [], "last": True}).status == 200
