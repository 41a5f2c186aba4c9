"""Roll-ups: what happens to tasks is counted once, whoever dies, races, or comes late. (fold_rollups)"""

import itertools
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.errors import LonghaulError
from longhaul.tasks import batches, bulk, lifecycle, purging, recovery, rollups, store
from longhaul.tasks.changes import Wish
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.figures import LAST_BUCKET, upper_bound
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Priority, Task, TaskError, Transition
from longhaul.tasks.rollups import Reader, Steps, Window
from longhaul.tasks.submission import Submission
from tests.calling import at_once, call, sample
from tests.integration.monitor.counting import counted, counted_of_all, make_past, recount, together, totals_agree
from tests.submitting import asking, submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]

KIND = "hospital_province_refresh"
WRONG = TaskError("bad_answer", "no JSON")
AWAY = TaskError("provider_unavailable", "away")
EVER = Window(0, 100_000_000, rollups.EIGHT_DAYS)
EVENTS = ("submitted", "started", "requeued", "paused", "resumed", "failed", "retried", "recovered", "succeeded",
          "expired", "cancelled")  # fmt: skip
ONE_STEP = Steps(100_000_000, EVENTS)


class Killed(BaseException):
    """The process dies here."""


def exact(sql: Sql) -> None:
    """In every span, of tenants and of all, what is counted is what a recount of the rows finds."""
    found = recount(sql)
    assert found, "there is something to count"
    for span in rollups.KEPT:
        assert counted(sql, span) == found
        assert counted_of_all(sql, span) == together(found)
    assert totals_agree(sql)


def story(running_task: Running) -> None:
    """One task that does all that a task can, and an end that no attempt made."""
    task = running_task()
    lifecycle.close(task.task_id, 1, Outcome(error=AWAY))
    longhaul_database.run_transaction(lambda tx: store.change(tx, {task.id: _values(task)}))
    started_again(task)
    lifecycle.pause(task.task_id, "acme")
    lifecycle.resume(task.task_id, "acme")
    lifecycle.close(task.task_id, started_again(task), Outcome(error=WRONG))
    lifecycle.retry(task.task_id, "acme")
    last = started_again(task)
    longhaul_database.run_transaction(lambda tx: store.restart(tx, read(task), recovery.GONE))
    lifecycle.close(task.task_id, last, Outcome(result={}))
    lifecycle.cancel(submit(asking(tenant_id="other")).task_id, "other")
    late = submit(asking(params={"province": "海南省"}))
    lifecycle.finish(late, Transition.EXPIRE, Outcome(error=TaskError("deadline_exceeded", "late")))


def _values(task: Task) -> store.Values:
    return store.Values(Priority.high, task.title, task.run_after, {"priority": ["normal", "high"]})


def read(task: Task) -> Task:
    with longhaul_database.connection() as session:
        found = store.fetch(session, task.task_id)
    assert found is not None
    return found


def started_again(task: Task) -> int:
    """The number of the attempt that begins, its back-off passed over."""
    with longhaul_database.connection() as session:
        hasten = "UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6)) WHERE id = %s"
        session.run("hasten", hasten, (task.id,))
    dispatch([KIND])
    return read(task).attempt


def test_every_event_of_a_task_is_counted_in_its_transaction(running_task: Running, sql: Sql) -> None:
    # WHEN tasks do all that tasks can
    story(running_task)

    # THEN each event but `changed`, and each submission, is counted once, by its tenant and kind
    assert {event: number for (tenant, _, event), number in recount(sql).items() if tenant == "acme"} == {
        "submitted": 2,
        "started": 4,
        "requeued": 1,
        "paused": 1,
        "resumed": 1,
        "failed": 1,
        "retried": 1,
        "recovered": 1,
        "succeeded": 1,
        "expired": 1,
    }
    assert counted(sql) == recount(sql)


def test_a_fold_adds_to_minute_hour_and_day_and_takes_nothing_twice(running_task: Running, sql: Sql) -> None:
    story(running_task)
    make_past(sql)
    for _ in range(2):
        call("monitor", "fold_rollups", sample("monitor", "fold_rollups"))
        assert sql("SELECT 1 FROM task_counts") == []
        exact(sql)
    for tenant_id in ("acme", None):  # a window read from any span has the same
        seen = [rollups.sum_steps(Reader(tenant_id), Window(0, 100_000_000, span), ONE_STEP) for span in rollups.KEPT]
        assert seen[0]
        assert all(sorted(counts) == sorted(seen[0]) for counts in seen)


def test_the_minute_that_is_not_over_is_left_alone(running_task: Running, sql: Sql) -> None:
    running_task()
    sql("UPDATE task_counts SET minute = TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) + 1")
    assert rollups.fold(seconds=10) == 0
    assert len(sql("SELECT 1 FROM task_counts")) == 2


def test_what_comes_late_is_added_to_its_own_minute(running_task: Running, sql: Sql) -> None:
    # GIVEN a minute that was folded
    running_task()
    make_past(sql)
    rollups.fold(seconds=10)
    # WHEN a transaction that began in it commits
    running_task(province="海南省")
    sql("UPDATE task_counts SET minute = (SELECT MIN(start) FROM task_rollups WHERE span = 1)")
    rollups.fold(seconds=10)
    # THEN it has both
    assert sql("SELECT DISTINCT number FROM task_rollups WHERE span = 1 AND event = 'submitted'") == [{"number": 2}]
    exact(sql)


@pytest.mark.parametrize("statement", ["add_to_rollups", "add_to_totals", "delete_counts"])
def test_a_fold_that_is_killed_has_done_nothing(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    story(running_task)
    make_past(sql)

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(rollups._queries, statement, die)
        with pytest.raises(Killed):
            rollups.fold(seconds=10)
    assert sql("SELECT 1 FROM task_rollups") == []
    exact(sql)
    rollups.fold(seconds=10)
    exact(sql)


def test_folds_at_once_take_different_rows(running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "FOLDED", 5)
    story(running_task)
    spread(sql, rows=100)
    before = counted(sql)
    at_once(4, lambda: rollups.fold(seconds=30))
    rollups.fold(seconds=30)
    assert sql("SELECT 1 FROM task_counts") == []
    assert counted(sql) == before


def test_a_reader_sees_each_count_once_while_it_is_folded(
    running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN many counts, folded a few at a time
    monkeypatch.setattr(rollups, "FOLDED", 3)
    running_task()
    spread(sql, rows=150)
    wanted = sum(counted(sql).values())
    done, seen = threading.Event(), set[int]()

    def look() -> None:
        while not done.is_set():
            for reader in (Reader("acme"), Reader(None)):
                for span in rollups.KEPT:
                    counts = rollups.sum_steps(reader, Window(0, 100_000_000, span), ONE_STEP)
                    seen.add(sum(count.number for count in counts))
        longhaul_database.close()

    reader = threading.Thread(target=look)
    reader.start()
    # WHEN they are folded
    rollups.fold(seconds=60)
    done.set()
    reader.join()
    # THEN every reading has the same number
    assert seen == {wanted}
    assert sql("SELECT 1 FROM task_counts") == []


def spread(sql: Sql, rows: int) -> None:
    """More counts, of the minutes before, so that there is much to fold."""
    for number in range(rows):
        sql(
            "INSERT INTO task_counts (tenant_id, kind, minute, event, bucket, writer, number, microseconds, units,"
            " best) SELECT 'acme', %s, TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - 5, 'paused', -1, %s,"
            " 1, 0, 0, 0",
            KIND,
            1_000_000 + number,
        )
    make_past(sql)


def test_writers_of_one_tenant_and_kind_do_not_wait_for_each_other(running_task: Running, sql: Sql) -> None:
    # GIVEN a transition whose transaction is still open
    first, second = running_task(), running_task(province="海南省")
    sql("DELETE FROM task_counts")
    with longhaul_database.transaction() as tx:
        store.record(tx, Transition.PAUSE, {first.id: None})
        # WHEN another one of the same tenant and kind is made beside it
        beside = threading.Thread(target=lambda: lifecycle.cancel(second.task_id, "acme"))
        beside.start()
        beside.join(timeout=20)
        # THEN it is done before the first commits
        assert not beside.is_alive()
        assert [row["event"] for row in sql("SELECT event FROM task_counts")] == ["cancelled"]
    assert sorted(row["event"] for row in sql("SELECT event FROM task_counts")) == ["cancelled", "paused"]


def test_what_was_rolled_back_is_not_counted(running_task: Running, sql: Sql) -> None:
    task = running_task()

    def write(tx: Any) -> None:
        lifecycle.move_all(tx, Transition.CANCEL, [task])
        raise Killed

    with pytest.raises(Killed):
        longhaul_database.run_transaction(write)
    assert counted(sql) == recount(sql)
    assert counted(sql)["acme", KIND, "cancelled"] == 0


def test_races_leave_exact_counts(running_task: Running, sql: Sql) -> None:
    # GIVEN tasks, of which several at once want different things, while counts are folded
    sql("UPDATE lanes SET max_concurrent = 100 WHERE kind = %s", KIND)
    provinces = ["广东省", "海南省", "江苏省", "浙江省", "山东省", "河南省"]
    tasks = [running_task(province=province) for province in provinces]
    make_past(sql)

    def deeds(task: Task, province: str) -> list[Callable[[], object]]:
        return [
            lambda: lifecycle.pause(task.task_id, "acme"),
            lambda: lifecycle.resume(task.task_id, "acme"),
            lambda: lifecycle.retry(task.task_id, "acme"),
            lambda: lifecycle.close(task.task_id, read(task).attempt, Outcome(error=WRONG)),
            lambda: lifecycle.close(task.task_id, read(task).attempt, Outcome(error=AWAY)),
            lambda: dispatch([KIND]),
            lambda: submit(asking(params={"province": province})),
            lambda: rollups.fold(seconds=5),
        ]

    def act() -> None:
        chance = random.Random(threading.get_ident())
        for _ in range(12):
            with suppress(LonghaulError):
                chance.choice(deeds(chance.choice(tasks), chance.choice(provinces)))()

    at_once(4, act)
    assert counted(sql) == recount(sql)
    make_past(sql)
    rollups.fold(seconds=30)
    exact(sql)


def test_a_bulk_cancel_and_a_purge_leave_exact_counts(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN many tasks submitted in one request
    wanted = [Submission("acme", "ada", "text_summaries", {"texts": [f"text {number}"]}) for number in range(120)]
    assert all(isinstance(result, str) for result in batches.submit_many(wanted))
    params = {"action": "cancel", "filter": {"kind": ["text_summaries"]}}
    action = submit(Submission("acme", "ada", "bulk_action", params))
    # WHEN they are cancelled as one
    dispatch(["bulk_action"])
    bulk.act(action.task_id)
    # THEN each is counted
    make_past(sql)
    rollups.fold(seconds=30)
    exact(sql)
    assert counted(sql)["acme", "text_summaries", "cancelled"] == 120
    # AND purging the tasks takes nothing away
    before = counted(sql)
    sql("UPDATE tasks SET created_at = '2020-01-01', finished_at = '2020-01-01'")
    assert purging.purge(30, tenant_id=None, seconds=30).deleted == 121
    assert counted(sql) == before


def test_it_costs_a_transition_one_statement_more(running_task: Running, statements: list[str]) -> None:
    def counting() -> list[str]:
        counts = [name for name in statements if name.startswith("count_") and name != "count_running"]
        statements.clear()
        return [name for name in counts if name in ("count_events", "count_submitted")]

    task = running_task()
    assert counting() == ["count_submitted", "count_events"]
    lifecycle.close(task.task_id, 1, Outcome(result={}))
    assert counting() == ["count_events"]
    other = submit(asking(params={"province": "海南省"}))
    counting()
    lifecycle.change(other.task_id, "acme", Wish(title="new"))
    assert counting() == []


def test_a_submission_that_made_no_task_is_not_counted(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN a task that was submitted with a key
    key = asking(idempotency_key="key-1")
    submit(key)
    # WHEN it is submitted again, and others find their lane full
    submit(key)
    batches.submit_many([key])
    sql("UPDATE lanes SET max_queued = 0 WHERE kind = %s", KIND)
    with pytest.raises(LonghaulError):
        submit(asking(params={"province": "海南省"}))
    # THEN there is one
    assert counted(sql) == {("acme", KIND, "submitted"): 1}


def test_durations_are_those_of_the_rows(running_task: Running, sql: Sql) -> None:
    # GIVEN a task that could have started 2 s after it was submitted, started 5 s later and ran for 90 s
    task = running_task()
    sql("DELETE FROM task_counts")
    sql(
        "UPDATE tasks SET created_at = '2026-11-22 10:00:00', run_after = '2026-11-22 10:00:02',"
        " started_at = '2026-11-22 10:00:07', updated_at = '2026-11-22 10:00:07'"
    )
    longhaul_database.run_transaction(lambda tx: rollups.count(tx, "started", [task.id]))
    sql("UPDATE tasks SET updated_at = '2026-11-22 10:01:37', finished_at = '2026-11-22 10:01:37'")
    longhaul_database.run_transaction(lambda tx: rollups.count(tx, "succeeded", [task.id], units=180))
    # WHEN they are looked at
    waited, ran = sorted(rollups.sum_window(Reader("acme"), EVER), key=lambda count: count.microseconds)
    # THEN
    assert (waited.event, waited.microseconds, waited.shortest, waited.longest) == ("started", *[5_000_000] * 3)
    assert (ran.event, ran.microseconds, ran.units, ran.best) == ("succeeded", 90_000_000, 180, 2.0)
    for count, seconds in ((waited, 5), (ran, 90)):
        assert upper_bound(count.bucket - 1) < seconds <= upper_bound(count.bucket)
    minutes = {row["event"]: row["minute"] for row in sql("SELECT event, minute FROM task_counts")}
    assert minutes["succeeded"] - minutes["started"] == 1


@pytest.mark.parametrize(
    ("microseconds", "bucket"), [(0, 0), (100_000, 0), (100_001, 1), (200_000, 2), (10**15, LAST_BUCKET)]
)
def test_a_duration_falls_into_its_bucket(running_task: Running, sql: Sql, microseconds: int, bucket: int) -> None:
    task = running_task()
    sql("DELETE FROM task_counts")
    sql(
        "UPDATE tasks SET started_at = '2026-11-22', finished_at = TIMESTAMPADD(MICROSECOND, %s, '2026-11-22')",
        min(microseconds, 10**14),
    )
    longhaul_database.run_transaction(lambda tx: rollups.count(tx, "failed", [task.id]))
    assert sql("SELECT bucket FROM task_counts") == [{"bucket": bucket}]


def test_a_clock_that_went_back_makes_no_negative_duration(running_task: Running, sql: Sql) -> None:
    task = running_task()
    sql("DELETE FROM task_counts")
    sql("UPDATE tasks SET started_at = '2026-11-22 10:00:00', finished_at = '2026-11-22 09:00:00'")
    longhaul_database.run_transaction(lambda tx: rollups.count(tx, "failed", [task.id]))
    assert sql("SELECT bucket, microseconds FROM task_counts") == [{"bucket": 0, "microseconds": 0}]


def test_rollups_are_purged_by_their_age(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN of each span one that is a minute younger than it is kept for, and one a minute older
    chosen = itertools.product(rollups.KEPT.items(), ("task_rollups", "task_totals"))
    for (span, minutes), table in chosen:
        for age in (minutes - 1, minutes + 1):
            sql(
                f"INSERT INTO {table} (tenant_id, span, start, kind, event, bucket, number, microseconds, units,"
                " best) SELECT 'acme', %s, TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - %s, 'k', 'started',"
                " 0, %s, 0, 0, 0",
                *(span, age, age),
            )
    # WHEN
    answer = call("monitor", "fold_rollups", sample("monitor", "fold_rollups"))
    # THEN the younger stay
    assert answer == {"folded": 0, "reports": 0, "purged": 8}
    for table in ("task_rollups", "task_totals"):
        left = {row["number"] for row in sql(f"SELECT number FROM {table}")}
        assert left == {minutes - 1 for minutes in rollups.KEPT.values()}


def test_units_are_counted_at_success_only(running_task: Running, sql: Sql) -> None:
    # GIVEN a task that has found 7 hospitals, fails, is retried and succeeds
    task = running_task()
    sql(
        "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, units, created_at)"
        " VALUES (%s, 'd', 'district', '区', 'SUCCEEDED', 1, 7, UTC_TIMESTAMP(6))",
        task.task_id,
    )
    lifecycle.close(task.task_id, 1, Outcome(error=WRONG))
    lifecycle.retry(task.task_id, "acme")
    lifecycle.close(task.task_id, started_again(task), Outcome(result={}))
    # THEN
    units = {row["event"]: row["units"] for row in sql("SELECT event, units FROM task_counts WHERE units > 0")}
    assert units == {"succeeded": 7}
