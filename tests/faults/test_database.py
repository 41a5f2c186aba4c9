"""A database that is away, or does not answer, for five seconds in the middle of a refresh."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from local.running import RunningStack, eventually
from tests.observation import KIND, Observer, path_of
from tests.processes import server_pid
from tests.providing import Provider, district_codes, truth

NINGXIA = "640000"
AWAY_SECONDS = 5.0


def killed(stack: RunningStack, meanwhile: Callable[[], None]) -> None:
    """kill -9, again each time that it is back too soon."""
    deadline = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < deadline:
        if (pid := stack.about()["services"]["database"]) is not None:
            os.kill(pid, signal.SIGKILL)
        meanwhile()


def stopped(stack: RunningStack, meanwhile: Callable[[], None]) -> None:
    """Its connections stay open, and nobody answers."""
    server = server_pid(stack)
    os.kill(server, signal.SIGSTOP)
    try:
        time.sleep(AWAY_SECONDS)
    finally:
        os.kill(server, signal.SIGCONT)


@pytest.mark.parametrize("away", [killed, stopped])
def test_a_refresh_outlives_a_database_that_is_away(
    observer: Observer,
    provider: Provider,
    stack: RunningStack,
    away: Callable[[RunningStack, Callable[[], None]], None],
) -> None:
    # GIVEN a refresh in the middle of its districts, whose progress its caller has seen
    provider.control(latency_ms=400)
    task_id = observer.submit("宁夏")
    eventually(lambda: observer.read(task_id)["cache_sync_status"] == "synced" and len(observer.done(task_id)) > 2)
    before = {key: row for key, row in observer.steps(task_id).items() if row["status"] == "SUCCEEDED"}
    assert len(observer.done(task_id)) < len(district_codes(NINGXIA))
    answers: list[tuple[int, int]] = []

    def call() -> None:
        read = observer.request("GET", path_of(task_id))
        sent = observer.request("POST", "/api/v1/tasks", json={"kind": KIND, "params": {"province": "香港"}})
        answers.append((read.status, sent.status))
        assert sent.status == 202 or int(sent.headers["retry-after"]) > 0

    # WHEN the database is away for five seconds
    with observer.watching(task_id) as watch:
        away(stack, call)
        eventually(lambda: ended(observer, task_id), 120)
    task = observer.read(task_id)

    # THEN the refresh has completed, and what was acknowledged before is as it was
    everything = truth(NINGXIA)
    assert (task["status"], task["attempt"], task["result"]["failed"]) == ("SUCCEEDED", 1, [])
    assert task["result"]["added"] == task["result"]["hospitals"] == sum(map(len, everything.values()))
    steps = observer.steps(task_id)
    assert {key: steps[key] for key in before} == before
    assert observer.events(task_id) == ["started", "succeeded"]
    watch.assert_never_back()

    # AND its callers were told nothing worse than to come again; they could follow the task by its live item
    assert {status for pair in answers for status in pair} <= {200, 202, 503}
    if away is killed:
        assert (200, 503) in answers
        assert "unknown" in {document["cache_sync_status"] for document in watch.documents}


def ended(observer: Observer, task_id: str) -> bool:
    """Whether the task has ended, as far as the database can be asked."""
    answer = observer.request("GET", path_of(task_id))
    return answer.status == 200 and answer.json()["finished_at"] is not None
