"""Many tasks at once on the running stack: submitted in batches, cancelled by one action that is followed, purged."""

from collections.abc import Iterator

import pytest

from local.running import eventually
from tests.observation import KIND, Observer, Row, path_of

TASKS = "/api/v1/tasks"
NUMBER = 300  # three ranges


@pytest.fixture
def waiting(caller: Observer) -> Iterator[list[str]]:
    """Tasks that wait in a lane at rest, submitted a hundred at a time; their ids."""
    caller.sql("UPDATE lanes SET paused = 1 WHERE kind = %s", KIND)
    item = {"kind": KIND, "params": {"province": "澳门"}}
    answers = [caller.post(f"{TASKS}/batch", {"items": [item] * 100}) for _ in range(NUMBER // 100)]
    assert [answer["accepted"] for answer in answers] == [100] * (NUMBER // 100)
    yield [told["task_id"] for answer in answers for told in answer["items"]]
    caller.sql("DELETE FROM tasks WHERE kind IN (%s, 'bulk_action')", KIND)
    caller.sql("UPDATE lanes SET paused = 0")


def totals(caller: Observer) -> Row:
    """How many refreshes have which status, as the lists say."""
    return {
        status: caller.get(f"{TASKS}?status={status}&kind={KIND}&page_size=1")["total"]
        for status in ("PENDING", "CANCELLED")
    }


def test_hundreds_are_cancelled_by_one_action_that_is_followed_to_its_end(caller: Observer, waiting: list[str]) -> None:
    # GIVEN hundreds of waiting tasks, of which some are made urgent in a batch
    urgent = waiting[:20]
    changed = caller.request(
        "PATCH", f"{TASKS}/batch", json={"items": [{"task_id": task_id, "priority": "urgent"} for task_id in urgent]}
    )
    assert (changed.status, changed.json()["accepted"]) == (200, 20)
    meant = {"kind": [KIND], "priority": ["normal"]}
    dry = caller.post(f"{TASKS}/actions", {"action": "cancel", "filter": meant, "dry_run": True})
    assert dry == {"matched": NUMBER - 20}
    assert totals(caller) == {"PENDING": NUMBER, "CANCELLED": 0}

    # WHEN the others are cancelled
    started = caller.request("POST", f"{TASKS}/actions", json={"action": "cancel", "filter": meant})
    assert started.status == 202
    action = started.json()["task_id"]
    with caller.watching(action) as watch:
        ended = caller.ended(action)

    # THEN the action was followed to its end, by its figures, its steps and its history
    watch.assert_never_back()
    assert (ended["status"], ended["progress"]) == ("SUCCEEDED", 100)
    assert ended["statistics"] == {"matched": NUMBER - 20, "changed": NUMBER - 20, "unchanged": 0}
    steps = caller.get(f"{path_of(action)}/steps")["items"]
    assert sorted((step["level"], step["status"], step["units"]) for step in steps) == [
        ("plan", "SUCCEEDED", NUMBER - 20),
        ("range", "SUCCEEDED", 80),
        ("range", "SUCCEEDED", 100),
        ("range", "SUCCEEDED", 100),
    ]

    # AND everybody sees at once what became of the tasks
    assert totals(caller) == {"PENDING": 20, "CANCELLED": NUMBER - 20}
    assert caller.read(waiting[-1])["status"] == "CANCELLED"
    assert caller.read(urgent[0])["status"] == "PENDING"
    (events,) = caller.sql(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT task_id) AS t FROM task_events WHERE event = 'cancelled'"
    )
    assert events["n"] == events["t"] >= NUMBER - 20

    # AND they can be deleted, whereupon they are gone for everybody
    deleted = caller.request("DELETE", f"{TASKS}?older_than_days=0&status=CANCELLED")
    assert (deleted.status, deleted.json()) == (200, {"deleted": NUMBER - 20, "more": False})
    assert totals(caller) == {"PENDING": 20, "CANCELLED": 0}
    assert caller.request("GET", path_of(waiting[-1])).status == 404
    assert caller.sql("SELECT COUNT(*) AS n FROM tasks WHERE tenant_id = ''") == [{"n": 0}]


def test_an_action_that_is_cancelled_before_it_begins_does_nothing(caller: Observer, waiting: list[str]) -> None:
    # GIVEN an action that has not begun, as its lane rests
    caller.sql("UPDATE lanes SET paused = 1 WHERE kind = 'bulk_action'")
    action = caller.post(f"{TASKS}/actions", {"action": "cancel", "filter": {"task_ids": waiting[:150]}})["task_id"]
    assert caller.read(action)["allowed_actions"][0] == "cancel"
    another = caller.post(f"{TASKS}/actions", {"action": "cancel", "filter": {"task_ids": waiting[150:]}})["task_id"]

    # WHEN one is cancelled before it begins, and the lane goes on
    assert caller.cancel(another).status == 200
    caller.sql("UPDATE lanes SET paused = 0 WHERE kind = 'bulk_action'")
    eventually(lambda: caller.read(action)["status"] == "SUCCEEDED", 60)

    # THEN only the other one was done
    assert totals(caller) == {"PENDING": NUMBER - 150, "CANCELLED": 150}
