"""Messages that come twice, too late, or cannot be read."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from local.running import RunningStack, eventually
from tests.observation import KIND, Observer, Row
from tests.providing import Provider, truth

VISIBILITY_SECONDS = 2  # instead of one or two minutes: what failed is delivered again so much sooner
NINGXIA = "640000"


def send(observer: Observer, queue: str, *bodies: Any, times: int = 1) -> list[str]:
    """Send each body (text, or what becomes JSON) so many times, all at once; return the message ids."""
    url = observer.physical(queue)
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies for _ in range(times)]
    entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
    answer = observer.aws("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    return [entry["MessageId"] for entry in answer["Successful"]]


def event_of(task_id: str, attempt: int = 1) -> Row:
    return {"task_id": task_id, "attempt": attempt, "level": "district", "label": "正在获取区县数据：兴庆区"}


def consumed(observer: Observer, queue: str) -> None:
    """Wait until the queue holds nothing, neither waiting nor in somebody's hands."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool:
        found = observer.aws("sqs").get_queue_attributes(QueueUrl=observer.physical(queue), AttributeNames=names)
        return not any(int(found["Attributes"][name]) for name in names)

    eventually(empty)


@contextmanager
def seen_again_soon(observer: Observer, queue: str) -> Iterator[None]:
    sqs, url = observer.aws("sqs"), observer.physical(queue)
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_a_task_whose_hints_come_at_once_and_thrice_starts_once(observer: Observer, stack: RunningStack) -> None:
    # GIVEN a task in a lane that was closed while its own hint came
    observer.sql("UPDATE lanes SET paused = 1")
    task_id = observer.submit("香港")
    consumed(observer, "DispatchQueue")
    observer.sql("UPDATE lanes SET paused = 0")

    # WHEN its hint comes three times, while one record is carried to three dispatchers at the same time
    message_ids = send(observer, "DispatchQueue", {"kind": KIND}, times=3)
    record = {"messageId": message_ids[0], "body": json.dumps({"kind": KIND})}
    payload = json.dumps({"Records": [record]}).encode()
    name, client = observer.physical("DispatchTasks"), observer.aws("lambda")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: client.invoke(FunctionName=name, Payload=payload), range(3)))
    assert [json.loads(answer["Payload"].read()) for answer in answers] == [{"batchItemFailures": []}] * 3

    # THEN it ran once
    assert observer.ended(task_id)["attempt"] == 1
    consumed(observer, "DispatchQueue")
    assert observer.events(task_id) == ["started", "succeeded"]
    machine = observer.physical("RefreshHospitals")
    executions = observer.aws("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    name = observer.task(task_id)["execution_arn"].rpartition(":")[2]
    assert [execution["name"] for execution in executions].count(name) == 1


def test_progress_told_three_times_is_counted_once(observer: Observer, provider: Provider) -> None:
    # GIVEN a refresh at work, watched by its caller
    provider.control(latency_ms=150)
    task_id = observer.submit("宁夏")
    with observer.watching(task_id) as watch:
        eventually(lambda: observer.done(task_id))

        # WHEN each of its messages comes three times more, among them some of an attempt that never was
        while observer.task(task_id)["finished_at"] is None:
            send(observer, "ProgressQueue", event_of(task_id), event_of(task_id, attempt=2), times=3)
            counted, rows = observer.task(task_id), observer.steps(task_id).values()
            assert counted["steps_done"] <= sum(row["status"] == "SUCCEEDED" for row in rows)

    # THEN nothing was counted twice, on the way and at the end
    watch.assert_never_back()
    task = observer.read(task_id)
    assert (task["status"], task["attempt"], task["progress"]) == ("SUCCEEDED", 1, 100)
    assert task["statistics"]["districts_processed"] == len(truth(NINGXIA))
    assert all(document["statistics"].get("districts_processed", 0) <= 22 for document in watch.documents)
    consumed(observer, "ProgressQueue")
    assert observer.read(task_id) == task


def test_messages_of_a_cancelled_task_change_nothing(observer: Observer, provider: Provider) -> None:
    # GIVEN a task that was cancelled at work, and one that was cancelled before it began
    provider.control(latency_ms=250)
    begun = observer.submit("宁夏")
    eventually(lambda: observer.done(begun))
    observer.sql("UPDATE lanes SET paused = 1")
    never = observer.submit("香港")
    for task_id in (begun, never):
        observer.cancel(task_id)
    observer.sql("UPDATE lanes SET paused = 0")
    observer.settle()
    tables = ("tasks", "task_steps", "task_events", "hospitals")
    before = [observer.sql(f"SELECT * FROM {table}") for table in tables]
    shown = [observer.read(task_id) for task_id in (begun, never)]

    # WHEN messages of theirs come
    send(observer, "ProgressQueue", event_of(begun), event_of(never), times=3)
    send(observer, "DispatchQueue", {"kind": KIND}, times=3)

    # THEN they are taken off their queues, and that is all
    consumed(observer, "ProgressQueue")
    consumed(observer, "DispatchQueue")
    observer.settle()
    assert [observer.sql(f"SELECT * FROM {table}") for table in tables] == before
    assert [observer.read(task_id) for task_id in (begun, never)] == shown


def test_a_message_that_cannot_be_read_is_tried_three_times_while_the_others_go_on(
    observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a task at work, whose progress nobody else tells
    provider.control(latency_ms=250)
    dead = observer.physical("ProgressDeadLetters")
    with seen_again_soon(observer, "ProgressQueue"):
        task_id = observer.submit("宁夏")
        eventually(lambda: observer.done(task_id))

        # WHEN what is no JSON, what lacks a field and what is of no known task come among good messages
        bad = ["{", {"task_id": task_id, "level": "district"}]
        good = [event_of(task_id), event_of("no_such_task")]
        ids = send(observer, "ProgressQueue", bad[0], good[0], bad[1], good[1])

        # THEN the good ones are handled, the task goes on to its end, and the bad ones come to the dead letters
        assert observer.ended(task_id)["status"] == "SUCCEEDED"
        found: dict[str, Row] = {}

        def both() -> bool:
            received = observer.aws("sqs").receive_message(QueueUrl=dead, MaxNumberOfMessages=10)
            found.update({message["MessageId"]: message for message in received.get("Messages", ())})
            return len(found) >= 2

        eventually(both)
        consumed(observer, "ProgressQueue")
    assert found.keys() == {ids[0], ids[2]}
    assert {message["Body"] for message in found.values()} == {bad[0], json.dumps(bad[1])}

    # AND each was tried exactly three times
    log = stack.log("UpdateProgress")
    assert [log.count(f'"message_id":"{message_id}"') for message_id in ids] == [3, 0, 3, 0]
