"""Bad luck with roles: workers killed at the worst moment, and many callers who want the same at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import pytest

from local.running import RunningStack, eventually
from tests.creating import BASE_INFO, KIND, put, submit, versions
from tests.observation import Observer
from tests.providing import Provider

CALLERS = 50


@contextmanager
def held(observer: Observer, task_id: str, step_key: str) -> Iterator[None]:
    """The step's row is locked while the block runs, so that its worker cannot write."""
    secret = observer._secret
    connection = pymysql.connect(
        unix_socket=secret["unix_socket"],
        user=secret["username"],
        database=secret["dbname"],
        charset="utf8mb4",
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        query = "SELECT * FROM task_steps WHERE task_id = %s AND step_key = %s FOR UPDATE"
        assert cursor.execute(query, (task_id, step_key)) == 1
        yield
        connection.rollback()


@pytest.mark.parametrize(
    ("step_key", "function", "tries", "asked"), [("write_role", "WriteRole", 1, 2), ("save_role", "SaveRole", 0, 1)]
)
def test_killed_between_the_answer_and_the_write_it_is_asked_once_more_at_most_and_stored_once(
    observer: Observer, provider: Provider, stack: RunningStack, step_key: str, function: str, tries: int, asked: int
) -> None:
    # GIVEN a role in the making, and a worker that has what it needs but cannot write it down (or save: not take it)
    put(observer, "T-1", "base-info", BASE_INFO)
    provider.control(latency_ms=500)
    log = stack.log(function)
    task_id = submit(observer, "T-1").json()["task_id"]
    eventually(lambda: observer.steps(task_id).get(step_key, {}).get("attempts") == tries, 30)
    with held(observer, task_id, step_key):
        eventually(lambda: provider.calls("role")["count"] == 1, 30)
        provider.control()
        eventually(lambda: stack.pids(function, busy=True), 30)
        time.sleep(1.0)  # the answer is there by now
        assert observer.steps(task_id)[step_key]["status"] == "PENDING"

        # WHEN it is killed
        assert stack.kill_worker(function, busy=True)
        eventually(lambda: "Status: error" in stack.log(function)[len(log) :], 30)
    task = observer.ended(task_id)

    # THEN another did it, in the same attempt
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 1)
    assert provider.calls("role")["count"] == asked
    assert [(row["version"], row["made_by"]) for row in versions(observer)] == [(1, task_id)]
    assert observer.sql("SELECT version FROM roles") == [{"version": 1}]


def test_a_storm_of_callers_makes_one_task_and_one_role(observer: Observer, provider: Provider) -> None:
    # GIVEN fifty callers who want the same role, which cannot be finished before the last has asked
    put(observer, "T-1", "base-info", BASE_INFO)
    observer.sql("UPDATE lanes SET paused = 1 WHERE kind = %s", KIND)
    assert observer.token
    answers: list[tuple[int, str]] = []
    barrier = threading.Barrier(CALLERS)

    def ask() -> None:
        barrier.wait()
        answer = submit(observer, "T-1")
        answers.append((answer.status, answer.json().get("task_id", "")))

    # WHEN they ask at once
    threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # THEN one made the task and all have it
    assert sorted(status for status, _ in answers) == [200] * (CALLERS - 1) + [202]
    assert len({task_id for _, task_id in answers}) == 1
    observer.sql("UPDATE lanes SET paused = 0 WHERE kind = %s", KIND)
    task = observer.ended(answers[0][1])
    assert (task["status"], task["result"]["version"]) == ("SUCCEEDED", 1)
    assert provider.calls("role")["count"] == 1
    assert len(versions(observer)) == 1
    assert observer.sql("SELECT COUNT(*) AS n FROM tasks WHERE kind = 'role_creation'") == [{"n": 1}]
