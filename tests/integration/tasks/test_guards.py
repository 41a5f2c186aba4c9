"""Each guard of the task core's statements, taken for itself: with that one not met, the statement changes nothing.

Callers check much of it beforehand too; a race between their look and their write is what the guards are for.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.database import Session
from longhaul.tasks import dispatch, lanes, purging, steps, store
from longhaul.tasks.model import TRANSITIONS, Progress, Status, StepStatus, Task, TaskError, Transition

type Row = dict[str, Any]
type Sql = Callable[..., list[Row]]
type Put = Callable[..., Task]
type Write = Callable[[Session, Task], object]

KIND, OTHER_KIND = "hospital_province_refresh", "hospital_full_refresh"
ERROR = TaskError("provider_unavailable", "away")
COLUMNS = (
    "task_id, tenant_id, user_id, kind, title, params, status, priority, progress, steps_done, max_retries, attempt,"
    " request_digest, error_code, error_message, execution_arn, deadline, heartbeat_at, run_after, created_at,"
    " updated_at, finished_at"
)


@pytest.fixture
def put(database: Row, sql: Sql) -> Put:
    """Makes a task of this status: it has done a few steps of its second attempt, and its last one failed."""
    numbers = count(1)

    def make(status: Status = Status.RUNNING, *, tenant: str = "acme", kind: str = KIND) -> Task:
        task_id = f"task_{next(numbers):05}"
        ended = "UTC_TIMESTAMP(6)" if status in ("SUCCEEDED", "FAILED", "CANCELLED") else "NULL"
        sql(
            f"INSERT INTO tasks ({COLUMNS}) VALUES (%s, %s, 'ada', %s, 't', '{{}}', %s, 1, 40, 4, 3, 2, '', 'e',"
            " 'no', 'arn:x', TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6)), TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6)),"
            f" '2026-01-01', UTC_TIMESTAMP(6), '2026-01-01', {ended})",
            *(task_id, tenant, kind, status),
        )
        with longhaul_database.connection() as session:
            task = store.fetch(session, task_id)
        assert task is not None
        return task

    return make


@pytest.fixture
def rows(sql: Sql) -> Callable[[], list[Row]]:
    """Every task and every step, to be held against what they were."""
    return lambda: [
        *sql("SELECT * FROM tasks ORDER BY id"),
        *sql("SELECT * FROM task_steps ORDER BY task_id, step_key"),
    ]


def written(write: Write, task: Task) -> object:
    return longhaul_database.run_transaction(lambda tx: write(tx, task))


def reached(percent: int = 50, **more: Any) -> Progress:
    counted: Row = {"percent": percent, "share": 0.5, "steps_done": 5, "complete": False, "statistics": {"n": 1}}
    return Progress(**counted | more)


def _finish(transition: Transition) -> Write:
    return lambda tx, task: store.finish(tx, task, transition, reached(), result={"n": 1}, error=None, stage=None)


def _stop(transition: Transition) -> Write:
    return lambda tx, task: store.stop(tx, task.tenant_id, transition, {task.id: reached()})


def _reopen(transition: Transition) -> Write:
    return lambda tx, task: store.reopen(tx, task.tenant_id, transition, [task])


def _start(tx: Session, task: Task) -> None:
    store.start(tx, [task], execution_prefix="x:", seconds_allowed=60)


# Of one task: what makes each transition.
CHANGES: dict[Transition, Write] = {
    Transition.START: _start,
    Transition.SUCCEED: _finish(Transition.SUCCEED),
    Transition.FAIL: _finish(Transition.FAIL),
    Transition.EXPIRE: _finish(Transition.EXPIRE),
    Transition.CANCEL: _stop(Transition.CANCEL),
    Transition.PAUSE: _stop(Transition.PAUSE),
    Transition.RESUME: _reopen(Transition.RESUME),
    Transition.RETRY: _reopen(Transition.RETRY),
    Transition.REQUEUE: lambda tx, task: store.requeue(tx, task, ERROR, 1.0),
}
OF_AN_ATTEMPT = [Transition.SUCCEED, Transition.FAIL, Transition.EXPIRE, Transition.REQUEUE]
OF_A_TENANT = [Transition.CANCEL, Transition.PAUSE, Transition.RESUME, Transition.RETRY]


def _progress(tx: Session, task: Task) -> bool:
    return _write_progress(tx, task, reached(60, steps_done=task.steps_done + 1))


def _write_progress(tx: Session, task: Task, counted: Progress) -> bool:
    return store.write_progress(tx, task, counted, stage="city", current_step="一")


def _recover(tx: Session, task: Task) -> bool:
    return store.restart(tx, task, "gone")


def _beat(tx: Session, task: Task) -> int:
    return store.beat(tx, [task.task_id])


SIGNS: dict[str, Write] = {"progress": _progress, "recover": _recover, "beat": _beat}


def test_every_transition_is_here() -> None:
    assert CHANGES.keys() == TRANSITIONS.keys()


@pytest.mark.parametrize("transition", CHANGES)
def test_the_guard_of_statuses_lets_a_transition_come_from_its_sources_alone(
    put: Put, rows: Callable[[], list[Row]], transition: Transition
) -> None:
    write = CHANGES[transition]
    sources, target = TRANSITIONS[transition].sources, TRANSITIONS[transition].target
    for status in Status:
        task, before = put(status), rows()
        written(write, task)
        after = rows()
        if status in sources:
            assert after[-1]["status"] == target, status
            # AND no other task is touched
            assert after[:-1] == before[:-1]
        else:
            assert after == before, status


@pytest.mark.parametrize("transition", OF_AN_ATTEMPT)
@pytest.mark.parametrize("behind", [1, -1])
def test_the_guard_of_the_attempt_lets_no_other_attempt_end_or_requeue_the_task(
    put: Put, rows: Callable[[], list[Row]], transition: Transition, behind: int
) -> None:
    task = put()
    before = rows()
    assert not written(CHANGES[transition], replace(task, attempt=task.attempt - behind))
    assert rows() == before


@pytest.mark.parametrize("transition", OF_AN_ATTEMPT)
def test_one_task_alone_is_ended_or_requeued_though_another_runs_the_same_attempt(
    put: Put, rows: Callable[[], list[Row]], transition: Transition
) -> None:
    task, _ = put(), put()
    before = rows()
    assert written(CHANGES[transition], task)
    assert [row["status"] for row in rows()] == [TRANSITIONS[transition].target, Status.RUNNING]
    assert rows()[1] == before[1]


@pytest.mark.parametrize("transition", OF_A_TENANT)
def test_the_guard_of_the_tenant_lets_nobody_change_anothers_task(
    put: Put, rows: Callable[[], list[Row]], transition: Transition
) -> None:
    write = CHANGES[transition]
    for status in TRANSITIONS[transition].sources:
        task, before = put(status), rows()
        assert not written(write, replace(task, tenant_id="another"))
        assert rows() == before


@pytest.mark.parametrize("transition", OF_A_TENANT)
def test_a_caller_changes_the_task_it_names_and_no_other_of_its_tenant(
    put: Put, rows: Callable[[], list[Row]], transition: Transition
) -> None:
    write = CHANGES[transition]
    for status in TRANSITIONS[transition].sources:
        task, _ = put(status), put(status)
        before = rows()
        assert written(write, task)
        changed = [new["task_id"] for old, new in zip(before, rows(), strict=True) if new != old]
        assert changed == [task.task_id]


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_of_life_is_of_a_task_that_runs_and_of_no_other(
    put: Put, rows: Callable[[], list[Row]], name: str
) -> None:
    task, _ = put(), put()
    before = rows()
    assert written(SIGNS[name], task)
    after = rows()
    assert after[0]["heartbeat_at"] > before[0]["heartbeat_at"]
    assert after[1] == before[1]
    for status in set(Status) - {Status.RUNNING}:
        resting, before = put(status), rows()
        assert not written(SIGNS[name], resting), status
        assert rows() == before


@pytest.mark.parametrize("name", ["progress", "recover"])
@pytest.mark.parametrize("behind", [1, -1])
def test_the_guard_of_the_attempt_lets_no_other_attempt_count_or_be_started_again(
    put: Put, rows: Callable[[], list[Row]], name: str, behind: int
) -> None:
    task = put()
    before = rows()
    assert not written(SIGNS[name], replace(task, attempt=task.attempt - behind))
    assert rows() == before


@pytest.mark.parametrize("steps_done", [3, 4])
def test_the_guard_of_the_count_lets_no_older_count_be_written(
    put: Put, rows: Callable[[], list[Row]], steps_done: int
) -> None:
    task = put()
    before = rows()
    assert not written(lambda tx, _: _write_progress(tx, task, reached(60, steps_done=steps_done)), task)
    assert rows() == before


@pytest.mark.parametrize(("counted", "progress"), [(10, 40), (60, 60)])
@pytest.mark.parametrize("transition", [None, *OF_AN_ATTEMPT[1:3], Transition.CANCEL, Transition.PAUSE])
def test_progress_is_never_written_back(
    put: Put, rows: Callable[[], list[Row]], transition: Transition | None, counted: int, progress: int
) -> None:
    task = put()
    far = reached(counted)
    if transition is None:
        written(lambda tx, _: _write_progress(tx, task, far), task)
    elif transition in OF_AN_ATTEMPT:
        written(lambda tx, _: store.finish(tx, task, transition, far, result=None, error=ERROR, stage=None), task)
    else:
        written(lambda tx, _: store.stop(tx, "acme", transition, {task.id: far}), task)
    assert rows()[0]["progress"] == progress


@pytest.mark.parametrize(("named", "stage"), [(None, "district"), ("completed", "completed")])
def test_an_end_keeps_the_last_stage_unless_it_names_one_and_is_whole_as_it_succeeds(
    put: Put, rows: Callable[[], list[Row]], sql: Sql, named: str | None, stage: str
) -> None:
    task = put()
    sql("UPDATE tasks SET stage = 'district'")
    succeed = Transition.SUCCEED
    assert written(lambda tx, _: store.finish(tx, task, succeed, reached(), result={}, error=None, stage=named), task)
    (row,) = rows()
    assert (row["stage"], row["progress"], row["error_code"], row["error_message"]) == (stage, 100, None, None)


@pytest.mark.parametrize("transition", [Transition.SUCCEED, Transition.FAIL, Transition.EXPIRE, Transition.CANCEL])
def test_a_task_that_has_ended_is_at_no_step(
    put: Put, rows: Callable[[], list[Row]], sql: Sql, transition: Transition
) -> None:
    task = put()
    sql("UPDATE tasks SET current_step = '荔湾区'")
    assert written(CHANGES[transition], task)
    assert rows()[0]["current_step"] is None


def test_a_paused_task_stands_where_it_was(put: Put, rows: Callable[[], list[Row]], sql: Sql) -> None:
    task = put()
    sql("UPDATE tasks SET current_step = '荔湾区'")
    assert written(CHANGES[Transition.PAUSE], task)
    assert rows()[0]["current_step"] == "荔湾区"


AWAY = {"code": ERROR.code}
REQUEUED = {**AWAY, "error": "away", "delay_seconds": 1.0, "reason": "away; the next attempt follows in 1 s"}


@pytest.mark.parametrize(
    ("status", "write", "detail"),
    [
        (Status.RUNNING, Transition.REQUEUE, REQUEUED),
        (Status.RUNNING, Transition.PAUSE, {"reason": "a caller paused it"}),
        (Status.RUNNING, Transition.CANCEL, {"reason": "a caller cancelled it"}),
        (Status.PAUSED, Transition.RESUME, {"code": "e", "reason": "a caller resumed it; before: no"}),
        (Status.FAILED, Transition.RETRY, {"code": "e", "reason": "a caller retried it; before: no"}),
        (Status.RUNNING, lambda tx, task: store.restart(tx, task, "it was gone"), {"reason": "it was gone"}),
        (Status.RUNNING, lambda tx, task: _paused_by_itself(tx, task), {**AWAY, "reason": "away"}),
        (Status.RUNNING, lambda tx, task: _failed(tx, task), {**AWAY, "error": "away"}),
    ],
)
def test_a_change_says_why_in_words(put: Put, sql: Sql, status: Status, write: Transition | Write, detail: Row) -> None:
    assert written(CHANGES[write] if isinstance(write, Transition) else write, put(status))
    (event,) = sql("SELECT detail FROM task_events")
    assert json.loads(event["detail"]) == detail


def _paused_by_itself(tx: Session, task: Task) -> int:
    return store.stop(tx, "acme", Transition.PAUSE, {task.id: reached()}, ERROR)


def _failed(tx: Session, task: Task) -> bool:
    return store.finish(tx, task, Transition.FAIL, reached(), result=None, error=ERROR, stage=None)


@pytest.mark.parametrize(("reason", "told"), [(None, ("e", "no")), (ERROR, ("provider_unavailable", "away"))])
def test_a_stop_without_a_reason_keeps_the_error_there_was(
    put: Put, rows: Callable[[], list[Row]], reason: TaskError | None, told: tuple[str, str]
) -> None:
    task = put()
    written(lambda tx, _: store.stop(tx, "acme", Transition.PAUSE, {task.id: reached(0)}, reason), task)
    (row,) = rows()
    assert (row["error_code"], row["error_message"], row["finished_at"]) == (*told, None)


def test_a_stop_of_many_never_writes_progress_back_and_keeps_statistics_it_is_not_given(
    put: Put, rows: Callable[[], list[Row]], sql: Sql
) -> None:
    ahead, behind = put(), put()
    sql("UPDATE tasks SET statistics = '{\"n\": 7}'")
    counted = {ahead.id: None, behind.id: reached(60, statistics={"n": 8})}
    assert written(lambda tx, _: store.stop(tx, "acme", Transition.PAUSE, counted), ahead) == 2
    assert [(row["progress"], row["statistics"].replace(" ", "")) for row in rows()] == [
        (40, '{"n":7}'),
        (60, '{"n":8}'),
    ]


def test_a_started_task_keeps_its_first_start_and_its_deadline(put: Put, sql: Sql) -> None:
    again, new = put(Status.PENDING), put(Status.PENDING)
    sql("UPDATE tasks SET started_at = '2026-01-02' WHERE id = %s", again.id)
    sql("UPDATE tasks SET deadline = NULL WHERE id = %s", new.id)
    (before,) = sql("SELECT deadline FROM tasks WHERE id = %s", again.id)
    for task in again, new:
        written(_start, task)
    first, second = sql("SELECT started_at, deadline, heartbeat_at, attempt, steps_done FROM tasks ORDER BY id")
    assert (str(first["started_at"]), first["deadline"]) == ("2026-01-02 00:00:00", before["deadline"])
    assert second["started_at"] == second["heartbeat_at"]
    assert (second["deadline"] - second["started_at"]).total_seconds() == 60
    assert (first["attempt"], first["steps_done"]) == (3, 0)


# ------------------------------------------------------------------------------------------------------------- steps


def step_rows(sql: Sql) -> None:
    """Two tasks with a step of the same key each, and another step of the first."""
    sql(
        "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, created_at) VALUES"
        " ('task_00001', 'a', 'city', '一', 'PENDING', 1, UTC_TIMESTAMP(6)),"
        " ('task_00001', 'b', 'city', '二', 'PENDING', 1, UTC_TIMESTAMP(6)),"
        " ('task_00002', 'a', 'city', '三', 'PENDING', 1, UTC_TIMESTAMP(6))"
    )


def _finish_step(task: Task, attempt: int = 2, status: StepStatus = StepStatus.SUCCEEDED) -> bool:
    with longhaul_database.connection() as session:
        return steps.finish_step(session, task.task_id, attempt, "a", status=status, units=3, output={"n": 1})


def test_one_step_alone_is_finished(put: Put, rows: Callable[[], list[Row]], sql: Sql) -> None:
    task, _ = put(), put()
    step_rows(sql)
    before = rows()
    assert _finish_step(task)
    changed = [old["label"] for old, new in zip(before, rows(), strict=True) if old != new and "label" in old]
    assert changed == ["一"]


@pytest.mark.parametrize(
    ("given", "attempt", "step"),
    [
        *((status, 2, "PENDING") for status in Status if status != Status.RUNNING),
        (Status.RUNNING, 1, "PENDING"),
        (Status.RUNNING, 3, "PENDING"),
        (Status.RUNNING, 2, "SUCCEEDED"),
    ],
)
@pytest.mark.parametrize("ends_as", [StepStatus.SUCCEEDED, StepStatus.FAILED])
def test_the_guards_of_a_steps_end_are_its_tasks_status_the_attempt_and_that_it_is_not_done(
    put: Put, rows: Callable[[], list[Row]], sql: Sql, given: Status, attempt: int, step: str, ends_as: StepStatus
) -> None:
    task, _ = put(given), put()
    step_rows(sql)
    sql("UPDATE task_steps SET status = %s", step)
    before = rows()
    assert not _finish_step(task, attempt, ends_as)
    assert rows() == before


def test_only_the_failed_steps_of_a_task_that_is_tried_anew_wait_again(
    put: Put, rows: Callable[[], list[Row]], sql: Sql
) -> None:
    task, _ = put(Status.FAILED), put(Status.FAILED)
    step_rows(sql)
    sql("UPDATE task_steps SET status = IF(step_key = 'a', 'FAILED', 'SUCCEEDED')")
    sql("UPDATE task_steps SET error_code = 'e', error_message = 'm'")
    written(CHANGES[Transition.RETRY], task)
    steps = sql("SELECT label, status, error_code, error_message FROM task_steps ORDER BY task_id, step_key")
    assert [tuple(row.values()) for row in steps] == [
        ("一", "PENDING", None, None),
        ("二", "SUCCEEDED", "e", "m"),
        ("三", "FAILED", "e", "m"),
    ]


def test_a_task_is_counted_by_its_own_steps_and_names_its_own_that_failed(put: Put, sql: Sql) -> None:
    task, _ = put(), put()
    step_rows(sql)
    sql("UPDATE task_steps SET status = IF(step_key = 'a', 'FAILED', 'SUCCEEDED'), units = 3")
    with longhaul_database.connection() as session:
        counts = steps.count_steps(session, task.task_id)
        failed = steps.list_failed_steps(session, task.task_id, 10)
    assert sorted(counts) == [("city", "FAILED", 1, 3), ("city", "SUCCEEDED", 1, 3)]
    assert [row["label"] for row in failed] == ["一"]


# --------------------------------------------------------------------------------------------------------- recovery


def test_recovery_looks_at_what_runs_and_is_quiet(put: Put, sql: Sql) -> None:
    tasks = {status: put(status) for status in Status}
    heard = put()
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(SECOND, -20, UTC_TIMESTAMP(6)) WHERE id = %s", heard.id)
    with longhaul_database.connection() as session:
        assert [task.id for task in store.list_quiet(session, 30, 10)] == [tasks[Status.RUNNING].id]
        assert [task.id for task in store.list_quiet(session, 10, 10)] == [tasks[Status.RUNNING].id, heard.id]


def test_only_what_is_open_and_past_its_deadline_is_overdue(put: Put, sql: Sql) -> None:
    tasks = {status: put(status) for status in Status}
    in_time = put()
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6)) WHERE id = %s", in_time.id)
    with longhaul_database.connection() as session:
        overdue = {task.id for task in store.list_overdue(session, 10)}
    assert overdue == {tasks[status].id for status in (Status.RUNNING, Status.PENDING, Status.PAUSED)}


# ------------------------------------------------------------------------------------------------------------ lanes


def test_a_lanes_places_are_counted_by_its_kind_and_by_what_runs(put: Put, sql: Sql) -> None:
    sql("UPDATE lanes SET max_concurrent = 4")
    for status in Status:
        put(status)
    put(kind=OTHER_KIND)
    with longhaul_database.transaction() as tx:
        assert dispatch.lock_lane(tx, KIND).free == 3


def test_only_what_still_waits_is_taken(put: Put) -> None:
    tasks = {status: put(status) for status in Status}
    put(Status.PENDING)
    with longhaul_database.transaction() as tx:
        locked = dispatch.lock_waiting(tx, [task.id for task in tasks.values()])
    assert [task.id for task in locked] == [tasks[Status.PENDING].id]


def test_what_is_ranked_waits_in_this_lane_and_may_start_now(put: Put, sql: Sql) -> None:
    for status in Status:
        put(status)
    put(Status.PENDING, kind=OTHER_KIND)
    later = put(Status.PENDING)
    sql("UPDATE tasks SET deadline = NULL")
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6)) WHERE id = %s", later.id)
    (waiting,) = sql("SELECT id FROM tasks WHERE kind = %s AND status = 'PENDING' AND id <> %s", KIND, later.id)
    with longhaul_database.connection() as session:
        assert [place.id for place in dispatch.rank_waiting(session, KIND, 10)] == [waiting["id"]]
        assert store.find_position(session, KIND, waiting["id"]) == 1


def test_a_change_of_a_lane_is_that_lanes(database: Row, sql: Sql) -> None:
    before = sql("SELECT * FROM lanes WHERE kind <> %s ORDER BY kind", KIND)
    with longhaul_database.transaction() as tx:
        dispatch.advance(tx, KIND, 7.0, {"acme": 8.0})
    lanes.change_lane(KIND, lanes.LaneChange(max_concurrent=9, weights={"acme": 3}), "acme")
    assert sql("SELECT * FROM lanes WHERE kind <> %s ORDER BY kind", KIND) == before
    (lane,) = sql("SELECT max_concurrent, max_queued, paused, turn FROM lanes WHERE kind = %s", KIND)
    assert lane == {"max_concurrent": 9, "max_queued": 1000, "paused": 0, "turn": 7.0}
    assert sql("SELECT kind, tenant_id, weight, turn FROM lane_tenants") == [
        {"kind": KIND, "tenant_id": "acme", "weight": 3, "turn": 8.0}
    ]


# ------------------------------------------------------------------------------------------------------------ purge


def test_a_task_is_deleted_only_once_it_is_nobodys(put: Put, sql: Sql) -> None:
    kept, gone = put(Status.SUCCEEDED), put(Status.SUCCEEDED)
    sql("UPDATE tasks SET tenant_id = '' WHERE id = %s", gone.id)
    doomed = [purging.Doomed(task.id, task.task_id, "acme", KIND) for task in (kept, gone)]
    with longhaul_database.connection() as session:
        assert [task.id for task in purging.list_condemned(session, 10)] == [gone.id]
        purging.delete_tasks(session, doomed)
    assert sql("SELECT id FROM tasks") == [{"id": kept.id}]


@pytest.mark.parametrize("tenant_id", ["acme", None])
def test_what_is_condemned_has_ended_as_asked_long_ago_and_is_the_tenants(
    put: Put, sql: Sql, tenant_id: str | None
) -> None:
    # GIVEN a task of each status, one that has ended lately, another's, and one that is nobody's already
    tasks = {status: put(status) for status in Status}
    lately, theirs, nobodys = put(Status.FAILED), put(Status.FAILED, tenant="other"), put(Status.FAILED)
    sql("UPDATE tasks SET created_at = '2020-01-01', finished_at = IF(finished_at IS NULL, NULL, '2020-01-02')")
    sql("UPDATE tasks SET finished_at = UTC_TIMESTAMP(6) WHERE id = %s", lately.id)
    sql("UPDATE tasks SET tenant_id = '' WHERE id = %s", nobodys.id)
    with longhaul_database.transaction() as tx:
        doomed = purging.lock_ended(tx, 7, [Status.FAILED], tenant_id=tenant_id, limit=10)
    others = [] if tenant_id else [theirs.id]
    assert sorted(task.id for task in doomed) == [tasks[Status.FAILED].id, *others]
