"""Purging (serve_batches, purge_tasks): what ended long ago goes, with all that hangs on it, and nothing else does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import NotFound
from longhaul.http import waiting
from longhaul.tasks import following, lifecycle, live, purging, store
from longhaul.tasks.model import Status, Task
from longhaul.tasks.submission import Submission
from tests.calling import ask, at_once, call, sample
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Ended = Callable[..., str]

KIND = "hospital_province_refresh"
OF_TASKS = ("task_steps", "task_events", "call_campaigns", "call_counts", "call_blocks", "leads_task_list")


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def ended(database: dict[str, Any], sql: Sql) -> Ended:
    """Makes a task that ended `days` ago, with so many steps; its id."""
    numbers = count(1)

    def make(
        days: float = 40, *, tenant: str = "acme", status: str = "SUCCEEDED", kind: str = KIND, steps: int = 0
    ) -> str:
        task_id = f"task_{next(numbers):05}"
        sql(
            "INSERT INTO tasks (task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries,"
            " idempotency_key, request_digest, run_after, created_at, updated_at, finished_at)"
            " VALUES (%s, %s, 'ada', %s, 't', '{}', %s, 1, 3, %s, '', UTC_TIMESTAMP(6),"
            " TIMESTAMPADD(SECOND, -%s, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6),"
            " IF(%s IN ('SUCCEEDED', 'FAILED', 'CANCELLED'), TIMESTAMPADD(SECOND, -%s, UTC_TIMESTAMP(6)), NULL))",
            *(task_id, tenant, kind, status, task_id, int(days * 86_400) + 60, status, int(days * 86_400)),
        )
        for number in range(steps):
            sql(
                "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, created_at)"
                " VALUES (%s, %s, 'district', '区', 'SUCCEEDED', 1, UTC_TIMESTAMP(6))",
                *(task_id, str(number)),
            )
        sql(
            "INSERT INTO task_events (task_id, attempt, event, status, created_at)"
            " VALUES (%s, 1, 'succeeded', %s, UTC_TIMESTAMP(6))",
            *(task_id, status),
        )
        return task_id

    return make


def delete(query: str = "", tenant: str = "acme") -> dict[str, Any]:
    status, answer, _ = ask("serve_batches", "DELETE", "/api/v1/tasks", query=query, tenant=tenant)
    assert status == 200, answer
    return answer


def left(sql: Sql) -> list[str]:
    return [row["task_id"] for row in sql("SELECT task_id FROM tasks ORDER BY id")]


def test_only_the_tenants_own_that_ended_long_ago_go(ended: Ended, sql: Sql) -> None:
    # GIVEN old and young ones, of every status and of two tenants
    old = {status: ended(8, status=status, steps=2) for status in Status}
    young = [ended(6), ended(0.1)]
    theirs = ended(8, tenant="other", steps=2)

    # WHEN the tenant deletes by default, and by status
    assert delete("older_than_days=7&status=SUCCEEDED") == {"deleted": 1, "more": False}
    assert old[Status.FAILED] in left(sql)
    assert delete() == {"deleted": 2, "more": False}

    # THEN what has not ended is there, and what is young, and what is another's; with all that hangs on it
    active = [old[Status.PENDING], old[Status.RUNNING], old[Status.PAUSED]]
    assert left(sql) == [*active, *young, theirs]
    assert len(sql("SELECT 1 FROM task_steps")) == 8
    assert len(sql("SELECT 1 FROM task_events")) == 6
    assert delete("older_than_days=0&status=SUCCEEDED,FAILED") == {"deleted": 2, "more": False}
    assert left(sql) == [*active, theirs]


def test_what_was_made_long_ago_and_ended_lately_stays_in_every_purge(ended: Ended, sql: Sql) -> None:
    # GIVEN a task that was made long ago, ran for a month and has just ended; and one that also ended long ago
    lately = ended(40)
    ended(40)
    sql("UPDATE tasks SET finished_at = TIMESTAMPADD(DAY, -1, UTC_TIMESTAMP(6)) WHERE task_id = %s", lately)

    # WHEN its tenant deletes what ended a week ago, THEN it stays
    assert delete("older_than_days=7") == {"deleted": 1, "more": False}
    assert left(sql) == [lately]

    # AND so it does when what every tenant ended long ago is purged
    ended(40)
    assert call("tasks", "purge_tasks", sample("tasks", "purge_tasks")) == {"deleted": 1, "more": False}
    assert left(sql) == [lately]


@pytest.mark.parametrize(
    "query", ["older_than_days=-1", "older_than_days=3651", "older_than_days=x", "status=PENDING", "tenant=other"]
)
def test_what_is_wrong_is_named_and_nothing_is_deleted(ended: Ended, sql: Sql, query: str) -> None:
    ended()
    status, problem, _ = ask("serve_batches", "DELETE", "/api/v1/tasks", query=query)
    assert (status, problem["errors"][0]["pointer"].split("/")[:2]) == (400, ["query", query.split("=")[0]])
    assert len(left(sql)) == 1


def test_purge_tasks_takes_every_tenants_after_the_retention(ended: Ended, sql: Sql) -> None:
    kept = [ended(29), ended(40, status="PAUSED")]
    ended(31)
    ended(31, tenant="other", status="FAILED")
    assert call("tasks", "purge_tasks", sample("tasks", "purge_tasks")) == {"deleted": 2, "more": False}
    assert left(sql) == kept


def test_batches_are_bounded_by_tasks_and_by_what_hangs_on_them(
    ended: Ended, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN seven tasks, one with many steps
    monkeypatch.setattr(purging, "BATCH", 3)
    monkeypatch.setattr(purging, "ROWS", 4)
    for steps in (0, 11, 1, 0, 2, 0, 0):
        ended(steps=steps)
    changed: dict[str, list[int]] = {}
    run = longhaul_database.Session.run

    def counted(self: Any, name: str, *rest: Any) -> Any:
        cursor = run(self, name, *rest)
        changed.setdefault(name, []).append(cursor.rowcount)
        return cursor

    # WHEN all are purged
    monkeypatch.setattr(longhaul_database.Session, "run", counted)
    assert delete() == {"deleted": 7, "more": False}

    # THEN no statement took more than it may
    assert changed["condemn"] == [3, 3, 1]
    assert changed["delete_tasks"] == [3, 3, 1]
    assert changed["delete_steps"] == [4, 4, 4, 0, 2, 0]
    assert left(sql) == []


def test_a_purge_without_time_says_that_there_is_more_and_the_next_goes_on(
    ended: Ended, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    monkeypatch.setattr(purging, "ROWS", 2)
    for _ in range(5):
        ended(steps=3)
    seconds = count()

    # WHEN there is time for a batch and the first rows of what hangs on it
    purged = purging.purge(7, tenant_id="acme", seconds=1.5, clock=lambda: next(seconds))
    assert purged == (2, True)

    # THEN nobody sees the two any more, though their rows are not gone yet
    assert len(left(sql)) == 5
    assert ask("serve_lists", "GET", "/api/v1/tasks")[1]["total"] == 3
    with pytest.raises(NotFound):
        following.read_task("task_00001", "acme")
    assert purging.purge(7, tenant_id="acme", seconds=60) == (3, False)

    # AND the purge of all tenants finds what was left behind
    assert left(sql) == ["task_00001", "task_00002"]
    assert purging.purge(7, tenant_id=None, seconds=60) == (0, False)
    assert left(sql) == []


PLACES = [
    (purging, "condemn"),
    (purging, "_forget"),
    (purging, "delete_steps"),
    (purging, "delete_events"),
    (purging, "delete_tasks"),
]


def test_killed_anywhere_the_next_purge_finishes(ended: Ended, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise Killed

    for module, name in PLACES:
        ended(steps=2)
        with monkeypatch.context() as dying:
            dying.setattr(module, name, die)
            with pytest.raises(Killed):
                purging.purge(7, tenant_id=None, seconds=60)
            longhaul_database.close()
    kept = ended(1, steps=1)
    assert purging.purge(7, tenant_id=None, seconds=60).more is False
    assert left(sql) == [kept]
    assert [len(sql(f"SELECT 1 FROM {table}")) for table in ("task_steps", "task_events")] == [1, 1]


def test_purges_at_once_count_each_task_once(ended: Ended, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 5)
    for _ in range(30):
        ended(steps=1)
    purged: list[int] = []
    at_once(3, lambda: purged.append(purging.purge(7, tenant_id="acme", seconds=60).deleted))
    purged.append(purging.purge(7, tenant_id="acme", seconds=60).deleted)
    assert sum(purged) == 30
    assert left(sql) == []


@pytest.mark.parametrize("_", range(3))
def test_a_retry_that_races_a_purge_has_one_winner(ended: Ended, sql: Sql, _: int) -> None:
    # GIVEN a task that failed long ago
    task_id = ended(status="FAILED", steps=1)
    retried: list[bool] = []
    purged: list[int] = []

    def retry() -> None:
        try:
            retried.append(lifecycle.retry(task_id, "acme").status == Status.PENDING)
        except NotFound:
            retried.append(False)

    # WHEN it is retried and purged at once
    work = iter([retry, lambda: purged.append(purging.purge(7, tenant_id="acme", seconds=60).deleted)])
    at_once(2, lambda: next(work)())

    # THEN it waits with all it had, or it is gone
    assert purged == [0 if retried == [True] else 1]
    steps = len(sql("SELECT 1 FROM task_steps"))
    assert ([task_id] if retried == [True] else [], int(retried == [True])) == (left(sql), steps)


def test_a_purged_task_is_gone_at_once_and_its_key_is_free(running_task: Callable[..., Task], sql: Sql) -> None:
    task = running_task()
    lifecycle.cancel(task.task_id, "acme")
    sql("UPDATE tasks SET idempotency_key = 'k1'")
    assert live.read(task.task_id)
    assert delete("older_than_days=0") == {"deleted": 1, "more": False}
    assert live.read(task.task_id) is None
    assert ask("read_task", "GET", f"/api/v1/tasks/{task.task_id}")[0] == 404
    again = submit(Submission("acme", "ada", KIND, {"province": "广东省"}, idempotency_key="k1"))
    with longhaul_database.connection() as session:
        assert store.fetch(session, again.task_id)


@pytest.mark.parametrize("placed", [True, False])
def test_deleting_is_brief_where_too_many_hold_the_function(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch, placed: bool
) -> None:
    serve_batches = import_module("tasks.serve_batches")

    @contextmanager
    def place(tenant_id: str, seconds: float) -> Iterator[bool]:
        assert (tenant_id, seconds) == ("acme", serve_batches.FUNCTION_SECONDS)
        yield placed

    def purge(*_: Any, seconds: float, **__: Any) -> purging.Purged:
        assert seconds == (serve_batches.PURGE_SECONDS if placed else serve_batches.BRIEF_SECONDS)
        return purging.Purged(3, more=True)

    monkeypatch.setattr(waiting, "place", place)
    monkeypatch.setattr(serve_batches, "purge", purge)
    assert delete("older_than_days=0") == {"deleted": 3, "more": True}


def test_a_campaign_goes_with_its_leads_but_for_their_follow_ups(ended: Ended, sql: Sql) -> None:
    # GIVEN an old campaign with more leads than one statement deletes, and a young one
    campaigns = [ended(kind="call_campaign"), ended(1, kind="call_campaign")]
    for task_id in campaigns:
        sql(
            "INSERT INTO call_campaigns (task_id, tenant_id, open, created_at)"
            " VALUES (%s, 'acme', 0, UTC_TIMESTAMP(6))",
            task_id,
        )
        sql("INSERT INTO call_counts (task_id, name, number) VALUES (%s, 'Succeeded', 5)", task_id)
        sql(
            "INSERT INTO call_blocks (task_id, block, open_jobs, synced_at) VALUES (%s, 0, 0, UTC_TIMESTAMP(6))",
            task_id,
        )
        for number in range(5):
            sql(
                "INSERT INTO leads_task_list (task_id, tenant_id, leads_id, phone) VALUES (%s, 'acme', %s, '1')",
                *(task_id, f"L-{number}"),
            )
    sql("INSERT INTO dcc_leads_follow (tenant_id, leads_id, leads_remark) VALUES ('acme', 'L-0', '感兴趣')")

    # WHEN it is purged
    assert delete() == {"deleted": 1, "more": False}

    # THEN nothing is left of it but what belongs to its leads, whom the other one calls too
    assert left(sql) == campaigns[1:]
    for table in OF_TASKS[1:]:
        assert {row["task_id"] for row in sql(f"SELECT task_id FROM {table}")} == {campaigns[1]}, table
    assert len(sql("SELECT 1 FROM dcc_leads_follow")) == 1


def test_a_kind_that_is_served_no_more_is_purged_too(ended: Ended, sql: Sql) -> None:
    ended(kind="gone_kind", steps=2)
    assert delete() == {"deleted": 1, "more": False}
    assert left(sql) == []
