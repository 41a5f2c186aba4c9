"""What the client does when an answer does not come, or is not the last word."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from longhaul_client import TaskCreationError, TaskExecutionError, TaskManager, retrying
from longhaul_client.api import Api
from longhaul_client.settings import Settings
from longhaul_client.tasks import Tasks
from tests.client.scripted import Reply, Scripted, problem, task

GOOD = Reply(200, task())


def test_it_waits_as_long_as_it_is_told(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(429, "quota_exceeded", "Too many.", headers={"Retry-After": "1"}), GOOD)
    began = time.monotonic()

    assert asyncio.run(manager.get_task_status("t-1"))["status"] == "RUNNING"

    assert 1.0 <= time.monotonic() - began < 2.0
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", [Reply(502), Reply(503), Reply(504, "<html>"), Reply(drop=True)], ids=repr)
def test_a_submission_is_sent_again_under_its_key(manager: TaskManager, server: Scripted, fault: Reply) -> None:
    # GIVEN a server that fails twice, and nobody knows whether it has made a task
    server.will(fault, fault, Reply(202, task("PENDING")))

    # WHEN two tasks are submitted
    asyncio.run(manager.create_full_refresh_task())
    first = [asked.headers["idempotency-key"] for asked in server.asked]
    asyncio.run(manager.create_full_refresh_task())

    # THEN one key says that the tries are one submission, and another that the second is not
    assert (len(first), len(set(first))) == (3, 1)
    assert server.asked[-1].headers["idempotency-key"] not in first


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_what_is_the_same_when_done_twice_is_sent_again(server: Scripted, action: str) -> None:
    server.will(Reply(drop=True), GOOD)
    asyncio.run(Tasks(Api()).act("t-1", action))
    assert [(asked.method, asked.path) for asked in server.asked] == [("POST", f"/api/v1/tasks/t-1/{action}")] * 2


@pytest.mark.parametrize(("fault", "tries"), [(Reply(drop=True), 1), (Reply(503), 1), (Reply(429), 2)])
def test_retry_is_sent_again_only_when_it_has_done_nothing(
    manager: TaskManager, server: Scripted, fault: Reply, tries: int
) -> None:
    server.will(fault, problem(409, "illegal_transition", "a PENDING task cannot be retried"))
    with pytest.raises(TaskExecutionError):
        asyncio.run(manager.retry_task("t-1"))
    assert len(server.asked) == tries


def test_it_gives_up(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(503, "lane_full", "The lane is full.", headers={"Retry-After": "0"}))
    with pytest.raises(TaskCreationError, match=r"The lane is full\. \(try again in 0 s\)") as refused:
        asyncio.run(manager.create_full_refresh_task())
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (503, "lane_full", 0)
    assert len(server.asked) == retrying.MOST_ATTEMPTS


def test_it_gives_up_at_once_when_it_would_have_to_wait_too_long(manager: TaskManager, server: Scripted) -> None:
    server.will(problem(429, "quota_exceeded", "Too many.", headers={"Retry-After": "61"}))
    with pytest.raises(TaskExecutionError) as refused:
        asyncio.run(manager.get_task_status("t-1"))
    assert (refused.value.retry_after, len(server.asked)) == (61, 1)


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
    assert len(server.asked) == 1


def test_nobody_listens(server: Scripted) -> None:
    api = Api(Settings("http://127.0.0.1:9", ""))
    with pytest.raises(TaskExecutionError, match=r"network: no answer from http://127\.0\.0\.1:9"):
        asyncio.run(api.send("POST", "/", repeatable=False, headers={}))


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
