"""Submitting: one insert, idempotent by key, bounded by the lane."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import DatabaseUnavailable, InvalidRequest, KeyReused, LaneFull, UnknownKind
from longhaul.tasks import store
from longhaul.tasks.model import Priority
from longhaul.tasks.submission import Submission, submit

type Sql = Callable[..., list[dict[str, Any]]]


def asking(**changes: Any) -> Submission:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "user_id": "ada",
        "kind": "hospital_province_refresh",
        "params": {"province": "广东省"},
    }
    return Submission(**values | changes)


def test_the_same_key_makes_one_task_and_another_payload_is_refused(database: dict[str, Any], sql: Sql) -> None:
    first = submit(asking(idempotency_key="k1"))
    assert submit(asking(idempotency_key="k1")).task_id == first.task_id
    with pytest.raises(KeyReused):
        submit(asking(idempotency_key="k1", params={"province": "江苏省"}))
    with pytest.raises(KeyReused):
        submit(asking(idempotency_key="k1", priority=Priority.high))
    assert submit(asking(idempotency_key="k1", tenant_id="other")).task_id != first.task_id
    assert sql("SELECT COUNT(*) AS n FROM tasks") == [{"n": 2}]


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
    insert = store.insert

    def lose_the_answer(*args: Any, **values: Any) -> bool:
        insert(*args, **values)
        raise DatabaseUnavailable("connection lost (2013)")

    monkeypatch.setattr(store, "insert", lose_the_answer)
    task = submit(asking())
    assert sql("SELECT task_id FROM tasks") == [{"task_id": task.task_id}]


def test_a_submit_is_one_insert_and_one_read(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: ran.append(name) or run(self, name, *rest)
    )
    submit(asking())
    assert ran == ["insert_task", "fetch_task"]


def test_a_hint_that_cannot_be_sent_does_not_lose_the_task(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    from longhaul import settings

    monkeypatch.setenv("DISPATCH_QUEUE_URL", "http://127.0.0.1:9/123456789012/gone")
    settings.of.cache_clear()
    submit(asking())
    settings.of.cache_clear()
    assert sql("SELECT status FROM tasks") == [{"status": "PENDING"}]
