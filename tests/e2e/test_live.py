"""Notices over the WebSocket, through the whole chain: from a transition's commit to the client's frame."""

import pytest

from local.running import RunningStack, eventually
from tests.listening import Listener, listen
from tests.observation import KIND, Observer

ALL = "0000000000000000.00000000"


def test_a_refresh_is_heard_from_its_start_to_its_end_by_its_own_tenant(
    observer: Observer, stack: RunningStack
) -> None:
    # GIVEN one that listens to a kind, one to all, and one of another tenant
    with listen(stack) as of_kind, listen(stack) as of_all, listen(stack, "other") as other:
        of_kind.ask("subscribe", kind=KIND)
        of_all.ask("subscribe", all=True)
        other.ask("subscribe", all=True)
        other.ask("subscribe", kind=KIND)

        # WHEN a task runs to its end
        task_id = observer.submit("海南")
        ended = of_kind.heard("succeeded")

        # THEN each hears what happened to it
        of_all.heard("succeeded")
        for listener in (of_kind, of_all):
            eventually(lambda heard=listener: "longhaul.task.submitted" in types(heard) or heard.receive())
            assert {"longhaul.task.started", "longhaul.task.progress", "longhaul.task.succeeded"} <= set(
                types(listener)
            )
            notices = [frame for frame in listener.frames if "specversion" in frame]
            assert {notice["subject"] for notice in notices} == {task_id}
            assert max(notices, key=lambda notice: notice["sequence"])["data"] == ended["data"]
        assert (ended["data"]["status"], ended["data"]["progress"]) == ("SUCCEEDED", 100)

        # AND the other tenant hears nothing
        assert other.quiet() == []


def types(listener: Listener) -> list[str]:
    return [frame["type"] for frame in listener.frames]


def test_who_comes_back_with_the_last_sequence_hears_what_was_missed(observer: Observer, stack: RunningStack) -> None:
    # GIVEN a client that has heard a task start, and is gone when it ends
    with listen(stack) as listener:
        listener.ask("subscribe", all=True)
        task_id = observer.submit("海南")
        seen = listener.heard("started")["sequence"]
    task = observer.ended(task_id)

    # WHEN it connects again
    with listen(stack) as again:
        again.ask("subscribe", task_id=task_id, last_sequence=seen)

        # THEN it hears of the end, and nothing of the start
        (heard,) = [again.receive()]
        assert (heard["type"], heard["data"]["status"]) == ("longhaul.task.succeeded", task["status"])

    # AND one that has seen nothing hears both
    with listen(stack) as late:
        late.ask("subscribe", task_id=task_id, last_sequence=ALL)
        assert [late.receive()["type"], late.receive()["type"]] == [
            "longhaul.task.started",
            "longhaul.task.succeeded",
        ]


@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_what_a_person_does_to_a_task_is_heard(observer: Observer, stack: RunningStack, action: str) -> None:
    with listen(stack) as listener:
        task_id = observer.submit("广东")
        listener.ask("subscribe", task_id=task_id)

        observer.steer(task_id, action)

        told = listener.heard({"cancel": "cancelled", "pause": "paused"}[action])
        assert told["subject"] == task_id
    observer.cancel(task_id)
