"""record_deliveries: which address is told of which notice, and that twice is once."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.tasks import lifecycle, publication
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task
from longhaul.tasks.notices import Channel
from tests.calling import at_once, call, records, sample
from tests.gateway import Api
from tests.notifying import STARTED, SUCCEEDED, WEBHOOKS, notice, record, task_of
from tests.notifying import make as make_webhook
from tests.receiving import Receiver

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]


def make_id(api: Api, url: str = "https://hooks.example.com/a", **wanted: Any) -> str:
    return str(make_webhook(api, url, **wanted)["webhook_id"])


def recorded(sql: Sql) -> list[tuple[str, str]]:
    rows = sql("SELECT webhook_id, event FROM webhook_deliveries ORDER BY webhook_id, id")
    return [(row["webhook_id"], row["event"]) for row in rows]


def test_each_webhook_that_wants_a_notice_has_one_delivery(
    api: Api, running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN webhooks for all, for another type, for this and another kind, and one that is paused
    task = running_task()
    every, ends = make_id(api), make_id(api, events=[SUCCEEDED, "longhaul.task.failed"])
    own, others = make_id(api, kinds=[task.kind]), make_id(api, kinds=["role_creation"])
    paused = make_id(api)
    assert api("PATCH", f"{WEBHOOKS}/{paused}", {"paused": True}).status == 200

    # WHEN a message has two notices
    record(notice(task, STARTED, 6), notice(task, SUCCEEDED, 7))

    # THEN each that wants them has them, also the one that is paused
    want = [(webhook, event) for webhook in (every, own, paused) for event in (STARTED, SUCCEEDED)]
    assert sorted(recorded(sql)) == sorted([*want, (ends, SUCCEEDED)])
    assert others not in dict(recorded(sql))

    # AND what may be tried has its message
    ids = {
        row["delivery_id"] for row in sql("SELECT delivery_id FROM webhook_deliveries WHERE webhook_id <> %s", paused)
    }
    messages = sent("deliver")
    assert {message["delivery_id"] for message in messages} == ids
    assert {message["tenant_id"] for message in messages} == {"acme"}


def test_a_notice_that_comes_twice_and_at_once_is_recorded_once(api: Api, running_task: Running, sql: Sql) -> None:
    # GIVEN a webhook
    task, webhook_id = running_task(), make_id(api)

    # WHEN the same message comes several times, some of them at once
    record(notice(task))
    before = sql("SELECT delivery_id, created_at FROM webhook_deliveries")
    at_once(4, lambda: record(notice(task), notice(task, STARTED, 6)))

    # THEN there is one delivery of each, and the first is as it was
    assert sorted(recorded(sql)) == [(webhook_id, STARTED), (webhook_id, SUCCEEDED)]
    assert sql("SELECT delivery_id, created_at FROM webhook_deliveries ORDER BY id LIMIT 1") == before


def test_a_delivery_that_has_ended_is_not_begun_again_by_a_late_message(
    api: Api, running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a delivery that has succeeded
    task = running_task()
    make_id(api)
    record(notice(task))
    sql("UPDATE webhook_deliveries SET status = 'SUCCEEDED', next_attempt_at = NULL")
    sent("deliver")

    # WHEN its notice comes again
    record(notice(task))

    # THEN it stays so
    assert [row["status"] for row in sql("SELECT status FROM webhook_deliveries")] == ["SUCCEEDED"]
    assert sent("deliver") == []


def test_nobody_is_told_of_another_tenants_task(api: Api, other: Api, running_task: Running, sql: Sql) -> None:
    # GIVEN a webhook of each of two tenants
    task, own = running_task(), make_id(api)
    make_id(other, "https://umbrella.example.com/")

    # WHEN a notice comes, and one that names the wrong tenant
    record(notice(task))
    record(notice(task, number=8) | {"tenant_id": "umbrella"})

    # THEN the rows decide whose task it is
    assert {webhook for webhook, _ in recorded(sql)} == {own}
    assert {row["tenant_id"] for row in sql("SELECT tenant_id FROM webhook_deliveries")} == {"acme"}


def test_a_disabled_webhook_and_a_purged_task_have_none(api: Api, running_task: Running, sql: Sql) -> None:
    # GIVEN a webhook that is disabled, and a task that was taken from its tenant to be purged
    task, gone = running_task(), running_task(province="江苏省")
    make_id(api)
    disabled = make_id(api)
    sql("UPDATE webhooks SET disabled_at = UTC_TIMESTAMP(6), disabled_reason = 'gone' WHERE webhook_id = %s", disabled)
    sql("UPDATE tasks SET tenant_id = '' WHERE task_id = %s", gone.task_id)

    # WHEN notices of both come
    record(notice(task), notice(gone, number=8))

    # THEN there is the one
    assert [event for _, event in recorded(sql)] == [SUCCEEDED]
    assert disabled not in dict(recorded(sql))


def test_callbacks_are_told_of_their_task_alone(
    database: dict[str, Any], running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a task with callbacks, one of them for its end only, and a task without
    api = Api(functions=("tasks.serve_tasks",))
    urls = ["https://hooks.example.com/all", "https://hooks.example.com/end"]
    body = {
        "kind": "hospital_province_refresh",
        "params": {"province": "广东省"},
        "callbacks": [{"url": urls[0]}, {"url": urls[1], "events": [SUCCEEDED]}],
    }
    answer = api("POST", "/api/v1/tasks", body)
    assert answer.status == 202, answer
    task, without = task_of(answer.body["task_id"]), running_task(province="江苏省")

    # WHEN notices of both come, twice
    for _ in range(2):
        record(notice(task, STARTED, 6), notice(task, SUCCEEDED, 7), notice(without, SUCCEEDED, 8))

    # THEN each callback has what it asked for, once
    rows = sql(
        "SELECT webhooks.url, webhook_deliveries.event, webhook_deliveries.task_id FROM webhook_deliveries"
        " JOIN webhooks ON webhooks.webhook_id = webhook_deliveries.webhook_id ORDER BY webhook_deliveries.id"
    )
    assert sorted((row["url"], row["event"]) for row in rows) == [
        (urls[0], STARTED), (urls[0], SUCCEEDED), (urls[1], SUCCEEDED)
    ]  # fmt: skip
    assert {row["task_id"] for row in rows} == {task.task_id}
    assert len({message["delivery_id"] for message in sent("deliver")}) == 3

    # AND no list of the tenant's webhooks shows their addresses
    assert Api(scope="notices:read", functions=("webhooks.serve_webhooks",)).get(WEBHOOKS)["items"] == []


def test_an_address_of_callbacks_that_was_disabled_is_enabled_by_a_later_task(api: Api, sql: Sql) -> None:
    # GIVEN the address of a task's callback, which was disabled
    def submit_one() -> Task:
        body = {
            "kind": "hospital_province_refresh",
            "params": {"province": "广东省"},
            "callbacks": [{"url": "https://hooks.example.com/cb"}],
        }
        return task_of(Api(functions=("tasks.serve_tasks",))("POST", "/api/v1/tasks", body).body["task_id"])

    first = submit_one()
    record(notice(first, STARTED, 6))
    sql("UPDATE webhooks SET disabled_at = UTC_TIMESTAMP(6), disabled_reason = 'gone', works = 0, failures = 1")

    # WHEN more comes of the same task, and then of one that was submitted later
    record(notice(first, SUCCEEDED, 7))
    assert [event for _, event in recorded(sql)] == [STARTED]
    record(notice(submit_one(), STARTED, 8))

    # THEN the later one is told, and the address is as new
    assert [event for _, event in recorded(sql)] == [STARTED, STARTED]
    assert sql("SELECT disabled_at, failures, works FROM webhooks") == [
        {"disabled_at": None, "failures": 0, "works": None}
    ]


def test_a_tasks_callbacks_and_deliveries_go_with_it(running_task: Running, api: Api, sql: Sql) -> None:
    # GIVEN a delivery of a task
    task = running_task()
    make_id(api)
    record(notice(task))

    # WHEN the task is deleted
    sql("DELETE FROM tasks WHERE task_id = %s", task.task_id)

    # THEN there is none
    assert recorded(sql) == []


# ------------------------------------------------------------------------------------------- from transitions on


def listening(tenant: str = "acme") -> bool:
    with longhaul_database.connection() as session:
        return publication.is_heard(session, tenant, Channel.WEBHOOKS)


def test_what_happens_to_a_task_comes_to_the_queue_only_if_a_webhook_is_told(
    api: Api, running_task: Running, sent: Sent
) -> None:
    # GIVEN no webhook: nothing is sent
    task = running_task()
    publication.publish([task.task_id])
    assert sent("webhooks") == []

    # WHEN there is one
    webhook_id = make_id(api)
    assert listening()
    lifecycle.close(task.task_id, task.attempt, Outcome(result={}))
    publication.publish([task.task_id])
    (message,) = sent("webhooks")
    assert [one["notice"]["type"] for one in message["notices"]] == [SUCCEEDED]

    # AND none again once it is deleted
    assert api("DELETE", f"{WEBHOOKS}/{webhook_id}").status == 200
    assert not listening()


@pytest.mark.parametrize("webhooks", [False, True])
def test_a_task_with_callbacks_is_heard_by_webhooks_once_whether_or_not_its_tenant_listens(
    api: Api, sent: Sent, receiver: Receiver, *, webhooks: bool
) -> None:
    # GIVEN a task with a callback, of a tenant that listens on sockets, and perhaps has a webhook
    if webhooks:
        make_id(api)
    with longhaul_database.connection() as session:
        publication.listen(session, "acme", Channel.SOCKETS)
    body = {
        "kind": "hospital_province_refresh",
        "params": {"province": "广东省"},
        "callbacks": [{"url": receiver.url("a")}],
    }
    answer = Api(functions=("tasks.serve_tasks",))("POST", "/api/v1/tasks", body)
    sent("sockets")

    # WHEN something happens to it
    lifecycle.cancel(answer.body["task_id"], "acme")
    publication.publish([answer.body["task_id"]])

    # THEN each channel has it once
    for channel in ("webhooks", "sockets"):
        (message,) = sent(channel)
        assert [one["notice"]["type"] for one in message["notices"]] == ["longhaul.task.cancelled"]


def test_the_sample_event_is_taken(database: dict[str, Any]) -> None:
    event = sample("webhooks", "record_deliveries")
    assert call("webhooks", "record_deliveries", event) == {"batchItemFailures": []}


def test_a_message_that_cannot_be_read_is_alone_reported(api: Api, running_task: Running, sql: Sql) -> None:
    task = running_task()
    make_id(api)
    answer = call("webhooks", "record_deliveries", records("{}", {"notices": [notice(task)]}))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(recorded(sql)) == 1
