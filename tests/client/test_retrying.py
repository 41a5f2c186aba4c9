"""What the client does when a response does not come, or may be different next time."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tenacity import RetryCallState

from longhaul_client import TaskCreationError, TaskExecutionError, TaskManager, retrying
from longhaul_client.api import Api
from longhaul_client.connections import Settings
from longhaul_client.resources import Tasks
from tests.client.scripted import Reply, Request, Scripted, problem, task

GOOD = Reply(200, task())


def test_it_waits_as_long_as_it_is_told(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(429, "quota_exceeded", "Too many.", headers={"Retry-After": "1"}), GOOD)
    began = time.monotonic()

    assert asyncio.run(manager.get_task_status("t-1"))["status"] == "RUNNING"

    assert 1.0 <= time.monotonic() - began < 30.0
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [Reply(502), Reply(503), Reply(504, "<html>"), Reply(drop=True)], ids=repr)
def test_a_submission_is_sent_again_under_its_key(manager: TaskManager, server: Scripted, fault: Reply) -> None:
    # GIVEN a server that fails twice, and nobody knows whether it has made a task
    server.will(fault, fault, Reply(202, task("PENDING")))

    # WHEN two tasks are submitted
    asyncio.run(manager.create_full_refresh_task())
    first = [request.headers["idempotency-key"] for request in server.requests]
    asyncio.run(manager.create_full_refresh_task())

    # THEN one key says that the tries are one submission, and another that the second is not
    assert (len(first), len(set(first))) == (3, 1)
    assert server.requests[-1].headers["idempotency-key"] not in first


class Remembering:
    """Carries out each key once and loses its first response. Before the next request somebody else acts."""

    def __init__(self, others: Callable[[list[str]], None]) -> None:
        self.done: list[str] = []
        self.there = 3  # tasks that have ended
        self.deleted: dict[str, int] = {}
        self._others = others

    def __call__(self, request: Request) -> Reply:
        key, lost = request.headers.get("idempotency-key"), not self.done
        if key is None or key not in self.deleted:
            self.done.append(_what(request))
            self.deleted[key or f"none {len(self.done)}"] = self.there
            self.there = 0
        if lost:
            self._others(self.done)
            return Reply(drop=True)
        count = self.deleted.get(key or "", 0)
        return Reply(200, {**task(), "deleted": count, "more": False}, {"Idempotency-Replayed": "true"})


def _what(request: Request) -> str:
    return f"{request.method} {request.path.removeprefix('/api/v1/')} {json.dumps(request.body)}"


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (lambda tasks: tasks.act("t-1", "cancel"), "POST tasks/t-1/cancel null"),
        (lambda tasks: tasks.act("t-1", "pause"), "POST tasks/t-1/pause null"),
        (lambda tasks: tasks.act("t-1", "resume"), "POST tasks/t-1/resume null"),
        (lambda tasks: tasks.act("t-1", "retry"), "POST tasks/t-1/retry null"),
        (lambda tasks: tasks.change("t-1", priority="low"), 'PATCH tasks/t-1 {"priority": "low"}'),
        (lambda tasks: tasks.change_queue("x", {"paused": True}), 'PATCH queue/x {"paused": true}'),
        (lambda tasks: tasks.act_on({"action": "pause"}), 'POST tasks/actions {"action": "pause"}'),
    ],
    ids=["cancel", "pause", "resume", "retry", "priority", "lane", "actions"],
)
def test_what_was_done_before_its_answer_was_lost_is_not_done_again(
    server: Scripted, act: Callable[[Tasks], Any], done: str
) -> None:
    # GIVEN a server that carries out a request, loses the response, and then gets another request from somebody else
    does = Remembering(lambda done: done.append("somebody else's"))
    server.will(does=does)

    # WHEN the client has its answer
    asyncio.run(act(Tasks(Api())))

    # THEN it has sent two requests, and what somebody else did stands
    assert len(server.requests) == 2
    assert does.done == [done, "somebody else's"]


def test_each_control_request_has_a_key_of_its_own(server: Scripted) -> None:
    server.will(GOOD)

    async def act() -> None:
        for _ in range(2):
            await Tasks(Api()).act("t-1", "pause")
            await Tasks(Api()).change("t-1", priority="low")

    asyncio.run(act())
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 4


def test_cleaning_up_counts_what_a_lost_answer_has_deleted(manager: TaskManager, server: Scripted) -> None:
    server.will(does=Remembering(lambda done: None))
    assert asyncio.run(manager.cleanup_old_tasks(0)) == 3
    assert len(server.requests) == 2


def test_who_waits_hears_at_once_why(manager: TaskManager, server: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    server.will(Reply(drop=True), Reply(503), GOOD)
    asyncio.run(manager.get_task_status("t-1"))
    first, second = caplog.messages
    assert first.startswith(f"network: no answer from {server.url}: ")
    assert second.startswith(f"{server.url} answers 503; trying again in ")


def test_the_pauses_are_those_that_the_readme_names(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the pauses of real clients
    monkeypatch.undo()
    policy = retrying.retrying(lambda error, next_try: None)
    state = RetryCallState(policy, None, (), {})

    # WHEN the five pauses between the six tries are drawn, many times over
    drawn = []
    for _ in range(200):
        pauses = []
        for state.attempt_number in range(1, retrying.MAX_ATTEMPTS):
            pauses.append(policy.wait(state))
        drawn.append(pauses)

    # THEN each is at most its limit and at least half of that, and all together take 8 to 16 seconds
    for pauses in drawn:
        for pause, limit in zip(pauses, (0.5, 1, 2, 4, 8), strict=True):
            assert limit / 2 <= pause <= limit
        assert 7.75 <= sum(pauses) <= 15.5


def test_each_retry_says_which_it_is(manager: TaskManager, server: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    server.will(Reply(503))
    with pytest.raises(TaskExecutionError):
        asyncio.run(manager.get_task_status("t-1"))
    assert [text.rsplit("(", 1)[1] for text in caplog.messages] == [f"{n} of 6)" for n in range(2, 7)]


def test_it_gives_up(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(503, "lane_full", "The lane is full.", headers={"Retry-After": "0"}))
    with pytest.raises(TaskCreationError, match=r"The lane is full\. \(try again in 0 s\)") as refused:
        asyncio.run(manager.create_full_refresh_task())
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "lane_full", 0)
    assert len(server.requests) == retrying.MAX_ATTEMPTS


def test_it_gives_up_at_once_when_it_would_have_to_wait_too_long(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(429, "quota_exceeded", "Too many.", headers={"Retry-After": "61"}))
    with pytest.raises(TaskExecutionError) as refused:
        asyncio.run(manager.get_task_status("t-1"))
    assert (refused.value.retry_after, len(server.requests)) == (61, 1)


def test_an_answer_that_takes_too_long(server: Scripted) -> None:
    server.will(Reply(200, task(), delay=0.5))
    api = Api(Settings(server.url, "token-1", timeout=0.05))
    with pytest.raises(TaskExecutionError, match=f"network: no answer from {server.url}: ReadTimeout") as refused:
        asyncio.run(api.get("/api/v1/tasks/t-1"))
    assert refused.value.status is None


@pytest.mark.parametrize(
    "reply", [Reply(200, "<html>hello</html>"), Reply(200, "[]"), Reply(302, "", {"Location": "/"}), Reply(500, "")]
)
def test_an_answer_that_is_none_of_longhauls(manager: TaskManager, server: Scripted, reply: Reply) -> None:
    server.will(reply)
    with pytest.raises(TaskExecutionError, match="the server answered"):
        asyncio.run(manager.get_task_status("t-1"))
    assert len(server.requests) == 1


def test_nobody_listens(server: Scripted) -> None:
    api = Api(Settings("http://127.0.0.1:9", ""))
    with pytest.raises(TaskExecutionError, match=r"network: no answer from http://127\.0\.0\.1:9"):
        asyncio.run(api.send("POST", "/"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: Any) -> None:
    assert retrying.retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    assert retrying.retry_after({"retry-after": date}) == pytest.approx(300, abs=5)
