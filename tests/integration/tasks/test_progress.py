"""Progress: recounted, written every fifth step, never backwards, held against the live item on reading."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from longhaul import aws
from longhaul import database as longhaul_database
from longhaul.database import connections
from longhaul.errors import DatabaseUnavailable, NotFound
from longhaul.tasks import following, lifecycle, live, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.following import SyncStatus, record_progress
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.steps import PlannedStep, ProgressEvent, fail_step, plan_steps, step
from tasks.wire import view_document

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


@pytest.fixture
def planned(running_task: Running) -> Task:
    """A running task whose cities are listed and whose 35 districts are planned."""
    task = running_task()
    keys = [PlannedStep(f"district/{code}", "district", f"区{code}") for code in range(440103, 440138)]
    with step(task.task_id, 1, key="city/440100", level="city", label="广州市") as listing:
        listing.complete({}, save=lambda tx: plan_steps(tx, task.task_id, 1, keys))
    return task


def finish(task: Task, code: int) -> ProgressEvent:
    with step(task.task_id, 1, key=f"district/{code}", level="district", label=f"区{code}") as run:
        run.complete({"hospitals": 10}, units=10)
    return ProgressEvent(task_id=task.task_id, attempt=1, level="district", label=f"区{code}")


def test_36_steps_make_at_most_8_writes_and_the_last_at_once(
    planned: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    write = store.write_progress
    monkeypatch.setattr(
        store, "write_progress", lambda *args, **more: writes.append(args[2].steps_done) or write(*args, **more)
    )
    for code in range(440103, 440138):
        record_progress([finish(planned, code)])
    assert writes == [5, 10, 15, 20, 25, 30, 35, 36]
    (row,) = sql("SELECT progress, steps_done, statistics FROM tasks")
    assert (row["progress"], row["steps_done"]) == (99, 36)
    assert '"hospitals_found":350' in row["statistics"].replace(" ", "")


def test_steps_that_failed_are_shown_beside_what_was_done_and_never_as_done(planned: Task, sql: Sql) -> None:
    # GIVEN a task of which ten districts are done and the others fail
    for code in range(440103, 440113):
        record_progress([finish(planned, code)])
    seen = []
    for code in range(440113, 440138):
        fail_step(planned.task_id, 1, PlannedStep(f"district/{code}", "district", "区"), TaskError("bad_answer", "…"))
        record_progress([ProgressEvent(task_id=planned.task_id, attempt=1, level="district", label=f"区{code}")])
        view = following.read_task(planned.task_id, "acme")
        assert view.task is not None
        seen.append((view.task.progress, view.task.statistics["districts_failed"]))

    # THEN its readers see them fail, and its progress is what the ten make
    assert seen == [(int(20 + 80 * 10 / 35), failed) for failed in range(1, 26)]
    (row,) = sql("SELECT progress, statistics FROM tasks")
    counted = json.loads(row["statistics"])
    assert (row["progress"], counted["districts_processed"], counted["districts_failed"]) == (42, 10, 25)

    # AND closed as FAILED it stays there, closed as SUCCEEDED (they were within a tolerance) it is whole
    lifecycle.close(planned.task_id, 1, Outcome(error=TaskError("too_many_failures", "25 of 35")))
    (row,) = sql("SELECT status, progress, statistics FROM tasks")
    assert (row["status"], row["progress"]) == ("FAILED", 42)
    assert len(json.loads(row["statistics"])["failed"]) == 25


def test_a_task_whose_every_step_failed_has_no_progress(running_task: Running, sql: Sql) -> None:
    task = running_task()
    for level in ("province", "city", "district"):
        fail_step(task.task_id, 1, PlannedStep(f"{level}/1", level, "…"), TaskError("bad_answer", "…"))
        record_progress([ProgressEvent(task_id=task.task_id, attempt=1, level=level, label="…")])
    (row,) = sql("SELECT progress, statistics FROM tasks")
    assert row["progress"] == 0
    assert json.loads(row["statistics"]) == {
        **dict.fromkeys(("provinces_processed", "cities_processed", "districts_processed", "hospitals_found"), 0),
        **dict.fromkeys(("provinces_failed", "cities_failed", "districts_failed"), 1),
    }


def test_redelivered_late_and_foreign_events_change_nothing(planned: Task, sql: Sql) -> None:
    events = [finish(planned, code) for code in range(440103, 440112)]
    record_progress(events)
    (before,) = sql("SELECT progress, steps_done, updated_at FROM tasks")
    record_progress(events[:1] * 3)
    record_progress([event.model_copy(update={"attempt": 7}) for event in events])
    record_progress([ProgressEvent(task_id="none", attempt=1, level="city", label="")])
    assert sql("SELECT progress, steps_done, updated_at FROM tasks") == [before]


def test_progress_never_goes_back(planned: Task, sql: Sql) -> None:
    record_progress([finish(planned, code) for code in range(440103, 440113)])
    (before,) = sql("SELECT progress FROM tasks")
    more = [PlannedStep(f"district/{code}", "district", "区") for code in range(440200, 440300)]
    with longhaul_database.connection() as session:
        plan_steps(session, planned.task_id, 1, more)
    record_progress([finish(planned, code) for code in range(440200, 440206)])
    (after,) = sql("SELECT progress, steps_done FROM tasks")
    assert after["steps_done"] == 17
    assert after["progress"] == before["progress"]


def test_a_reader_sees_the_fresher_live_item(planned: Task) -> None:
    record_progress([finish(planned, code) for code in range(440103, 440110)])
    record_progress([finish(planned, 440110)])
    view = following.read_task(planned.task_id, "acme")
    assert view.sync == SyncStatus.synced
    assert view.task is not None
    assert (view.task.current_step, view.task.steps_done) == ("区440110", 8)
    assert view.task.statistics["hospitals_found"] == 80


def test_an_item_of_a_few_large_steps_ahead_is_as_it_should_be(running_task: Running, sql: Sql) -> None:
    # GIVEN a task of six steps, whose row is written after the fifth
    task = running_task()
    keys = [PlannedStep(f"district/{code}", "district", "区") for code in range(440103, 440108)]
    with step(task.task_id, 1, key="city/440100", level="city", label="广州市") as listing:
        listing.complete({}, save=lambda tx: plan_steps(tx, task.task_id, 1, keys))

    # WHEN it is read after each step
    seen = []
    for code in range(440103, 440107):
        record_progress([finish(task, code)])
        view = following.read_task(task.task_id, "acme")
        assert view.task is not None
        seen.append((view.sync, view.task.progress, view.task.statistics["districts_processed"]))

    # THEN its progress goes on, though the row is more than ten points behind
    assert seen == [(SyncStatus.synced, progress, done) for done, progress in enumerate((36, 52, 68, 84), 1)]


@pytest.mark.parametrize("end", ["FAILED", "CANCELLED", "PAUSED"])
def test_a_task_that_ends_early_or_is_paused_shows_what_was_done(planned: Task, end: str) -> None:
    # GIVEN a task that is a few steps ahead of its row
    record_progress([finish(planned, code) for code in range(440103, 440111)])
    before = following.read_task(planned.task_id, "acme").task
    assert before is not None

    # WHEN it ends early, or is paused
    if end == "FAILED":
        lifecycle.close(planned.task_id, 1, Outcome(error=TaskError("bad_answer", "…")))
    elif end == "CANCELLED":
        lifecycle.cancel(planned.task_id, "acme")
    else:
        lifecycle.pause(planned.task_id, "acme")

    # THEN its progress has not gone back
    after = following.read_task(planned.task_id, "acme").task
    assert after is not None
    assert (after.status, after.progress, after.statistics) == (end, before.progress, before.statistics)
    assert after.statistics["districts_processed"] == 8


def test_a_live_item_that_disagrees_is_repaired_and_the_row_wins(planned: Task) -> None:
    live.overwrite([replace(live.item_of(planned), progress=80)])
    assert following.read_task(planned.task_id, "acme").sync == SyncStatus.out_of_sync
    view = following.read_task(planned.task_id, "acme")
    assert view.sync == SyncStatus.synced
    assert view.task is not None
    assert view.task.progress == 0


def test_no_live_item_is_a_miss(planned: Task) -> None:
    assert following.read_task(planned.task_id, "acme").sync == SyncStatus.cache_miss


def test_without_the_database_the_live_item_is_served(planned: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    record_progress([finish(planned, code) for code in range(440103, 440110)])

    def away(**_: Any) -> None:
        raise DatabaseUnavailable

    longhaul_database.close()
    monkeypatch.setattr(connections, "open_connection", away)
    view = following.read_task(planned.task_id, "acme")
    assert (view.sync, view.task) == (SyncStatus.unknown, None)
    assert view.item is not None
    assert view.item.steps_done == 8
    with pytest.raises(NotFound):
        following.read_task(planned.task_id, "another")


def test_another_tenant_sees_nothing(planned: Task) -> None:
    with pytest.raises(NotFound):
        following.read_task(planned.task_id, "another")


def test_an_ended_task_keeps_its_last_live_item_against_late_counts(planned: Task) -> None:
    event = finish(planned, 440103)
    late = replace(live.item_of(planned), steps_done=30, progress=70)
    lifecycle.close(planned.task_id, 1, Outcome(result={"added": 1}))
    live.write(late)
    record_progress([event])
    view = following.read_task(planned.task_id, "acme")
    assert view.item is not None
    assert (view.sync, view.item.status, view.item.progress) == (SyncStatus.synced, "SUCCEEDED", 100)


def test_the_rest_takes_as_long_as_the_last_steps_say(planned: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a task whose steps end four seconds apart
    clock = iter(float(second) for second in range(1_000, 2_000, 4))
    monkeypatch.setattr(following, "time", SimpleNamespace(time=lambda: next(clock)))

    def left() -> int | None:
        return view_document(following.read_task(planned.task_id, "acme")).eta_seconds

    # WHEN it is read after each, THEN the rest is known from the second on
    assert left() is None
    record_progress([finish(planned, 440103)])
    assert left() is None
    seen = []
    for code in range(440104, 440138):
        record_progress([finish(planned, code)])
        seen.append(left())
    assert seen == [4 * rest for rest in range(33, -1, -1)]


def test_a_stop_and_another_attempt_forget_the_pace(planned: Task) -> None:
    record_progress([finish(planned, 440103)])
    record_progress([finish(planned, 440104)])
    item = live.read(planned.task_id)
    assert item is not None
    assert [round(sample.share, 3) for sample in item.pace] == [0.223, 0.246]
    lifecycle.pause(planned.task_id, "acme")
    assert view_document(following.read_task(planned.task_id, "acme")).eta_seconds is None
    lifecycle.resume(planned.task_id, "acme")
    dispatch()
    with step(planned.task_id, 2, key="district/440105", level="district", label="区") as run:
        run.complete({}, units=1)
    record_progress([ProgressEvent(task_id=planned.task_id, attempt=2, level="district", label="区")])
    item = live.read(planned.task_id)
    assert item is not None
    assert (item.attempt, len(item.pace)) == (2, 1)
    assert view_document(following.read_task(planned.task_id, "acme")).eta_seconds is None


def test_an_item_of_a_release_before_this_one_has_no_pace(planned: Task) -> None:
    live.overwrite([live.item_of(planned)])
    aws.client("dynamodb").update_item(
        TableName="live",
        Key={"task_id": {"S": planned.task_id}},
        UpdateExpression="SET #item = :item",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={
            ":item": {"S": json.dumps({k: v for k, v in asdict(live.item_of(planned)).items() if k != "pace"})}
        },
    )
    item = live.read(planned.task_id)
    assert item is not None
    assert item.pace == ()
