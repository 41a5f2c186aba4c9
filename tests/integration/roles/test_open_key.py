"""One open task for the same thing: a second submit is given the first, however many come at once, alone or in batches.

The kind is role_creation, the machinery is the task core's (`Kind.open_key`).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import AlreadyOpen, KeyReused
from longhaul.tasks import lifecycle, submission
from longhaul.tasks.batches import Deduplicated, submit_many
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.submission import Submission
from tests.calling import ask, at_once, call, records
from tests.integration.roles.conftest import PARAMS
from tests.requesting import sent_requests
from tests.submitting import submit

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Running = Callable[..., Task]
type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]

KIND = "role_creation"
TASKS = "/api/v1/tasks"
INSERTED = ["insert_task", "count_submitted", "fetch_stored"]
BODY = {"kind": KIND, "params": PARAMS}
COUNT = "SELECT COUNT(*) AS n FROM tasks WHERE kind = 'role_creation'"


def asking(tenant_id: str = "acme", idempotency_key: str | None = None, **params: str) -> Submission:
    return Submission(tenant_id, "ada", KIND, PARAMS | params, idempotency_key=idempotency_key)


def fail(task: Task) -> None:
    assert lifecycle.close(task.task_id, task.attempt, Outcome(error=TaskError("bad_answer", "no JSON")))


def test_a_second_submit_is_answered_with_the_open_task(database: dict[str, Any], sql: Sql, sent: Sent) -> None:
    # GIVEN a role that is being created
    status, first, headers = ask("serve_tasks", "POST", TASKS, BODY)
    assert (status, first["kind"]) == (202, KIND)
    assert sent("dispatch") == [{"kind": KIND}]

    # WHEN it is asked for again, whoever asks and however it is put
    status, second, again = ask("serve_tasks", "POST", TASKS, BODY | {"priority": "high"}, idempotency_key="k1")

    # THEN it is that task, with 200, and nobody is woken for it
    assert (status, second["task_id"], second["priority"]) == (200, first["task_id"], "high")
    assert again["Location"] == headers["Location"]
    assert sent("dispatch") == []

    # AND another task, strategy or tenant has one of its own
    others = [asking(task_id="T-2"), asking(strategy_id="S-2"), asking("globex")]
    assert len({submit(other).task_id for other in others} | {first["task_id"]}) == 4


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_after_its_end_a_new_one_may_be_made(running: Running, end: str) -> None:
    task = running()
    assert submission.submit(asking()).deduplicated
    match end:
        case "succeeded":
            lifecycle.close(task.task_id, task.attempt, Outcome(result={}))
        case "failed":
            fail(task)
        case "cancelled":
            lifecycle.cancel(task.task_id, "acme")
    placed = submission.submit(asking())
    assert (placed.deduplicated, placed.task.task_id != task.task_id) == (False, True)


def test_while_it_is_paused_it_is_open(running: Running) -> None:
    task = running()
    lifecycle.pause(task.task_id, "acme")
    assert submission.submit(asking()).task.task_id == task.task_id


def test_twenty_submits_at_once_make_one_task(database: dict[str, Any], sql: Sql) -> None:
    placed: list[submission.Placed] = []
    at_once(20, lambda: placed.append(submission.submit(asking())))
    assert len(placed) == 20
    assert len({one.task.task_id for one in placed}) == 1
    assert [one.deduplicated for one in placed].count(False) == 1
    assert sql(COUNT) == [{"n": 1}]


def test_a_full_lane_still_answers_with_the_task_that_is_open(database: dict[str, Any], sql: Sql) -> None:
    first = submit(asking(idempotency_key="k1"))
    sql("UPDATE lanes SET max_queued = 1 WHERE kind = 'role_creation'")
    assert submit(asking()).task_id == first.task_id
    assert submit(asking(idempotency_key="k1")).task_id == first.task_id
    assert ask("serve_tasks", "POST", TASKS, BODY | {"params": PARAMS | {"task_id": "T-9"}})[0] == 503


def test_a_key_that_made_an_earlier_task_still_names_that(running: Running, sql: Sql) -> None:
    # GIVEN a task made with a key, ended, and a newer one that is open
    first = submit(asking(idempotency_key="k1"))
    dispatch([KIND])
    lifecycle.cancel(first.task_id, "acme")
    newer = submit(asking())

    # THEN the key is answered as it was, and with another payload it is refused
    assert submit(asking(idempotency_key="k1")).task_id == first.task_id
    with pytest.raises(KeyReused):
        submit(asking(idempotency_key="k1", strategy_id="S-2"))
    assert submit(asking(idempotency_key="k2")).task_id == newer.task_id


def test_a_failed_task_whose_place_is_taken_is_not_retried(running: Running, sql: Sql) -> None:
    # GIVEN a task that failed and a newer one that is open
    task = running()
    fail(task)
    newer = submit(asking())

    # WHEN the first is to be retried
    status, problem, _ = ask("serve_tasks", "POST", f"{TASKS}/{task.task_id}/retry")

    # THEN it is refused and says by whom it is held; nothing has changed
    assert (status, problem["code"], problem["open_task_id"]) == (409, "already_open", newer.task_id)
    assert sql("SELECT status FROM tasks WHERE task_id = %s", task.task_id) == [{"status": "FAILED"}]
    with pytest.raises(AlreadyOpen):
        lifecycle.retry(task.task_id, "acme")

    # AND when that has ended it may be
    lifecycle.cancel(newer.task_id, "acme")
    assert lifecycle.retry(task.task_id, "acme").status == "PENDING"
    assert submission.submit(asking()).task.task_id == task.task_id


def test_a_batch_joins_what_is_open_and_what_it_opens_itself(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN a task that is open
    known = submit(asking()).task_id

    # WHEN a batch asks for it, and twice for another
    other = BODY | {"params": PARAMS | {"strategy_id": "S-2"}}
    status, answer, _ = ask("serve_batches", "POST", f"{TASKS}/batch", {"items": [BODY, other, other, BODY]})

    # THEN each is told its task, as it would have been alone
    assert (status, answer["accepted"], answer["refused"]) == (200, 4, 0)
    items = [(item["status"], item["task_id"]) for item in answer["items"]]
    made = items[1][1]
    assert items == [(200, known), (202, made), (200, made), (200, known)]
    assert sql(COUNT) == [{"n": 2}]


def test_a_batch_makes_a_new_task_where_a_key_names_one_that_has_ended(running: Running, sql: Sql) -> None:
    task = submit(asking(idempotency_key="k1"))
    lifecycle.cancel(task.task_id, "acme")
    first, second = submit_many([asking(idempotency_key="k1"), asking(idempotency_key="k2")])
    assert first == task.task_id
    assert isinstance(second, str)
    assert second != first
    assert sql(COUNT) == [{"n": 2}]


def test_the_same_batch_from_many_at_once_makes_its_tasks_once(database: dict[str, Any], sql: Sql) -> None:
    asked = [asking(strategy_id=f"S-{n}") for n in range(10)]
    answers: list[list[Any]] = []
    at_once(4, lambda: answers.append(submit_many(asked)))
    ids = [{told.task_id if isinstance(told, Deduplicated) else told for told in each} for each in answers]
    assert len(ids) == 4
    assert all(each == ids[0] and len(each) == 10 for each in ids)
    assert sql(COUNT) == [{"n": 10}]


def test_a_bulk_retry_leaves_alone_what_is_taken(running: Running, sql: Sql) -> None:
    # GIVEN two failed tasks for one thing, one whose thing is open again, and one that is free
    first = running()
    fail(first)
    second = running()
    fail(second)
    taken = running(strategy_id="S-2")
    fail(taken)
    submit(asking(strategy_id="S-2"))
    free = running(strategy_id="S-3")
    fail(free)

    # WHEN all that failed are to be retried
    body = {"action": "retry", "filter": {"status": ["FAILED"]}}
    status, action, _ = ask("serve_batches", "POST", f"{TASKS}/actions", body)
    assert status == 202
    dispatch(["bulk_action"])
    call("tasks", "act_on_tasks", records({"task_id": action["task_id"], "attempt": 1}))

    # THEN one of the twins and the free one are, and the others stay as they were
    (done,) = sql("SELECT status, result FROM tasks WHERE task_id = %s", action["task_id"])
    assert done["status"] == "SUCCEEDED"
    assert json.loads(done["result"]) == {"matched": 4, "changed": 2, "unchanged": 2}
    rows = {row["task_id"]: row["status"] for row in sql("SELECT task_id, status FROM tasks WHERE kind = %s", KIND)}
    assert rows[free.task_id] == "PENDING"
    assert rows[taken.task_id] == "FAILED"
    assert sorted([rows[first.task_id], rows[second.task_id]]) == ["FAILED", "PENDING"]
    retried = sql("SELECT task_id FROM task_events WHERE event = 'retried'")
    assert len(retried) == 2


def test_a_submit_is_two_statements_and_few_requests_and_one_that_joins_fewer(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a count of what is asked
    ran: list[str] = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: ran.append(name) or run(self, name, *rest)
    )

    # WHEN a role is asked for, and asked for again
    with sent_requests("sqs", "dynamodb") as sent:
        ask("serve_tasks", "POST", TASKS, BODY)
    first, ran[:] = list(ran), []
    requests = [request.action for request in sent]
    with sent_requests("sqs", "dynamodb") as sent:
        ask("serve_tasks", "POST", TASKS, BODY)
    asked = [request.action for request in sent]

    # THEN it is an insert, its count and two reads; the quota, two scopes forgotten and a message, or the quota alone
    assert (first, requests) == (INSERTED, ["UpdateItem", "BatchWriteItem", "SendMessageBatch"])
    assert (ran, asked) == (["insert_task", "fetch_open_task"], ["UpdateItem"])
