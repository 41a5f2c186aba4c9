"""Bad luck of those who listen: functions killed, watchers that vanish, a storm, a server that restarts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from local.running import RunningStack, eventually, local_stack
from tests.conftest import MINUTE_SECONDS
from tests.listening import Listener, listen
from tests.observation import KIND, Observer
from tests.providing import Provider

WATCHERS = 24
STORM = 1_000  # hints


def ends_of(listener: Listener, task_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame.get("subject") == task_id and frame["type"] == "longhaul.task.succeeded"


def connections(observer: Observer) -> list[str]:
    """The connections that have a subscription."""
    table = observer.physical("SocketsTable")
    found = observer.aws("dynamodb").scan(TableName=table)["Items"]
    return [item["sk"]["S"] for item in found if item["pk"]["S"].startswith("topic:")]


def test_half_the_watchers_vanish_and_post_notices_is_killed_and_the_rest_see_every_transition(
    observer: Observer, stack: RunningStack, provider: Provider
) -> None:
    # GIVEN many who watch one task, which does not start before they do
    provider.control(latency_ms=100)
    observer.sql("UPDATE lanes SET paused = 1")
    task_id = observer.submit("宁夏")
    watchers = [listen(stack) for _ in range(WATCHERS)]
    for watcher in watchers:
        watcher.ask("subscribe", task_id=task_id)
    observer.sql("UPDATE lanes SET paused = 0")
    stay, vanish = watchers[::2], watchers[1::2]

    # AND what is lost by a kill comes again soon
    url, sqs = observer.physical("SocketsQueue"), observer.aws("sqs")
    (hidden,) = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"].values()
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})

    # WHEN half of them vanish, and who posts is killed, at work if it can be caught there
    for watcher in vanish:
        watcher.vanish()
    eventually(lambda: stack.kill_worker("PostNotices", busy=True) or observer.task(task_id)["progress"] > 60, pause=0)
    stack.kill_worker("PostNotices")
    observer.ended(task_id)

    # THEN each of the others hears of the end
    for watcher in stay:
        watcher.until(ends_of(watcher, task_id))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": hidden})

    # AND who vanished is forgotten
    eventually(lambda: len(connections(observer)) <= len(stay))
    for watcher in watchers:
        watcher.close()


def test_a_storm_of_progress_hides_no_transition(observer: Observer, stack: RunningStack) -> None:
    # GIVEN one who listens to a kind
    with listen(stack) as listener:
        listener.ask("subscribe", kind=KIND)

        # WHEN a thousand hints of a task's progress are sent at once, and a task runs
        url, sqs = observer.physical("SocketsQueue"), observer.aws("sqs")
        for start in range(0, STORM, 100):
            entries = [
                {"Id": str(each), "MessageBody": json.dumps({"notices": hints(start + 10 * each, 10)})}
                for each in range(10)
            ]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        task_id = observer.submit("澳门")

        # THEN the task's end is heard, and so is the newest of the storm, once
        listener.until(ends_of(listener, task_id))
        newest = hints(STORM - 1, 1)[0]["notice"]["sequence"]
        eventually(lambda: newest in sequences(listener) or listener.receive())
        assert sequences(listener).count(newest) == 1
        assert len(set(sequences(listener))) < STORM / 2, "what is old by the time it is posted was posted all the same"


def sequences(listener: Listener) -> list[str]:
    return [frame["sequence"] for frame in listener.frames if frame.get("subject") == "a-storm"]


def hints(first: int, number: int) -> list[dict[str, Any]]:
    """Notices of progress of a task of this tenant."""
    data = {"task_id": "a-storm", "kind": KIND, "title": "t", "status": "RUNNING", "attempt": 1, "progress": 1}
    return [
        {
            "tenant_id": "local",
            "notice": {
                "id": (sequence := f"0000000000000001.{steps:08d}"),
                "type": "longhaul.task.progress",
                "subject": "a-storm",
                "time": "2026-12-01T02:00:00.000Z",
                "sequence": sequence,
                "data": data,
            },
        }
        for steps in range(first, first + number)
    ]


def test_a_restart_ends_connections_and_who_comes_back_misses_nothing(template: Path, tmp_path: Path) -> None:
    with local_stack(tmp_path, template=template, minute=MINUTE_SECONDS) as stack:
        # GIVEN watchers of a task, each of whom has heard it start
        observer, provider = Observer(stack), Provider(stack.provider_url)
        provider.control(latency_ms=300)
        watchers = [listen(stack) for _ in range(5)]
        for watcher in watchers:
            watcher.ask("subscribe", all=True)
        task_id = observer.submit("宁夏")
        seen = [watcher.heard("started")["sequence"] for watcher in watchers]

        # WHEN the server restarts in the middle of it
        stack.restart()

        # THEN their connections have ended, as one that goes away says it
        for watcher in watchers:
            with pytest.raises(ConnectionClosed):
                while True:
                    watcher.receive()
            assert watcher.ended() == 1001
            watcher.close()

        # AND who connects again hears all that was missed, and the end
        again = [listen(stack) for _ in watchers]
        for listener, last in zip(again, seen, strict=True):
            listener.ask("subscribe", all=True, last_sequence=last)
        observer.ended(task_id)
        for listener in again:
            listener.until(ends_of(listener, task_id))
            listener.close()
