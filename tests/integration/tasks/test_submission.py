"""Submitting: one insert, idempotent by key, bounded by the lane."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import DatabaseUnavailable, InvalidRequest, KeyReused, LaneFull, UnknownKind
from longhaul.tasks import lifecycle, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.kinds import kinds
from longhaul.tasks.model import Priority
from tests.submitting import asking, submit

type Sql = Callable[..., list[dict[str, Any]]]


def test_the_same_key_makes_one_task_and_another_payload_is_refused(database: dict[str, Any], sql: Sql) -> None:
    first = submit(asking(idempotency_key="k1"))
    assert submit(asking(idempotency_key="k1")).task_id == first.task_id
    with pytest.raises(KeyReused):
        submit(asking(idempotency_key="k1", params={"province": "江苏省"}))
    with pytest.raises(KeyReused):
        submit(asking(idempotency_key="k1", priority=Priority.high))
    assert submit(asking(idempotency_key="k1", tenant_id="other")).task_id != first.task_id
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 2}]


def test_what_is_answered_is_what_was_stored(database: dict[str, Any]) -> None:
    """The answer reads little of the row: the rest is what was sent."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for asked in (
        asking(),
        asking(title="T", priority=Priority.urgent, idempotency_key="k", run_after=later),
        asking(tenant_id="other", user_id="bob", deadline=later),
    ):
        task = submit(asked)
        with longhaul_database.connection() as session:
            assert store.fetch(session, task.task_id) == task


def test_two_identical_submits_at_once_make_one_task(database: dict[str, Any], sql: Sql) -> None:
    barrier = threading.Barrier(4)
    made: list[str] = []

    def race() -> None:
        barrier.wait()
        made.append(submit(asking(idempotency_key="k2")).task_id)
        longhaul_database.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(made) == 4
    assert len(set(made)) == 1
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 1}]


def test_a_full_lane_refuses_and_stores_nothing(database: dict[str, Any], sql: Sql) -> None:
    sql("UPDATE lanes SET max_queued = 2")
    submit(asking())
    submit(asking())
    with pytest.raises(LaneFull) as refused:
        submit(asking())
    assert refused.value.retry_after == 30
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 2}]


def test_a_kind_that_came_after_the_migration_gets_its_lane(database: dict[str, Any], sql: Sql) -> None:
    kind = kinds()[asking().kind]
    sql("DELETE FROM lanes WHERE kind = %s", kind.name)
    submit(asking())
    limits = {"max_concurrent": kind.max_concurrent, "max_queued": kind.max_queued}
    assert sql("SELECT max_concurrent, max_queued FROM lanes WHERE kind = %s", kind.name) == [limits]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "no_such_kind"}, "/kind"),
        ({"params": {}}, "/params/province"),
        ({"params": {"province": "广东省", "speed": 9}}, "/params/speed"),
        ({"params": {"province": ["广东省"]}}, "/params/province"),
        ({"params": {"province": "广冬省"}}, "/params/province"),
    ],
)
def test_what_is_wrong_is_named(database: dict[str, Any], sql: Sql, changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises((InvalidRequest, UnknownKind)) as refused:
        submit(asking(**changes))
    assert [error["pointer"] for error in refused.value.errors] == [pointer]
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 0}]


def test_an_unknown_province_is_answered_with_the_nearest_ones(database: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        submit(asking(params={"province": "广冬省"}))
    assert "广东省" in refused.value.errors[0]["detail"]


def test_an_insert_whose_answer_was_lost_is_found_again(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_transaction = longhaul_database.run_transaction

    def lose_the_answer(work: Callable[..., bool]) -> bool:
        run_transaction(work)
        raise DatabaseUnavailable("connection lost (2013)")  # of its COMMIT

    monkeypatch.setattr(longhaul_database, "run_transaction", lose_the_answer)
    task = submit(asking())
    assert sql("SELECT task_id FROM tasks") == [{"task_id": task.task_id}]


def test_a_submit_is_one_insert_its_count_and_two_reads(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: ran.append(name) or run(self, name, *rest)
    )
    submit(asking())
    assert ran == ["insert_task", "count_submitted", "fetch_stored"]


def test_a_hint_that_cannot_be_sent_does_not_lose_the_task(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    from longhaul import settings

    monkeypatch.setenv("DISPATCH_QUEUE_URL", "http://127.0.0.1:9/123456789012/gone")
    settings.of.cache_clear()
    submit(asking())
    settings.of.cache_clear()
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]


def times(sql: Sql) -> dict[str, Any]:
    """Seconds from now on, by the database's clock."""
    (row,) = sql(
        "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), run_after) AS run_after,"
        " TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), deadline) AS deadline FROM tasks"
    )
    return row


def ahead(**units: float) -> datetime:
    return datetime.now(UTC) + timedelta(**units)


@pytest.mark.parametrize(("seconds", "hinted"), [(30, 30), (899, 899), (1000, None), (-100, 0)])
def test_a_delayed_task_waits_and_the_dispatcher_is_woken_when_it_may_start(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch, seconds: int, hinted: int | None
) -> None:
    wakeups: list[tuple[str, float]] = []
    monkeypatch.setattr(lifecycle, "wake", lambda kinds, *, delay: wakeups.extend((kind, delay) for kind in kinds))
    task = submit(asking(run_after=ahead(seconds=seconds), deadline=ahead(days=2)))
    assert abs(times(sql)["run_after"] - max(0, seconds)) <= 2
    assert abs(times(sql)["deadline"] - 2 * 86_400) <= 2
    if hinted is None:
        assert wakeups == []
    else:
        ((kind, delay),) = wakeups
        assert (kind, hinted - 2 <= delay <= hinted + 1) == (task.kind, True)
    assert dispatch() == (0 if seconds > 0 else 1)
    # A second ago: two connections of the embedded engine do not agree about the microsecond.
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6)) WHERE status = 'PENDING'")
    dispatch()
    with longhaul_database.connection() as session:
        started = store.fetch(session, task.task_id)
    assert started is not None
    assert (started.status, started.deadline) == ("RUNNING", task.deadline), "what was given stays"


@pytest.mark.parametrize(
    ("run_after", "deadline", "pointers"),
    [
        ({"days": 31}, None, ["/run_after"]),
        (None, {"seconds": -1}, ["/deadline"]),
        (None, {"days": 38}, ["/deadline"]),
        ({"hours": 2}, {"hours": 1}, ["/deadline"]),
        ({"days": 31}, {"hours": -1}, ["/run_after", "/deadline"]),
    ],
)
def test_times_out_of_their_bounds_are_refused_with_their_places(
    database: dict[str, Any], sql: Sql, run_after: dict[str, int] | None, deadline: dict[str, int] | None, pointers: Any
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        submit(asking(run_after=run_after and ahead(**run_after), deadline=deadline and ahead(**deadline)))
    assert [error["pointer"] for error in refused.value.errors] == pointers
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 0}]


def test_the_furthest_times_are_taken(database: dict[str, Any], sql: Sql) -> None:
    submit(asking(run_after=ahead(days=29.99), deadline=ahead(days=36.99)))
    assert times(sql)["run_after"] > 29 * 86_400


def test_it_is_the_databases_clock_that_judges_times(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a database whose clock is five minutes ahead of ours
    monkeypatch.setattr(store, "now", lambda _: ahead(minutes=5))
    # THEN a deadline in three minutes is past already, by its clock
    with pytest.raises(InvalidRequest, match="/deadline is past"):
        submit(asking(deadline=ahead(minutes=3)))


def test_other_times_are_another_payload(database: dict[str, Any]) -> None:
    later = ahead(hours=1)
    first = submit(asking(idempotency_key="k", run_after=later))
    assert submit(asking(idempotency_key="k", run_after=later)).task_id == first.task_id
    for changes in ({}, {"run_after": ahead(hours=2)}, {"deadline": later}):
        with pytest.raises(KeyReused):
            submit(asking(idempotency_key="k", **changes))


def test_a_task_without_times_is_not_asked_the_time_for(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "now", None)
    assert submit(asking()).deadline is None


def test_a_replay_of_what_no_longer_waits_changes_nothing_anywhere(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = submit(asking(idempotency_key="k"))
    lifecycle.cancel(task.task_id, "acme")
    monkeypatch.setattr(lifecycle, "after_change", None)  # called, it would fail
    assert submit(asking(idempotency_key="k")).status == "CANCELLED"
