"""serve_dead_letters: counted, looked at, put back; what is put back of a task that has ended changes nothing."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from alerts import dead_letters
from local.aws import quotas
from longhaul.tasks.model import Task
from tests.calling import call, records
from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]

DEAD = "/api/v1/dead-letters"
SERVED = ("alerts.serve_dead_letters",)


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(scope="ops", functions=SERVED)


@pytest.fixture
def bury(database: dict[str, Any]) -> Callable[..., None]:
    """bury(queue, *bodies): messages that have failed three times."""

    def send(queue: str, *bodies: Any) -> None:
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{queue}-dead")["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    return send


def test_each_queue_is_listed_with_its_dead_letters(api: Api, bury: Callable[..., None]) -> None:
    bury("progress", {"task_id": "t"}, {"task_id": "u"})
    items = {item["queue"]: item for item in api.get(DEAD)["items"]}
    assert {"Progress", "Dispatch", "Webhooks", "Mail"} <= items.keys()
    assert (items["Progress"]["count"], items["Dispatch"]["count"]) == (2, 0)
    assert items["Progress"]["oldest_at"] is not None
    assert items["Dispatch"]["oldest_at"] is None


def test_they_are_for_operators(database: dict[str, Any]) -> None:
    tenant = Api(functions=SERVED)
    assert tenant("GET", DEAD).status == 403
    assert tenant("GET", f"{DEAD}/Progress").status == 403
    assert tenant("POST", f"{DEAD}/Progress/redrive", {}).status == 403


def test_looking_tells_the_reason_and_takes_nothing_away(
    api: Api, bury: Callable[..., None], running_task: Callable[..., Task], sql: Sql
) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = 'FAILED', error_message = 'the model gave no answer'")
    bury("progress", {"task_id": task.task_id}, {"task_ids": ["gone"]}, "no JSON")
    for _ in range(2):
        letters = {letter["task_id"]: letter for letter in api.get(f"{DEAD}/Progress", "limit=50")["items"]}
        assert len(letters) == 3
    assert letters[task.task_id]["reason"] == "Its task is FAILED: the model gave no answer"
    assert "deleted" in letters["gone"]["reason"]
    assert "names no task" in letters[None]["reason"]
    assert letters[None]["body"] == "no JSON"
    assert len(api.get(f"{DEAD}/Progress", "limit=1")["items"]) == 1
    assert api("GET", f"{DEAD}/Nothing").status == 404


def test_what_is_put_back_is_in_its_queue_again(api: Api, bury: Callable[..., None], sent: Sent) -> None:
    bury("dispatch", *({"number": number} for number in range(13)))
    first = api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 12})
    assert (first.status, first.body) == (200, {"moved": 12, "left": 1})
    assert api("POST", f"{DEAD}/Dispatch/redrive", {}).body == {"moved": 1, "left": 0}
    assert api("POST", f"{DEAD}/Dispatch/redrive", {}).body == {"moved": 0, "left": 0}
    assert sorted(message["number"] for message in sent("dispatch")) == list(range(13))
    assert api("POST", f"{DEAD}/Nothing/redrive", {}).status == 404
    assert api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 0}).status == 422


def test_a_redrive_that_is_sent_again_moves_nothing_more(api: Api, bury: Callable[..., None], sent: Sent) -> None:
    # GIVEN one that was carried out
    bury("dispatch", {"number": 1}, {"number": 2})
    first = api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 1}, idempotency_key="again")
    assert (first.body, first.headers.get("Idempotency-Replayed")) == ({"moved": 1, "left": 1}, None)

    # WHEN its answer was lost and it comes again
    again = api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 1}, idempotency_key="again")

    # THEN it is answered as it was, and the other message stays; another request needs another key
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (200, first.body, "true")
    assert len(sent("dispatch")) == 1
    assert api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 2}, idempotency_key="again").status == 422
    assert api("POST", f"{DEAD}/Dispatch/redrive", {"limit": 1}).body == {"moved": 1, "left": 0}


def test_large_ones_are_put_back_as_many_at_once_as_their_queue_takes(
    api: Api, bury: Callable[..., None], sent: Sent
) -> None:
    quotas.enforce()
    bury("dispatch", *({"number": number, "text": "x" * 100_000} for number in range(5)))
    assert api("POST", f"{DEAD}/Dispatch/redrive", {}).body == {"moved": 5, "left": 0}
    assert sorted(message["number"] for message in sent("dispatch")) == list(range(5))


def test_a_redriven_message_of_a_finished_task_changes_nothing(
    api: Api, bury: Callable[..., None], running_task: Callable[..., Task], sent: Sent, sql: Sql
) -> None:
    # GIVEN a task that has ended, and a message that would have moved it
    task = running_task()
    message = {
        "task_id": task.task_id,
        "attempt": task.attempt,
        "step_key": "district/440104",
        "level": "district",
        "label": "越秀区",
        "sequence": 1,
    }
    sql("UPDATE tasks SET status = 'SUCCEEDED', finished_at = UTC_TIMESTAMP(6)")
    bury("progress", message)
    bury("dispatch", {"kind": task.kind})
    before = _everything(sql)

    # WHEN both are put back and handled
    for queue, domain, function in (
        ("Progress", "tasks", "update_progress"),
        ("Dispatch", "tasks", "dispatch_tasks"),
    ):
        assert api("POST", f"{DEAD}/{queue}/redrive", {}).body["moved"] == 1
        call(domain, function, records(*sent(queue.lower())))

    # THEN all is as it was
    assert _everything(sql) == before


def _everything(sql: Sql) -> list[list[dict[str, Any]]]:
    return [sql(f"SELECT * FROM {table}") for table in ("tasks", "task_steps", "task_events", "task_counts")]


def test_who_dies_while_moving_loses_nothing(
    api: Api, bury: Callable[..., None], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury("dispatch", {"number": 1})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dead_letters, "_move", _killed)
        api("POST", f"{DEAD}/Dispatch/redrive", {})
    assert sent("dispatch") == []
    assert {item["queue"]: item["count"] for item in api.get(DEAD)["items"]}["Dispatch"] == 1  # hidden for a minute


def _killed(*_: Any) -> int:
    raise KeyboardInterrupt
