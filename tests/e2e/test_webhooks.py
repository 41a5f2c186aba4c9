"""Webhooks on the running stack: from a transition to the receiver, through PublishNotices, RecordDeliveries,
DeliverWebhook, SweepWebhooks and ServeWebhooks."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from local.running import Answer, RunningStack, eventually
from tests.observation import Observer
from tests.receiving import Receiver, verified

HANGING = int(os.environ.get("HANGING_WEBHOOKS", "8"))  # 49 is what a tenant may have beside one that is well
WEBHOOKS = "/api/v1/webhooks"
ENDS = ["longhaul.task.succeeded"]


@pytest.fixture
def receiver(stack: RunningStack) -> Iterator[Receiver]:
    receiver = Receiver(stack.provider_url)
    receiver.reset()
    yield receiver
    receiver.reset()


def make(observer: Observer, url: str, **wanted: Any) -> dict[str, Any]:
    answer = observer.request("POST", WEBHOOKS, json={"url": url, **wanted})
    assert answer.status == 201, answer.body.decode()
    webhook: dict[str, Any] = answer.json()
    return webhook


def submit(observer: Observer, *callbacks: dict[str, Any], items: int = 1) -> str:
    body = {"kind": "waiting", "params": {"items": items}, "callbacks": list(callbacks)}
    return str(observer.post("/api/v1/tasks", body)["task_id"])


def deliveries(observer: Observer, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = observer.get(f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries?limit=1000")["items"]
    return items


def test_a_webhook_and_a_callback_hear_of_a_task_signed(observer: Observer, receiver: Receiver) -> None:
    # GIVEN a webhook of the tenant
    webhook = make(observer, receiver.url("endpoint"))
    secret = observer.get(f"{WEBHOOKS}/secret")["secret"]

    # WHEN a task with a callback runs to its end
    task_id = submit(observer, {"url": receiver.url("callback"), "events": ENDS})
    assert observer.ended(task_id)["status"] == "SUCCEEDED"

    # THEN the webhook hears of its start and its end, the callback of its end, each once and signed by its own secret
    eventually(lambda: set(receiver.types("endpoint")) >= {"started", "succeeded"})
    eventually(lambda: receiver.types("callback") == ["succeeded"])
    told = [verified(posted, webhook["secret"]) for posted in receiver.posted("endpoint")]
    (end,) = [verified(posted, secret) for posted in receiver.posted("callback")]
    assert {notice["subject"] for notice in told} == {task_id}
    assert end in told
    assert end["data"]["status"] == "SUCCEEDED"
    assert max(told, key=lambda notice: notice["sequence"]) == end
    assert len(set(receiver.ids("endpoint"))) == len(told) == 2

    # AND the log has them, also that of the task
    eventually(lambda: {item["status"] for item in deliveries(observer, webhook)} == {"SUCCEEDED"})
    of_task = observer.get(f"{WEBHOOKS}/deliveries?task_id={task_id}")["items"]
    assert len(of_task) == 3


def test_a_receiver_that_is_gone_is_disabled_and_one_that_was_away_gets_it_later(
    observer: Observer, receiver: Receiver
) -> None:
    # GIVEN a receiver that is gone, and one that fails once
    receiver.behave("gone", status=410)
    receiver.behave("away", script=[{"status": 500}])
    gone = make(observer, receiver.url("gone"), events=ENDS)
    away = make(observer, receiver.url("away"), events=ENDS)

    # WHEN a task ends
    task_id = submit(observer)
    observer.ended(task_id)

    # THEN the one is disabled by its first answer
    eventually(lambda: observer.get(f"{WEBHOOKS}/{gone['webhook_id']}")["disabled"])
    assert observer.get(f"{WEBHOOKS}/{gone['webhook_id']}")["disabled_reason"] == "gone"

    # AND the other hears of it under the same id five seconds later
    eventually(lambda: len(receiver.ids("away")) == 2)
    assert len(set(receiver.ids("away"))) == 1
    first, second = (posted["at"] for posted in receiver.posted("away"))
    assert second - first > 4
    (delivery,) = eventually(lambda: [d for d in deliveries(observer, away) if d["status"] == "SUCCEEDED"])
    assert delivery["tries"] == 2


def test_receivers_that_hang_slow_neither_the_task_nor_others(observer: Observer, receiver: Receiver) -> None:
    # GIVEN a tenant with many webhooks that hang and one that is well, and another tenant with one
    for number in range(HANGING):
        receiver.behave(f"hangs-{number}", delay=60)
        make(observer, receiver.url(f"hangs-{number}"), events=ENDS)
    make(observer, receiver.url("well"), events=ENDS)
    other = observer.stack.token("umbrella")
    theirs = make_as(observer, other, receiver.url("theirs"))
    assert theirs.status == 201

    # WHEN tasks of both end
    task_id = submit(observer)
    task = observer.ended(task_id)
    other_id = observer.request(
        "POST", "/api/v1/tasks", token=other, json={"kind": "waiting", "params": {"items": 1}}
    ).json()["task_id"]

    # THEN the task has not waited, and both that are well hear of it while the others hang
    assert task["status"] == "SUCCEEDED"
    eventually(lambda: receiver.types("well") == ["succeeded"])
    eventually(lambda: "succeeded" in receiver.types("theirs"))
    assert {verified(one, theirs.json()["secret"])["subject"] for one in receiver.posted("theirs")} == {other_id}
    assert all(posted["outcome"] == "" for n in range(HANGING) for posted in receiver.posted(f"hangs-{n}"))

    # AND each that hangs is noted as such
    rows = "SELECT COUNT(*) AS n FROM webhooks WHERE works = 0 AND url LIKE '%hangs-%'"
    eventually(lambda: observer.sql(rows)[0]["n"] == HANGING, 240)
    assert observer.sql("SELECT COUNT(*) AS n FROM webhook_deliveries WHERE tenant_id = 'umbrella' AND tries > 1") == [
        {"n": 0}
    ]


def make_as(observer: Observer, token: str, url: str) -> Answer:
    return observer.request("POST", WEBHOOKS, token=token, json={"url": url})


def test_a_message_that_was_lost_is_found_by_the_sweep(observer: Observer, receiver: Receiver) -> None:
    # GIVEN a delivery whose message nobody has: its webhook was paused
    webhook = make(observer, receiver.url("paused"), events=ENDS)
    where = f"{WEBHOOKS}/{webhook['webhook_id']}"
    assert observer.request("PATCH", where, json={"paused": True}).status == 200
    observer.ended(submit(observer))
    eventually(lambda: deliveries(observer, webhook))

    # WHEN it goes on
    assert receiver.posted("paused") == []
    assert observer.request("PATCH", where, json={"paused": False}).status == 200

    # THEN the next sweep has it posted
    eventually(lambda: receiver.types("paused") == ["succeeded"])
