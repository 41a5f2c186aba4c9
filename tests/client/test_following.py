"""Following tasks by WebSocket, whatever happens to the socket, and by HTTP where there is none."""

import asyncio
import gc
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest

from local.options import ROOT
from longhaul_client import (
    ProgressCallback,
    TaskExecutionError,
    TaskManager,
    TaskNotFoundError,
    ValidationError,
    following,
    live,
    subscriptions,
)
from longhaul_client import sockets as sockets_module
from tests.client.scripted import Document, Reply, Request, Scripted, problem, task
from tests.client.sockets import Sockets, notice, sequence

END = notice("succeeded", 3, progress=100)
STARTED, HALF, SUCCEEDED = notice("started", 1), notice("progress", 1, 40), notice("succeeded", 2, progress=100)
LISTED = {"items": [task(task_id="t-0")], "next_cursor": None}


@pytest.fixture
def sockets(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.01)
    return Sockets(server)


def types(notices: list[Document]) -> list[str]:
    return [one["type"].removeprefix("longhaul.task.") for one in notices]


async def collected(
    notices: AsyncGenerator[Document], *then: Callable[[], object], count: int | None = None
) -> list[Document]:
    """The notices, to their end or `count` of them. After the first one `then[0]` is called, and so on."""
    found: list[Document] = []
    async with aclosing(notices), asyncio.timeout(20):
        async for one in notices:
            found.append(one)
            if len(found) == count:
                break
            if len(found) <= len(then):
                await asyncio.to_thread(then[len(found) - 1])
    return found


def test_a_task_is_followed_to_its_end(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a task that runs, and a server that tells its notices twice and in disorder
    sockets.history = [STARTED]
    late, older = notice("changed", 1, 10), notice("progress", 1, 20)

    # WHEN it is followed
    told = asyncio.run(
        collected(manager.follow(task_id="t-1"), lambda: sockets.tell(HALF, older, HALF, late, SUCCEEDED, SUCCEEDED))
    )

    # THEN each notice that is newer came once, the state first and the end last, and nothing was read by HTTP
    assert types(told) == ["state", "progress", "succeeded"]
    assert told[-1] == SUCCEEDED
    assert sockets.frames[0] == {"action": "subscribe", "task_id": "t-1", "id": "1"}
    assert server.requests == []


def test_a_task_that_has_ended_is_told_as_it_is(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    sockets.history = [STARTED, SUCCEEDED]
    (told,) = asyncio.run(collected(manager.follow(task_id="t-1")))
    assert (told["type"], told["data"]["status"]) == ("longhaul.task.state", "SUCCEEDED")


def test_a_socket_that_is_cut_is_opened_again_and_nothing_is_missed(
    manager: TaskManager, server: Scripted, sockets: Sockets
) -> None:
    # GIVEN a follower, whose socket is cut while notices are written
    sockets.history = [STARTED]

    def cut() -> None:
        sockets.history += [notice("paused", 2), notice("resumed", 3)]
        sockets.cut()

    def end() -> None:
        sockets.tell(notice("succeeded", 4, progress=100))

    # WHEN it follows on
    told = asyncio.run(collected(manager.follow(task_id="t-1"), cut, lambda: None, end))

    # THEN it had a new ticket, said what it knew, and was told the rest in order
    assert types(told) == ["state", "paused", "resumed", "succeeded"]
    assert sockets.tickets == 2
    assert [frame.get("last_sequence") for frame in sockets.subscribed] == [None, sequence(1)]
    assert server.requests == []


def test_who_is_too_far_behind_reads_the_task(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    sockets.history = [STARTED]
    server.will(Reply(200, task("PAUSED", task_id="t-1", progress=70), {"ETag": '"b"'}))
    sockets.forgotten = sequence(9)

    def cut() -> None:
        sockets.history += [notice("paused", 2), notice("resumed", 3)]
        sockets.cut()

    told = asyncio.run(collected(manager.follow(task_id="t-1"), cut, lambda: sockets.tell(SUCCEEDED)))

    assert types(told) == ["state", "state", "succeeded"]
    assert (told[1]["data"]["status"], told[1]["data"]["progress"], told[1]["sequence"]) == ("PAUSED", 70, sequence(1))
    assert len(server.requests) == 1


@pytest.mark.parametrize("topic", [{"kind": "hospital_province_refresh"}, {"all": True}], ids=["kind", "all"])
def test_several_tasks_are_followed_until_it_is_closed(
    manager: TaskManager, server: Scripted, sockets: Sockets, topic: dict[str, Any]
) -> None:
    # GIVEN a tenant with a task that ended long ago
    server.will(Reply(200, LISTED))
    sockets.history = [notice("succeeded", 1, task_id="t-0")]
    other = notice("started", 4, kind="call_campaign", task_id="t-3")
    coming = [STARTED, other, notice("started", 5, task_id="t-2"), notice("progress", 3, 1), notice("succeeded", 9)]
    sockets.adds = lambda frame: coming

    # WHEN all are followed, or those of a kind
    told = asyncio.run(collected(manager.follow(**topic), count=5 if "all" in topic else 4))

    # THEN each is told in its own order, and of what was before nothing is told
    assert [one for one in coming if "all" in topic or one is not other] == told
    assert len(server.requests) == 1
    assert [frame["action"] for frame in sockets.frames][:1] == ["subscribe"]


def test_several_who_fell_behind_read_what_has_changed(
    manager: TaskManager, server: Scripted, sockets: Sockets
) -> None:
    # GIVEN a follower of all, who heard of one task, and a server that has forgotten what came then
    now, later = "2026-11-25T01:03:05.000Z", "2026-11-25T02:00:00.000Z"
    old = task(task_id="t-0", updated_at="2026-11-24T00:00:00.000Z")
    ended, new = (
        task("SUCCEEDED", task_id="t-1", progress=100, updated_at=later),
        task(task_id="t-2", updated_at=now),
    )
    seen = {"items": [task(task_id="t-1"), old], "next_cursor": None}
    server.will(Reply(200, seen), Reply(200, {"items": [ended, new, old], "next_cursor": None}))
    sockets.forgotten = sequence(9)
    sockets.adds = lambda frame: [] if "last_sequence" in frame else [notice("paused", 2)]

    # WHEN its socket was cut
    told = asyncio.run(collected(manager.follow(all=True), sockets.cut, count=3))

    # THEN the states of those that changed are told, and not of those that did not
    assert [(one["subject"], one["data"]["status"]) for one in told] == [
        ("t-1", "PAUSED"),
        ("t-2", "RUNNING"),
        ("t-1", "SUCCEEDED"),
    ]
    assert server.requests[1].query == {"sort_by": "updated_at", "sort_order": "desc", "limit": "100"}


@pytest.mark.parametrize("status", [404, 403, 503])
def test_without_sockets_a_task_is_read(manager: TaskManager, server: Scripted, sockets: Sockets, status: int) -> None:
    sockets.refuses = status
    server.will(
        Reply(200, task(task_id="t-1"), {"ETag": '"a"'}),
        Reply(304, "", {"ETag": '"a"', "Preference-Applied": "wait=20"}),
        Reply(200, task("FAILED", task_id="t-1"), {"ETag": '"b"', "Preference-Applied": "wait=20"}),
    )
    told = asyncio.run(collected(manager.follow(task_id="t-1", poll_interval=0.01)))
    assert [(one["type"], one["data"]["status"], one["sequence"]) for one in told] == [
        ("longhaul.task.state", "RUNNING", sequence(0)),
        ("longhaul.task.state", "FAILED", sequence(0)),
    ]
    assert [request.headers.get("prefer") for request in server.requests] == [None, "wait=20", "wait=20"]
    assert sockets.tickets == 1 or status != 404  # a stack without sockets is not asked again soon


def test_a_proxy_that_does_not_let_it_through_means_reading(
    server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets_module, "_LOCAL", ())
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.will(Reply(200, task("SUCCEEDED", task_id="t-1")))
    (told,) = asyncio.run(collected(TaskManager().follow(task_id="t-1")))
    assert told["type"] == "longhaul.task.state"
    assert (sockets.frames, len(server.requests)) == ([], 1)


def test_who_has_read_by_http_is_told_nothing_older(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a follower whose socket is cut, and which reads for a while that the task goes on
    sockets.history = [STARTED]
    server.will(Reply(200, task(task_id="t-1", progress=60)))

    def cut() -> None:
        sockets.refuses = 503
        sockets.history += [notice("paused", 2), notice("resumed", 3), notice("started", 4, progress=60)]
        sockets.cut()

    def mend() -> None:
        sockets.adds = lambda frame: [notice("succeeded", 5)] if frame["action"] == "subscribe" else []
        sockets.refuses = None

    # WHEN there is a socket again
    told = asyncio.run(collected(manager.follow(task_id="t-1", poll_interval=0.01), cut, mend))

    # THEN it hears how the task is, and not how it came there
    assert types(told) == ["state", "state", "state", "succeeded"]
    assert [one["data"]["progress"] for one in told[1:3]] == [60, 60]
    assert "last_sequence" not in sockets.subscribed[-1]


def test_a_list_that_is_behind_takes_nothing_back(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a follower of all who heard more progress than the list has yet, and has to read the list
    later = task("SUCCEEDED", task_id="t-2", updated_at="2026-11-25T02:00:00.000Z")
    behind = task(task_id="t-1", progress=30, updated_at="2026-11-25T01:59:00.000Z")
    server.will(Reply(200, LISTED), Reply(200, {"items": [later, behind], "next_cursor": None}))
    sockets.forgotten = sequence(9)
    sockets.adds = lambda frame: [] if "last_sequence" in frame else [HALF]
    told = asyncio.run(collected(manager.follow(all=True), sockets.cut, count=2))
    assert [(one["subject"], one["data"]["progress"]) for one in told] == [("t-1", 40), ("t-2", 40)]


def test_what_is_remembered_of_tasks_is_bounded(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_TASKS", 2)
    follower = subscriptions.Subscription(1, subscriptions.Topic(), subscriptions.State.LIVE)
    for at in range(5):
        follower.put(notice("started", at + 1, task_id=f"t-{at}"))
    assert [follower.sequence_of(f"t-{at}") is not None for at in range(5)] == [False] * 3 + [True] * 2
    monkeypatch.setattr(following, "MAX_TASKS", 2)
    told: dict[str, Document] = {}
    for at in range(5):
        following._remember(told, {"task_id": f"t-{at}"})
    assert list(told) == ["t-3", "t-4"]


def test_without_sockets_lists_are_read(manager: TaskManager, server: Scripted) -> None:
    # GIVEN a stack without sockets, and a kind whose tasks move between two looks
    ended = task("SUCCEEDED", task_id="t-0", progress=100, updated_at="2026-11-25T01:04:00.000Z")
    server.will(
        Reply(200, LISTED), Reply(200, LISTED), Reply(200, {"items": [ended, task(task_id="t-2")], "next_cursor": None})
    )
    told = asyncio.run(collected(manager.follow(kind="k", poll_interval=0.01), count=2))
    assert [(one["subject"], one["data"]["status"]) for one in told] == [("t-2", "RUNNING"), ("t-0", "SUCCEEDED")]
    assert {request.query["kind"] for request in server.requests} == {"k"}


def test_more_than_a_page_that_changed_is_read_whole(manager: TaskManager, server: Scripted) -> None:
    many = [
        task(task_id=f"t-{at}", updated_at=f"2026-11-25T02:00:{at // 10:02}.{at % 10}00Z") for at in range(150, 0, -1)
    ]
    server.will(
        Reply(200, LISTED),
        Reply(200, {"items": many[:100], "next_cursor": "c"}),
        Reply(200, {"items": [*many[100:], task(task_id="t-0")], "next_cursor": "never"}),
    )
    told = asyncio.run(collected(manager.follow(all=True, poll_interval=0.01), count=150))
    assert [one["subject"] for one in told] == [f"t-{at}" for at in range(1, 151)]
    assert [request.query.get("cursor") for request in server.requests] == [None, None, "c"]


def test_the_socket_is_used_again_when_there_is_one(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a server that has no ticket at first
    sockets.refuses = 503
    sockets.history = [notice("started", 1), notice("paused", 2)]
    server.will(Reply(200, task(task_id="t-1"), {"ETag": '"a"'}))

    def mended() -> None:
        sockets.refuses = None

    # WHEN it has one later
    told = asyncio.run(collected(manager.follow(task_id="t-1", poll_interval=0.01), mended, lambda: sockets.tell(END)))

    # THEN the follower hears the state that it does not know, and no notice that is older than what it has read
    assert [(one["type"].rsplit(".", 1)[1], one["data"]["status"]) for one in told] == [
        ("state", "RUNNING"),
        ("state", "PAUSED"),
        ("succeeded", "SUCCEEDED"),
    ]


def test_several_are_read_when_the_socket_is_back(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    """Between the last look and the subscription something may have changed."""
    sockets.refuses = 503
    changed = task("PAUSED", task_id="t-0", updated_at="2026-11-25T01:04:00.000Z")
    ended = task("FAILED", task_id="t-0", updated_at="2026-11-25T01:05:00.000Z")

    def does(request: Request) -> Reply:
        if sockets.subscribed:
            return Reply(200, {"items": [ended], "next_cursor": None})
        return Reply(200, LISTED if len(server.requests) == 1 else {"items": [changed], "next_cursor": None})

    def mended() -> None:
        sockets.refuses = None

    server.will(does=does)
    told = asyncio.run(collected(manager.follow(all=True, poll_interval=60), mended, count=2))
    assert [one["data"]["status"] for one in told] == ["PAUSED", "FAILED"]


def test_a_token_that_expires_ends_the_following(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    sockets.history = [STARTED]
    server.will(problem(401, "unauthenticated", "The token has expired."))

    def expire() -> None:
        sockets.refuses = 401
        sockets.cut()

    with pytest.raises(TaskExecutionError, match=r"expired.*LONGHAUL_TOKEN"):
        asyncio.run(collected(manager.follow(task_id="t-1"), expire))


def test_a_task_that_nobody_has(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    sockets.instead = lambda _: [{"type": "error", "code": "not_found", "message": "no", "id": "1"}]
    server.will(problem(404, "not_found", "there is no task t-9"))
    with pytest.raises(TaskNotFoundError, match="no task t-9"):
        asyncio.run(collected(manager.follow(task_id="t-9")))


def test_a_state_is_for_whom_it_answers(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a follower of all, and a task whose start is written, but not told yet
    server.will(Reply(200, LISTED))
    sockets.history = [STARTED]

    async def follow() -> list[Document]:
        everything = asyncio.ensure_future(collected(manager.follow(all=True), count=2))
        while not sockets.subscribed:
            await asyncio.sleep(0.01)

        # WHEN another follows the task
        await collected(manager.follow(task_id="t-1"), count=1)
        await asyncio.to_thread(sockets.tell, STARTED, SUCCEEDED)
        return await everything

    # THEN the first is told that it has started, not how it is
    assert types(asyncio.run(follow())) == ["started", "succeeded"]


def test_a_kind_that_is_none(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    """A list of it is empty, so following it by HTTP would never end."""
    sockets.instead = lambda _: [{"type": "error", "code": "unknown_kind", "message": "no such kind", "id": "1"}]
    server.will(Reply(200, {"items": [], "next_cursor": None}))
    with pytest.raises(ValidationError, match="no such kind"):
        asyncio.run(collected(manager.follow(kind="k")))


@pytest.mark.parametrize("topic", [{}, {"task_id": "t", "all": True}, {"task_id": "t", "kind": "k"}], ids=str)
def test_one_thing_is_followed(manager: TaskManager, server: Scripted, topic: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="follow one thing"):
        asyncio.run(collected(manager.follow(**topic)))


def test_all_who_follow_share_one_socket(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN twenty tasks, two followers of each, in two managers
    def ends(frame: Document) -> list[Document]:
        return [notice("succeeded", 7, task_id=frame["task_id"])] if frame["action"] == "subscribe" else []

    sockets.adds = ends

    async def follow() -> list[list[Document]]:
        managers = manager, TaskManager()
        return await asyncio.gather(*(collected(managers[at % 2].follow(task_id=f"t-{at // 2}")) for at in range(40)))

    # WHEN all are followed at once, and again in another loop
    first, second = asyncio.run(follow()), asyncio.run(follow())

    # THEN each was told its own, over one socket a loop
    for told in (first, second):
        assert [one["subject"] for (one,) in told] == [f"t-{at // 2}" for at in range(40)]
    assert sockets.tickets == 2


def test_very_many_hear_by_one_subscription_to_all(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN more tasks than a connection has subscriptions for, which run and then end
    monkeypatch.setattr(sockets_module, "MAX_TOPICS", 3)
    ended: set[str] = set()

    def does(request: Request) -> Reply:
        task_id = request.path.rsplit("/", 1)[1]
        return Reply(200, task("SUCCEEDED" if task_id in ended else "RUNNING", task_id=task_id))

    server.will(does=does)

    async def follow() -> list[list[Document]]:
        told = [asyncio.ensure_future(collected(manager.follow(task_id=f"t-{at}"))) for at in range(8)]
        while len(server.requests) < 5:  # those without a subscription of their own read how their task is
            await asyncio.sleep(0.01)
        told.append(asyncio.ensure_future(collected(manager.follow(task_id="t-8"))))
        while len(server.requests) < 6:
            await asyncio.sleep(0.01)
        for at in range(9):
            ended.add(f"t-{at}")
            await asyncio.to_thread(sockets.tell, notice("succeeded", 7, task_id=f"t-{at}"))
        return await asyncio.gather(*told)

    # WHEN all are followed
    told = asyncio.run(follow())

    # THEN each heard of its own
    assert [one[-1]["subject"] for one in told] == [f"t-{at}" for at in range(9)]
    assert {one[-1]["data"]["status"] for one in told} == {"SUCCEEDED"}
    assert [frame.get("id") for frame in sockets.subscribed][:4] == ["1", "2", "3", "everything"]
    assert {"action": "unsubscribe", "all": True} in sockets.frames
    assert len(server.requests) == 6


def test_who_leaves_all_takes_it_from_nobody(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a follower of all, and tasks that hear by a subscription to all
    monkeypatch.setattr(sockets_module, "MAX_TOPICS", 1)
    server.will(does=lambda request: Reply(200, LISTED if "cursor" in request.path else task(task_id="t-1")))

    async def follow() -> list[Document]:
        everything, one = manager.follow(all=True), manager.follow(task_id="t-1")
        first = asyncio.ensure_future(anext(everything))
        while not sockets.subscribed:
            await asyncio.sleep(0.01)
        told = [await anext(one)]

        # WHEN the first leaves
        await asyncio.to_thread(sockets.tell, STARTED)
        await first
        await everything.aclose()
        await asyncio.to_thread(sockets.tell, SUCCEEDED)
        return told + [notice async for notice in one]

    # THEN the tasks' notices still come, and all is unsubscribed from when they have ended
    assert types(asyncio.run(follow()))[-1] == "succeeded"
    assert [frame["action"] for frame in sockets.frames] == ["subscribe", "subscribe", "unsubscribe"]


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "code": "unavailable", "message": "later", "id": "1"},
        {"message": "Limit exceeded", "connectionId": "c=", "requestId": "r="},
    ],
    ids=["Longhaul's", "API Gateway's"],
)
def test_a_server_that_cannot_subscribe_now_is_asked_again(
    manager: TaskManager, server: Scripted, sockets: Sockets, frame: Document
) -> None:
    sockets.history = [SUCCEEDED]
    sockets.instead = lambda _: [frame] if sockets.tickets == 1 else None
    server.will(Reply(200, task(task_id="t-1")))
    assert asyncio.run(collected(manager.follow(task_id="t-1")))[-1]["data"]["status"] == "SUCCEEDED"
    assert sockets.tickets == 2


def test_what_nobody_follows_any_more_is_unsubscribed(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    sockets.history = [STARTED]

    async def follow() -> None:
        one, other = manager.follow(task_id="t-1"), manager.follow(task_id="t-1")
        await anext(one)
        await anext(other)
        await one.aclose()
        sockets.frames.append({"action": "between"})
        await other.aclose()
        await manager.aclose()

    asyncio.run(follow())
    assert [frame["action"] for frame in sockets.frames] == ["subscribe", "subscribe", "between", "unsubscribe"]


def test_a_silent_socket_is_pinged_and_one_that_is_dead_is_replaced(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a socket on which nothing comes, and whose server stops answering after some pings
    monkeypatch.setattr(sockets_module, "PING_SECONDS", 0.05)
    monkeypatch.setattr(sockets_module, "PONG_SECONDS", 0.2)
    sockets.history = [STARTED]

    def is_dead(frame: Document) -> bool:
        return sockets.tickets == 1 and sum(frame["action"] == "ping" for frame in sockets.frames) > 2

    sockets.instead = lambda frame: [] if is_dead(frame) else None
    sockets.adds = lambda frame: [SUCCEEDED] if sockets.tickets == 2 else []

    # WHEN a task is followed
    told = asyncio.run(collected(manager.follow(task_id="t-1")))

    # THEN the server was pinged, and another socket took over
    assert types(told) == ["state", "succeeded"]
    assert {"action": "ping"} in sockets.frames


def test_a_notice_that_is_lost_is_made_up_for(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr("longhaul_client.connections.POLL_SECONDS", 0.01)
    sockets.history = [STARTED]
    still = task(task_id="t-1", progress=40)
    server.will(Reply(200, still, {"ETag": '"a"'}), Reply(304, ""), Reply(200, task("SUCCEEDED", task_id="t-1")))
    told = asyncio.run(collected(manager.follow(task_id="t-1")))
    assert [one["data"]["status"] for one in told] == ["RUNNING", "SUCCEEDED"]
    assert not any("prefer" in request.headers for request in server.requests)


def test_who_is_too_slow_reads_instead(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_KEPT", 10)
    sockets.history = [STARTED]
    server.will(Reply(200, task("SUCCEEDED", task_id="t-1", progress=100)))

    def flood() -> None:
        sockets.tell(*(notice("progress", 1, steps, progress=steps) for steps in range(1, 90)))

    async def follow() -> list[Document]:
        found: list[Document] = []
        async for one in manager.follow(task_id="t-1"):
            found.append(one)
            if len(found) == 1:
                await asyncio.to_thread(flood)
                await asyncio.sleep(0.3)
        return found

    told = asyncio.run(follow())
    assert [one["data"]["progress"] for one in told] == [40, 100]


@pytest.mark.parametrize(
    "frame",
    [
        *({"type": "news", "id": "1"}, {"type": "pong"}, {"type": "subscribed", "id": 7}, {}),
        *("[]", "1", "no JSON", {"specversion": "1.0", "data": None}, {"specversion": "1.0", "data": {"task_id": "t"}}),
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_read_costs_nothing(
    manager: TaskManager, server: Scripted, sockets: Sockets, frame: Any
) -> None:
    sockets.history = [STARTED]

    def confuse() -> None:
        sockets.history.append(SUCCEEDED)
        sockets.tell(frame)
        sockets.tell(SUCCEEDED)

    told = asyncio.run(collected(manager.follow(task_id="t-1"), confuse))
    assert types(told) == ["state", "succeeded"]


def test_a_server_that_hangs_up_at_once_is_asked_ever_less_often(
    manager: TaskManager, server: Scripted, sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "longhaul_client.live")
    at: list[float] = []

    def adds(frame: Document) -> list[Document]:
        at.append(asyncio.get_running_loop().time())
        raise ConnectionAbortedError

    sockets.adds = adds
    server.will(does=lambda _: Reply(200, task("SUCCEEDED" if len(at) > 6 else "RUNNING", task_id="t-1")))
    asyncio.run(collected(manager.follow(task_id="t-1", poll_interval=0.01)))
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert pauses[5] > 0.16 / 2
    assert "no WebSocket to http://127.0.0.1" in caplog.text


def test_waiting_hears_of_the_end(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    # GIVEN a task whose end is told by WebSocket
    sockets.history = [STARTED]
    sockets.adds = lambda frame: [HALF, SUCCEEDED]
    server.will(does=lambda _: Reply(200, task("SUCCEEDED" if sockets.frames else "RUNNING", task_id="t-1")))

    # WHEN it is waited for, with a long pause between two looks
    ended = asyncio.run(manager.wait_for_completion("t-1", timeout=20, poll_interval=3600))

    # THEN it is read for its end, and no worker of the server was held
    assert ended["status"] == "SUCCEEDED"
    assert len(server.requests) <= 2
    assert not any("prefer" in request.headers for request in server.requests)


def test_progress_is_reported_as_notices_come(server: Scripted, sockets: Sockets) -> None:
    # GIVEN a task that moves when its notices say so
    reported: list[int] = []

    async def listen(task_id: str, progress: int, step: str) -> None:
        reported.append(progress)
        if progress == 40:
            await asyncio.to_thread(sockets.tell, notice("paused", 2))
        elif progress == 60:
            await asyncio.to_thread(sockets.tell, notice("succeeded", 3))

    sockets.history = [STARTED]
    server.will(
        Reply(200, task(task_id="t-1", progress=10), {"ETag": '"a"'}),
        Reply(200, task(task_id="t-1", progress=40), {"ETag": '"b"'}),
        Reply(200, task("PAUSED", task_id="t-1", progress=60), {"ETag": '"c"'}),
        Reply(200, task("SUCCEEDED", task_id="t-1", progress=100), {"ETag": '"d"'}),
    )
    callback = ProgressCallback()
    callback.add_listener(listen)

    # WHEN it is waited for
    ended = asyncio.run(
        TaskManager(progress_callback=callback).wait_for_completion("t-1", timeout=20, poll_interval=3600)
    )

    # THEN each look followed a notice, and asked for what is new
    assert (ended["status"], reported) == ("SUCCEEDED", [10, 40, 60, 100])
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, '"a"', '"b"', '"c"']
    assert not any("prefer" in request.headers for request in server.requests)


def test_progress_alone_is_not_looked_at_more_often_than_asked(server: Scripted, sockets: Sockets) -> None:
    reported: list[int] = []
    clock: list[float] = []

    async def listen(task_id: str, progress: int, step: str) -> None:
        reported.append(progress)
        clock.append(asyncio.get_running_loop().time())
        if progress == 10:
            await asyncio.to_thread(sockets.tell, *(notice("progress", 1, 40 + step) for step in range(20)))

    sockets.history = [notice("started", 1, progress=10)]
    server.will(
        Reply(200, task(task_id="t-1", progress=10), {"ETag": '"a"'}),
        Reply(200, task("SUCCEEDED", task_id="t-1", progress=100), {"ETag": '"b"'}),
    )
    callback = ProgressCallback()
    callback.add_listener(listen)

    async def wait() -> None:
        manager = TaskManager(progress_callback=callback)
        warm = manager.follow(task_id="t-1")  # the socket is there before the first look
        await anext(warm)
        await manager.wait_for_completion("t-1", timeout=20, poll_interval=1)
        await warm.aclose()

    asyncio.run(wait())
    assert reported == [10, 100]
    assert clock[1] - clock[0] > 0.9


def test_a_proxy_is_not_asked_for_this_machine(
    server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sockets.history = [SUCCEEDED]
    assert len(asyncio.run(collected(TaskManager().follow(task_id="t-1")))) == 1
    assert server.requests == []


def test_nothing_is_left_open(manager: TaskManager, server: Scripted, sockets: Sockets) -> None:
    """An unclosed socket is a warning, and a warning fails the test."""
    sockets.history = [STARTED]

    async def leave() -> None:
        async for _ in manager.follow(task_id="t-1"):
            break

    asyncio.run(leave())
    asyncio.run(leave())
    gc.collect()
    assert sockets.tickets == 2
    assert live._lives == {}


def test_an_unused_socket_is_closed_and_a_busy_one_is_not(
    manager: TaskManager, server: Scripted, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINGER_SECONDS", 0.1)
    sockets.history = [SUCCEEDED]

    async def follow() -> tuple[int, int]:
        for _ in range(3):
            await collected(manager.follow(task_id="t-1"))
        within = sockets.tickets
        while live._lives:
            await asyncio.sleep(0.01)
        await collected(manager.follow(task_id="t-1"))
        return within, sockets.tickets

    assert asyncio.run(follow()) == (1, 2)


def test_the_library_is_loaded_when_it_is_first_used() -> None:
    program = "import sys, longhaul_client.command; sys.exit('websockets' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(ROOT / "client")}, timeout=60)
