"""A control request that is sent again after its answer was lost: what was done in between stands (faults, case 32)."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul import idempotency
from longhaul.idempotency import KeyedRequest
from longhaul.tasks import lifecycle
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.purging import Purged, purge
from longhaul.tasks.submission import Submission
from tests.calling import at_once, call
from tests.gateway import Answer, Api
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]

TASKS = "/api/v1/tasks"
KIND = "hospital_province_refresh"
FUNCTIONS = ("tasks.serve_tasks", "tasks.read_task", "tasks.serve_lists", "tasks.serve_batches", "tasks.serve_queue")


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(scope="tasks:read tasks:write ops", functions=FUNCTIONS)


def path_of(task: Task, action: str = "") -> str:
    return f"{TASKS}/{task.task_id}{action and '/'}{action}"


def events(sql: Sql, task: Task) -> list[str]:
    rows = sql("SELECT event FROM task_events WHERE task_id = %s ORDER BY id", task.task_id)
    return [row["event"] for row in rows]


def replayed(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def asking() -> KeyedRequest:
    """A request under the key k1, as each execution environment makes its own of what it is sent."""
    return KeyedRequest("acme", "k1", ["POST", "/"])


def fail(task: Task) -> None:
    assert lifecycle.close(task.task_id, task.attempt, Outcome(error=TaskError("bad_answer", "…")))


def put(number: int = 1) -> list[Task]:
    return [submit(Submission("acme", "ada", KIND, {"province": "海南省"})) for _ in range(number)]


def test_a_pause_does_not_undo_a_resume(api: Api, running_task: Running, sql: Sql) -> None:
    # GIVEN a pause whose answer was lost, and somebody who resumed the task
    task = running_task()
    first = api("POST", path_of(task, "pause"), idempotency_key="k1")
    assert (first.status, first.body["status"], replayed(first)) == (200, "PAUSED", False)
    lifecycle.resume(task.task_id, "acme")

    # WHEN the pause is sent again
    again = api("POST", path_of(task, "pause"), idempotency_key='"k1"')

    # THEN the task stays resumed, which the answer says
    assert (again.status, again.body["status"], replayed(again)) == (200, "PENDING", True)
    assert events(sql, task) == ["started", "paused", "resumed"]


def test_a_pause_that_had_nothing_to_do_is_remembered_too(api: Api, running_task: Running, sql: Sql) -> None:
    task = running_task()
    lifecycle.pause(task.task_id, "acme")
    assert not replayed(api("POST", path_of(task, "pause"), idempotency_key="k1"))
    lifecycle.resume(task.task_id, "acme")
    dispatch([KIND])
    again = api("POST", path_of(task, "pause"), idempotency_key="k1")
    assert (again.body["status"], replayed(again)) == ("RUNNING", True)


def test_a_resume_does_not_undo_a_pause(api: Api, running_task: Running, sql: Sql) -> None:
    task = running_task()
    lifecycle.pause(task.task_id, "acme")
    assert api("POST", path_of(task, "resume"), idempotency_key="k1").body["status"] == "PENDING"
    dispatch([KIND])
    lifecycle.pause(task.task_id, "acme")
    again = api("POST", path_of(task, "resume"), idempotency_key="k1")
    assert (again.status, again.body["status"], replayed(again)) == (200, "PAUSED", True)


def test_a_retry_is_one_retry(api: Api, running_task: Running, sql: Sql) -> None:
    # GIVEN a retry whose answer was lost, and whose attempt has failed meanwhile
    task = running_task()
    fail(task)
    assert api("POST", path_of(task, "retry"), idempotency_key="k1").body["status"] == "PENDING"
    dispatch([KIND])
    (row,) = sql("SELECT attempt FROM tasks")
    lifecycle.close(task.task_id, row["attempt"], Outcome(error=TaskError("bad_answer", "…")))

    # WHEN it is sent again, THEN the task is not retried a second time
    again = api("POST", path_of(task, "retry"), idempotency_key="k1")
    assert (again.status, again.body["status"], replayed(again)) == (200, "FAILED", True)
    assert events(sql, task).count("retried") == 1


def test_a_retry_that_was_cancelled_is_no_conflict(api: Api, running_task: Running) -> None:
    task = running_task()
    fail(task)
    api("POST", path_of(task, "retry"), idempotency_key="k1")
    assert api("POST", path_of(task, "cancel"), idempotency_key="k2").body["status"] == "CANCELLED"
    for action, key in (("retry", "k1"), ("cancel", "k2")):
        again = api("POST", path_of(task, action), idempotency_key=key)
        assert (again.status, again.body["status"], replayed(again)) == (200, "CANCELLED", True)


def test_a_change_does_not_undo_anothers(api: Api, running_task: Running, sql: Sql) -> None:
    task = running_task()
    body = {"priority": "urgent", "title": "x"}
    assert api("PATCH", path_of(task), body, idempotency_key="k1").body["priority"] == "urgent"
    api("PATCH", path_of(task), {"priority": "low"})
    again = api("PATCH", path_of(task), body, idempotency_key="k1")
    assert (again.status, again.body["priority"], again.body["title"], replayed(again)) == (200, "low", "x", True)
    assert events(sql, task).count("changed") == 2


def test_a_change_is_not_refused_for_the_version_that_it_made_itself(api: Api, running_task: Running) -> None:
    task = running_task()
    tag = api("GET", path_of(task)).headers["ETag"]
    first = api("PATCH", path_of(task), {"title": "x"}, idempotency_key="k1", if_match=tag)
    again = api("PATCH", path_of(task), {"title": "x"}, idempotency_key="k1", if_match=tag)
    assert (first.status, again.status, replayed(again)) == (200, 200, True)
    assert api("PATCH", path_of(task), {"title": "y"}, idempotency_key="k2", if_match=tag).status == 412


def test_a_lanes_change_does_not_undo_anothers(api: Api) -> None:
    lane = f"/api/v1/queue/{KIND}"
    assert api("PATCH", lane, {"paused": True, "weights": {"acme": 3}}, idempotency_key="k1").body["paused"] is True
    api("PATCH", lane, {"paused": False, "weights": {"acme": 1}})
    again = api("PATCH", lane, {"weights": {"acme": 3}, "paused": True}, idempotency_key="k1")
    assert (again.status, again.body["paused"], again.body["weights"], replayed(again)) == (200, False, {}, True)


def test_a_batch_of_changes_is_answered_as_it_was(api: Api, sql: Sql) -> None:
    # GIVEN a batch of which one item was refused, and another's change since
    task, other = put(2)
    body = {"items": [{"task_id": task.task_id, "priority": "urgent"}, {"task_id": "none", "title": "x"}, 7]}
    first = api("PATCH", f"{TASKS}/batch", body, idempotency_key="k1")
    api("PATCH", path_of(task), {"priority": "low"})

    # WHEN it is sent again
    again = api("PATCH", f"{TASKS}/batch", body, idempotency_key="k1")

    # THEN each item is answered as it was, and nothing was changed
    assert (again.status, replayed(first), replayed(again)) == (200, False, True)
    assert again.body == first.body
    assert [item["status"] for item in again.body["items"]] == [200, 404, 422]
    assert api("GET", path_of(task)).body["priority"] == "low"
    assert events(sql, other) == []


def test_a_batch_that_was_refused_whole_is_looked_at_again(api: Api) -> None:
    body = {"items": [{"task_id": "none", "title": "x"}]}
    answers = [api("PATCH", f"{TASKS}/batch", body, idempotency_key="k1") for _ in range(2)]
    assert [(answer.body["refused"], replayed(answer)) for answer in answers] == [(1, False), (1, False)]


def test_a_deletion_is_answered_with_its_first_count(api: Api, sql: Sql) -> None:
    # GIVEN a deletion of 105 tasks whose answer was lost, and a task that has ended since
    put(106)
    sql("UPDATE tasks SET status = 'CANCELLED', finished_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY LIMIT 105")
    first = api("DELETE", TASKS, query="older_than_days=0", idempotency_key="k1")
    assert (first.status, first.body) == (200, {"deleted": 105, "more": False})
    sql("UPDATE tasks SET status = 'CANCELLED', finished_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY")

    # WHEN it is sent again
    again = api("DELETE", TASKS, query="older_than_days=0", idempotency_key="k1")

    # THEN it is what it deleted, and the other is there still
    assert (again.status, again.body, replayed(again)) == (200, {"deleted": 105, "more": False}, True)
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 1}]
    assert api("DELETE", TASKS, query="older_than_days=1", idempotency_key="k1").status == 422
    assert api("DELETE", TASKS, query="older_than_days=0", idempotency_key="k2").body["deleted"] == 1


def test_the_same_deletion_at_once_is_counted_once(database: dict[str, Any], sql: Sql) -> None:
    put(150)
    sql("UPDATE tasks SET status = 'CANCELLED', finished_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
    said: list[tuple[Purged, bool]] = []

    def delete() -> None:
        request = asking()
        said.append((purge(0, tenant_id="acme", seconds=60, request=request), request.replayed))

    at_once(3, delete)
    assert [purged for purged, _ in said] == [Purged(150, more=False)] * 3
    assert sorted(replayed for _, replayed in said) == [False, True, True]


def test_an_action_on_many_begins_once(api: Api, sql: Sql) -> None:
    body = {"action": "cancel", "filter": {"kind": [KIND]}}
    put(1)
    first = api("POST", f"{TASKS}/actions", body, idempotency_key="k1")
    again = api("POST", f"{TASKS}/actions", body, idempotency_key="k1")
    assert (first.status, replayed(first), again.status, replayed(again)) == (202, False, 200, True)
    assert again.body["task_id"] == first.body["task_id"]
    assert sql("SELECT COUNT(*) AS n FROM tasks WHERE kind = 'bulk_action'") == [{"n": 1}]


def test_a_refusal_is_not_remembered(api: Api, sql: Sql) -> None:
    # GIVEN a pause that was refused, as the task did not run yet, and one of a task that is not there
    (task,) = put()
    assert api("POST", path_of(task, "pause"), idempotency_key="k1").status == 409
    assert api("POST", f"{TASKS}/none/pause", idempotency_key="k2").status == 404
    assert api("PATCH", path_of(task), {"run_after": "2099-01-01T00:00:00Z"}, idempotency_key="k3").status == 422
    assert sql("SELECT COUNT(*) AS n FROM control_requests") == [{"n": 0}]

    # WHEN the task runs, THEN the same request pauses it
    dispatch([KIND])
    answer = api("POST", path_of(task, "pause"), idempotency_key="k1")
    assert (answer.status, answer.body["status"], replayed(answer)) == (200, "PAUSED", False)


def test_a_key_is_one_requests_and_one_tenants(api: Api, running_task: Running) -> None:
    task, other, elsewhere = running_task(), running_task(), running_task(tenant_id="globex")
    api("POST", path_of(task, "pause"), idempotency_key="k1")
    api("PATCH", path_of(task), {"title": "x"}, idempotency_key="k2")
    for method, path, body, key in [
        ("POST", path_of(other, "pause"), None, "k1"),
        ("POST", path_of(task, "resume"), None, "k1"),
        ("PATCH", path_of(task), {"title": "y"}, "k2"),
        ("PATCH", path_of(task), {"title": "x", "priority": "normal"}, "k2"),
    ]:
        refused = api(method, path, body, idempotency_key=key)
        assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
        assert refused.body["errors"][0]["pointer"] == "header/Idempotency-Key"
    assert api("GET", path_of(other)).body["status"] == "RUNNING"
    globex = Api(tenant_id="globex", functions=FUNCTIONS)
    for key in ("k1", "K1", "k1 x"):
        assert not replayed(globex("POST", path_of(elsewhere, "pause"), idempotency_key=key))
    assert api("POST", path_of(other, "pause"), idempotency_key="").status == 400
    assert api("POST", path_of(other, "pause"), idempotency_key="x" * 256).status == 400


def test_without_a_key_each_is_carried_out(api: Api, running_task: Running, sql: Sql) -> None:
    task = running_task()
    for _ in range(2):
        api("POST", path_of(task, "pause"))
        lifecycle.resume(task.task_id, "acme")
        dispatch([KIND])
    assert events(sql, task).count("paused") == 2
    assert sql("SELECT COUNT(*) AS n FROM control_requests") == [{"n": 0}]


def test_the_same_request_at_once_has_one_effect(running_task: Running, sql: Sql) -> None:
    # GIVEN a task that has failed. Of two who retry at once without a key one is refused
    task = running_task()
    fail(task)
    said: list[tuple[str, bool]] = []

    def retry() -> None:
        request = asking()
        said.append((lifecycle.retry(task.task_id, "acme", request=request).status, request.replayed))

    # WHEN one request is sent eight times at once
    at_once(8, retry)

    # THEN all are answered with the task, and one of them retried it
    assert sorted(said) == [("PENDING", False)] + [("PENDING", True)] * 7
    assert events(sql, task).count("retried") == 1


def test_requests_are_forgotten_after_a_day(
    api: Api, running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    for key, hours in (("older", 26), ("old", 25), ("young", 23)):
        api("POST", path_of(task, "pause"), idempotency_key=key)
        age = "UPDATE control_requests SET created_at = UTC_TIMESTAMP(6) - INTERVAL %s HOUR WHERE request_id = %s"
        sql(age, hours, KeyedRequest("acme", key, []).id)
    monkeypatch.setattr(idempotency, "PURGE_ROWS", 1)
    call("tasks", "purge_tasks", {})
    assert sql("SELECT request_id FROM control_requests") == [{"request_id": KeyedRequest("acme", "young", []).id}]
