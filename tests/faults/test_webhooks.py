"""Webhooks whose workers die (faults, cases 37 and 38): told once or more, under one id, never not at all."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pymysql
import pytest

from local.running import RunningStack, eventually
from tests.observation import Observer
from tests.receiving import Receiver

WEBHOOKS = "/api/v1/webhooks"
ENDS = ["longhaul.task.succeeded"]
VISIBILITY_SECONDS = 2  # instead of minutes: what failed is delivered again so much sooner
TASKS, KILLS = 6, 6


@pytest.fixture
def receiver(stack: RunningStack) -> Iterator[Receiver]:
    receiver = Receiver(stack.provider_url)
    receiver.reset()
    yield receiver
    receiver.reset()


def make(observer: Observer, url: str) -> dict[str, Any]:
    answer = observer.request("POST", WEBHOOKS, json={"url": url, "events": ENDS})
    assert answer.status == 201, answer.body.decode()
    webhook: dict[str, Any] = answer.json()
    return webhook


def submit(observer: Observer, *callbacks: str) -> str:
    body = {"kind": "waiting", "params": {"items": 1}, "callbacks": [{"url": url} for url in callbacks]}
    return str(observer.post("/api/v1/tasks", body)["task_id"])


def end_leases(observer: Observer) -> None:
    """What takes 45 seconds: the lease of a worker that died ends."""
    observer.sql(
        "UPDATE webhook_deliveries SET leased_until = UTC_TIMESTAMP(6), next_attempt_at = UTC_TIMESTAMP(6)"
        " WHERE leased_until IS NOT NULL"
    )


@contextmanager
def locked(observer: Observer, table: str) -> Iterator[None]:
    """The table's rows are held, so that nobody else writes them, until the block ends."""
    secret = observer._secret
    connection = pymysql.connect(
        unix_socket=secret["unix_socket"], user=secret["username"], database=secret["dbname"], ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(f"SELECT * FROM {table} FOR UPDATE")
        yield
        connection.rollback()


@contextmanager
def seen_again_soon(observer: Observer, queue: str) -> Iterator[None]:
    sqs, url = observer.aws("sqs"), observer.physical(queue)
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_a_worker_that_is_killed_while_the_receiver_thinks_posts_again_under_the_same_id(
    observer: Observer, stack: RunningStack, receiver: Receiver
) -> None:
    # GIVEN a receiver that takes its time at first
    receiver.behave("slow", script=[{"delay": 8}])
    webhook = make(observer, receiver.url("slow"))
    observer.ended(submit(observer))
    eventually(lambda: receiver.posted("slow"))

    # WHEN the worker is killed before it has answered, and its lease has ended
    assert stack.kill_worker("DeliverWebhook", busy=True)
    end_leases(observer)

    # THEN it is posted again, and taken
    eventually(lambda: len(receiver.ids("slow")) == 2)
    assert len(set(receiver.ids("slow"))) == 1
    where = f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries"
    eventually(lambda: [item["status"] for item in observer.get(where)["items"]] == ["SUCCEEDED"])


def test_a_worker_that_is_killed_after_the_answer_and_before_it_is_noted_posts_again_under_the_same_id(
    observer: Observer, stack: RunningStack, receiver: Receiver
) -> None:
    # GIVEN a receiver that has taken a notice, and a worker that cannot note it
    receiver.behave("a", script=[{"delay": 2}])
    make(observer, receiver.url("a"))
    observer.ended(submit(observer))
    eventually(lambda: receiver.posted("a"))
    with locked(observer, "webhook_deliveries"):
        eventually(lambda: receiver.posted("a")[0]["outcome"] == "204")

        # WHEN it is killed
        assert stack.kill_worker("DeliverWebhook", busy=True)
    assert observer.sql("SELECT status, tries FROM webhook_deliveries") == [{"status": "PENDING", "tries": 1}]
    end_leases(observer)

    # THEN the receiver has it once more, and can tell by the id
    eventually(lambda: len(receiver.ids("a")) == 2)
    assert len(set(receiver.ids("a"))) == 1
    eventually(lambda: observer.sql("SELECT status FROM webhook_deliveries") == [{"status": "SUCCEEDED"}])


def test_workers_that_die_on_the_way_lose_no_notice(
    observer: Observer, stack: RunningStack, receiver: Receiver
) -> None:
    # GIVEN tasks with callbacks, one of them for all
    names = [f"task-{number}" for number in range(TASKS)]
    queues = ("NoticesQueue", "WebhooksQueue", "DeliverQueue")
    with ExitStack() as soon:
        for queue in queues:
            soon.enter_context(seen_again_soon(observer, queue))
        ids = [submit(observer, receiver.url(name), receiver.url("all")) for name in names]

        # WHEN workers of every function on the way are killed while they run
        for number in range(KILLS):
            for function in ("PublishNotices", "RecordDeliveries", "DeliverWebhook"):
                stack.kill_worker(function, busy=number % 2 == 0)
            end_leases(observer)
        for task_id in ids:
            assert observer.ended(task_id)["status"] == "SUCCEEDED"

        # THEN each callback hears of its task's start and end
        def all_told() -> bool:
            end_leases(observer)
            told = [set(receiver.types(name)) >= {"started", "succeeded"} for name in names]
            return all(told) and len(set(receiver.ids("all"))) == 2 * TASKS

        eventually(all_told, 180, pause=1)

    # AND what came twice came under one id
    for name in names:
        assert len(set(receiver.ids(name))) == 2
