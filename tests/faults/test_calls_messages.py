"""Messages of campaigns that come thrice, at once, too late, or cannot be read."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from local.running import RunningStack, eventually
from tests.campaigns import WORKERS, Campaigns
from tests.observation import Observer, Row
from tests.providing import Provider

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # the SDK's own

VISIBILITY_SECONDS = 1  # instead of minutes: what failed is delivered again so much sooner


def message_of(task_id: str, *, job_seq: int = 1) -> Row:
    """What every queue of calls can read; each takes of it what it needs."""
    return {"task_id": task_id, "attempt": 1, "blocks": [0, 7], "job_seq": job_seq, "job_seqs": [*range(1, 21)]}


def test_messages_that_come_thrice_are_counted_once(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN a campaign whose provider and model take a moment, so that what comes at once is done at once
    provider.control(latency_ms=100, outbound={"slow_keys": {"ListJobs": 200}, "call_seconds": 1, "call_lines": 10})
    task_id = campaigns.submit(20)

    # WHEN all its messages come three times, again and again until its end
    while observer.task(task_id)["finished_at"] is None:
        campaigns.make_due(task_id)
        for queue in WORKERS.keys() - {"AnalyseQueue"}:
            campaigns.send(queue, message_of(task_id), times=3)
        talked = [row["job_seq"] for row in campaigns.rows(task_id) if row["call_status"] == "Succeeded"]
        campaigns.send("AnalyseQueue", *(message_of(task_id, job_seq=seq) for seq in talked[-3:]), times=3)
        campaigns.page(task_id, skip_recording=False)
    consumed(observer)

    # THEN nothing was done twice nor counted twice, and nobody was asked for the same twice
    campaigns.assert_done(task_id)
    assert provider.calls("CreateJobGroup")["count"] == provider.calls("AssignJobs")["count"] == 1
    connected = [row for row in campaigns.rows(task_id) if row["call_status"] == "Succeeded"]
    assert provider.calls("conversation")["by_key"] == {row["call_job_id"]: 1 for row in connected}
    assert provider.calls("recording")["by_key"] == {row["call_task_id"]: 1 for row in connected}

    # AND those that come late, or for a task that is not there, change nothing
    def everything() -> list[Any]:
        return [observer.task(task_id), campaigns.row(task_id), campaigns.rows(task_id), campaigns.counts(task_id)]

    before = everything()
    for queue in WORKERS:
        campaigns.send(queue, message_of(task_id), message_of("no_such_task"), times=3)
    consumed(observer)
    assert everything() == before


def test_syncs_of_the_same_jobs_at_once_count_them_once(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN calls that are all over, which nobody has been told of yet
    provider.control(outbound={"call_lines": 0})
    task_id = campaigns.submit(15)
    eventually(lambda: campaigns.assigned(task_id) == 15)
    campaigns.make_due(task_id, seconds=60)
    observer.settle()
    provider.control(outbound={"call_seconds": 0.01, "slow_keys": {"ListJobs": 4_500}})
    eventually(lambda: campaigns.progress(task_id).executing == campaigns.progress(task_id).scheduling == 0)
    known = provider.calls("ListJobs")["count"]

    # WHEN three workers and more ask for them at the same time, and are told the same
    record = {"messageId": "one", "body": json.dumps({"task_id": task_id, "blocks": [0]})}
    payload = json.dumps({"Records": [record]}).encode()
    name, client = observer.physical("SyncJobs"), observer.aws("lambda")
    with ThreadPoolExecutor(8) as pool:
        answers: list[Future[Any]] = []

        def three_ask() -> bool:
            campaigns.make_due(task_id)
            answers.append(pool.submit(client.invoke, FunctionName=name, Payload=payload))
            return bool(provider.calls("ListJobs")["count"] >= known + 3)

        eventually(three_ask)
        assert campaigns.counts(task_id) == {"Scheduling": 15}
    assert {answer.result()["Payload"].read() for answer in answers} == {b'{"batchItemFailures": []}'}

    # THEN they are counted once, and the campaign comes to its end
    counts = campaigns.counts(task_id)
    assert counts["Succeeded"] + counts["Failed"] == 15
    campaigns.assert_counted(task_id)
    campaigns.ended(task_id)
    campaigns.assert_done(task_id)


def test_messages_that_cannot_be_read_are_tried_three_times_while_the_others_go_on(
    campaigns: Campaigns, observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a campaign at work
    provider.control(outbound={"call_seconds": 0.5})
    task_id = campaigns.submit(8)
    with seen_again_soon(campaigns, observer):
        # WHEN what is no JSON and what lacks its fields come to each queue among its messages
        bad = {queue: campaigns.send(queue, "{", {"task": task_id}) for queue in WORKERS}

        # THEN it goes on to its end, and they come to the dead letters
        campaigns.ended(task_id)
        campaigns.assert_done(task_id)
        found: set[str] = set()

        def all_found() -> bool:
            for queue in WORKERS:
                letters = observer.physical(queue.replace("Queue", "DeadLetters"))
                received = observer.aws("sqs").receive_message(QueueUrl=letters, MaxNumberOfMessages=10)
                found.update(message["MessageId"] for message in received.get("Messages", ()))
            return found >= {message_id for ids in bad.values() for message_id in ids}

        eventually(all_found)

    # AND each was tried exactly three times
    for queue, ids in bad.items():
        log = stack.log(WORKERS[queue])
        assert [log.count(f'"message_id":"{message_id}"') for message_id in ids] == [3, 3], queue


def consumed(observer: Observer) -> None:
    """Wait until no message waits and nobody is at work; those that dead workers of other tests hold may come later."""

    def waiting(queue: str) -> int:
        url, name = observer.physical(queue), "ApproximateNumberOfMessages"
        return int(observer.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    eventually(lambda: not any(map(waiting, WORKERS)))
    observer.settle()


@contextmanager
def seen_again_soon(campaigns: Campaigns, observer: Observer) -> Iterator[None]:
    """What fails in one of the queues is delivered again a second later."""
    sqs, urls = observer.aws("sqs"), {queue: observer.physical(queue) for queue in WORKERS}
    names = ["VisibilityTimeout"]
    before = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in urls.values()}
    for queue, url in urls.items():
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
        campaigns.send(queue, message_of("no_such_task"))  # ends the poll that began before
    observer.settle()
    try:
        yield
    finally:
        for url, answer in before.items():
            sqs.set_queue_attributes(QueueUrl=url, Attributes=answer["Attributes"])
