"""Bulk actions (serve_batches, act_on_tasks): all tasks that match, a range at a time, followed as any task."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from longhaul import cache
from longhaul import database as longhaul_database
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import bulk, lifecycle, live, recovery, steps, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Status, Task
from longhaul.tasks.submission import Submission
from tests.calling import ask, at_once, call, records
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type Running = Callable[..., Task]
type Waiting = Callable[..., list[str]]

PATH = "/api/v1/tasks/actions"
KIND = "hospital_province_refresh"


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def waiting(database: dict[str, Any], sql: Sql) -> Waiting:
    """Makes PENDING tasks, a microsecond apart; their ids, oldest first. (By SQL: many submits take their time.)"""
    numbers = count(1)

    def make(number: int, tenant: str = "acme", **columns: Any) -> list[str]:
        values = {
            "tenant_id": tenant, "user_id": "ada", "kind": KIND, "title": "广东省刷新", "params": "{}", "priority": 1,
            "status": "PENDING", "attempt": 0, "max_retries": 3, "request_digest": "0" * 64, **columns,
        }  # fmt: skip
        ids = [f"task_{next(numbers):05}" for _ in range(number)]
        names = ", ".join(values)
        sql(
            f"INSERT INTO tasks (task_id, {names}, run_after, created_at, updated_at, finished_at)"
            f" SELECT ids.task_id, {', '.join(['%s'] * len(values))}, UTC_TIMESTAMP(6),"
            " TIMESTAMPADD(MICROSECOND, ids.place, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6),"
            f" {'UTC_TIMESTAMP(6)' if values['status'] in ('FAILED', 'SUCCEEDED') else 'NULL'}"
            " FROM JSON_TABLE(%s, '$[*]' COLUMNS (place FOR ORDINALITY, task_id VARCHAR(96) PATH '$')) AS ids"
            " ORDER BY ids.place",
            *values.values(),
            json.dumps(ids),
        )
        return ids

    return make


def ask_for(action: str, tenant: str = "acme", **body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return ask("serve_batches", "POST", PATH, {"action": action, **body}, tenant=tenant)


def begin(action: str, tenant: str = "acme", **body: Any) -> str:
    """Ask for the action and start its task, whose message waits in the queue; its id."""
    status, task, _ = ask_for(action, tenant, **body)
    assert status == 202, task
    dispatch(["bulk_action"])
    return str(task["task_id"])


def carry_out(action: str, tenant: str = "acme", **body: Any) -> str:
    """Ask for the action and have it done; its task's id."""
    task_id = begin(action, tenant, **body)
    assert call("tasks", "act_on_tasks", records({"task_id": task_id, "attempt": 1})) == {"batchItemFailures": []}
    return task_id


@pytest.fixture
def figures(sql: Sql) -> Callable[[str], tuple[Any, ...]]:
    """(status, matched, changed, unchanged) of a bulk action."""

    def read(task_id: str) -> tuple[Any, ...]:
        (row,) = sql("SELECT status, statistics FROM tasks WHERE task_id = %s", task_id)
        statistics = json.loads(row["statistics"])
        return row["status"], *(statistics[name] for name in ("matched", "changed", "unchanged"))

    return read


type Figures = Callable[[str], tuple[Any, ...]]


def statuses(sql: Sql, tenant: str = "acme") -> dict[str, int]:
    """How many tasks have which status, bulk actions left out."""
    rows = sql(
        "SELECT status, COUNT(*) AS n FROM tasks WHERE tenant_id = %s AND kind <> 'bulk_action' GROUP BY status", tenant
    )
    return {row["status"]: row["n"] for row in rows}


# -------------------------------------------------------------------------------------------------- what is asked


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"action": "cancel", "filter": {}}, "/filter"),
    ({"action": "cancel", "filter": {"status": []}}, "/filter/status"),
    ({"action": "cancel"}, "/filter"),
    ({"action": "delete", "filter": {"status": ["FAILED"]}}, "/action"),
    ({"action": "prioritise", "filter": {"status": ["PENDING"]}}, "/priority"),
    ({"action": "cancel", "priority": "low", "filter": {"status": ["PENDING"]}}, "/priority"),
    ({"action": "cancel", "filter": {"status": ["DONE"]}}, "/filter/status/0"),
    ({"action": "cancel", "filter": {"status": "PENDING"}}, "/filter/status"),
    ({"action": "cancel", "filter": {"created_after": "2026-11-25T10:00:00"}}, "/filter/created_after"),
    ({"action": "cancel", "filter": {"title": ""}}, "/filter/title"),
    ({"action": "cancel", "filter": {"title": "x" * 101}}, "/filter/title"),
    ({"action": "cancel", "filter": {"task_ids": ["x"] * 1001}}, "/filter/task_ids"),
    ({"action": "cancel", "filter": {"colour": "red"}}, "/filter/colour"),
    ({"action": "cancel", "filter": {"kind": ["hospital_refresh"]}}, "/filter/kind"),
    ({"action": "cancel", "filter": {"kind": ["hospital_refresh"]}, "dry_run": True}, "/filter/kind"),
    ({"action": "cancel", "filter": {"status": ["PENDING"]}, "dry_run": "perhaps"}, "/dry_run"),
]


def test_what_is_wrong_is_named_and_nothing_is_begun(database: dict[str, Any], sql: Sql) -> None:
    for body, pointer in WRONG:
        status, problem, _ = ask("serve_batches", "POST", PATH, body)
        assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer]), body
    assert sql("SELECT id FROM tasks") == []


def test_a_dry_run_counts_and_changes_nothing(waiting: Waiting, sql: Sql, sent: Sent) -> None:
    ids = waiting(3)
    waiting(1, priority=3, title="江苏省 100%")
    waiting(1, status="FAILED", kind="hospital_full_refresh", error_code="bad_answer")
    waiting(2, tenant="other")
    now = datetime.now(UTC)
    for wanted, matched in (
        ({"status": ["PENDING"]}, 4),
        ({"status": ["PENDING", "FAILED"], "priority": ["normal"]}, 4),
        ({"priority": ["urgent", "low"]}, 1),
        ({"kind": ["hospital_full_refresh"]}, 1),
        ({"kind": ["bulk_action"]}, 0),
        ({"title": "100%"}, 1),
        ({"error_code": ["bad_answer"]}, 1),
        ({"error_code": ["bad_answer"], "status": ["PENDING"]}, 0),
        ({"error_code": ["!no_answer"]}, 1),
        ({"error_code": ["!bad_answer"]}, 0),
        ({"title": "省_"}, 0),
        ({"task_ids": [ids[0], ids[2], "no_such"]}, 2),
        ({"created_after": (now - timedelta(minutes=1)).isoformat()}, 5),
        ({"created_before": (now - timedelta(minutes=1)).isoformat()}, 0),
        ({"created_before": (now + timedelta(minutes=1)).astimezone().isoformat()}, 5),
        ({"ended_after": (now - timedelta(minutes=1)).isoformat()}, 1),
        ({"ended_after": (now + timedelta(minutes=1)).isoformat()}, 0),
        ({"ended_before": (now + timedelta(minutes=1)).astimezone().isoformat()}, 1),
        ({"ended_before": (now - timedelta(minutes=1)).isoformat()}, 0),
        ({"ended_before": (now + timedelta(minutes=1)).isoformat(), "status": ["PENDING"]}, 0),
    ):
        assert ask_for("cancel", filter=wanted, dry_run=True)[:2] == (200, {"matched": matched}), wanted
    assert statuses(sql) == {"PENDING": 4, "FAILED": 1}
    assert sent("dispatch") == []


def test_more_than_an_action_may_change_is_refused_and_asks_for_less(
    waiting: Waiting, sql: Sql, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_MATCHES", 4)
    waiting(5)
    for dry_run in (True, False):
        status, problem, _ = ask_for("cancel", filter={"status": ["PENDING"]}, dry_run=dry_run)
        assert (status, problem["code"], problem["errors"][0]["pointer"]) == (422, "too_many_matches", "/filter")
    # AND a task that came in by another door fails
    params = {"action": "cancel", "filter": {"status": ["PENDING"]}}
    task = submit(Submission("acme", "ada", "bulk_action", params))
    dispatch(["bulk_action"])
    call("tasks", "act_on_tasks", records({"task_id": task.task_id, "attempt": 1}))
    assert sql("SELECT status, error_code FROM tasks WHERE task_id = %s", task.task_id) == [
        {"status": "FAILED", "error_code": "too_many_matches"}
    ]
    assert statuses(sql) == {"PENDING": 5}


def test_the_same_key_begins_one_action_and_is_not_that_of_a_task(database: dict[str, Any], sql: Sql) -> None:
    body = {"action": "cancel", "filter": {"status": ["PENDING"]}}
    task = submit(Submission("acme", "ada", KIND, {"province": "广东省"}, idempotency_key="k1"))
    first, second = (ask("serve_batches", "POST", PATH, body, idempotency_key="k1") for _ in range(2))
    assert (first[0], second[0]) == (202, 200)
    assert first[1]["task_id"] == second[1]["task_id"] != task.task_id
    status, problem, _ = ask("serve_batches", "POST", PATH, body | {"action": "pause"}, idempotency_key="k1")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    assert len(sql("SELECT id FROM tasks")) == 2


# ------------------------------------------------------------------------------------------------- what is done


def test_a_bulk_cancel_is_a_task_that_is_followed_to_its_end(
    waiting: Waiting, sql: Sql, sent: Sent, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN 250 waiting tasks, and some that are not meant
    waiting(250)
    waiting(3, priority=3)
    waiting(3, status="SUCCEEDED")
    waiting(3, tenant="other")

    # WHEN those of normal priority are cancelled
    status, task, headers = ask_for("cancel", filter={"status": ["PENDING"], "priority": ["normal"]})

    # THEN there is a task to follow
    assert (status, task["kind"], task["title"], task["status"]) == (
        202,
        "bulk_action",
        "Bulk action: cancel",
        "PENDING",
    )
    assert headers["Location"].startswith("/api/v1/tasks/bulk_cancel_")
    assert sent("dispatch") == [{"kind": "bulk_action"}]
    dispatch(["bulk_action"])
    (message,) = sent("actions")
    ran: list[str] = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: ran.append(name) or run(self, name, *rest)
    )
    assert call("tasks", "act_on_tasks", records(message)) == {"batchItemFailures": []}

    # AND exactly those are cancelled, each with its event, in three ranges of one UPDATE each (and it has ended)
    assert figures(task["task_id"]) == ("SUCCEEDED", 250, 250, 0)
    assert statuses(sql) == {"CANCELLED": 250, "PENDING": 3, "SUCCEEDED": 3}
    assert statuses(sql, "other") == {"PENDING": 3}
    assert sql(
        "SELECT event, status, COUNT(*) AS n FROM task_events WHERE event = 'cancelled' GROUP BY event, status"
    ) == [{"event": "cancelled", "status": "CANCELLED", "n": 250}]
    assert sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'CANCELLED' AND finished_at IS NULL") == [{"n": 0}]
    assert [ran.count(name) for name in ("list_ranges", "lock_matching", "stop_tasks", "insert_events")] == [
        1,
        3,
        3,
        4,
    ]
    progress = [event["label"] for event in sent("progress")]
    assert progress == ["Finding the tasks that match", "Tasks 1 to 100", "Tasks 101 to 200", "Tasks 201 to 250"]
    assert sql("SELECT result FROM tasks WHERE task_id = %s AND progress = 100", task["task_id"])


def test_nothing_that_matches_is_done_at_once(database: dict[str, Any], figures: Figures) -> None:
    assert figures(carry_out("cancel", filter={"status": ["PENDING"]})) == ("SUCCEEDED", 0, 0, 0)


def test_what_is_in_no_status_to_be_changed_is_unchanged(waiting: Waiting, sql: Sql, figures: Figures) -> None:
    waiting(2)
    waiting(3, status="SUCCEEDED")
    assert figures(carry_out("cancel", filter={"kind": [KIND]})) == ("SUCCEEDED", 5, 2, 3)
    assert statuses(sql) == {"CANCELLED": 2, "SUCCEEDED": 3}


def test_only_what_was_there_when_it_was_asked_for(waiting: Waiting, sql: Sql, figures: Figures) -> None:
    waiting(2)
    task_id = begin("cancel", filter={"kind": [KIND]})
    waiting(3)
    call("tasks", "act_on_tasks", records({"task_id": task_id, "attempt": 1}))
    assert figures(task_id) == ("SUCCEEDED", 2, 2, 0)
    assert statuses(sql) == {"CANCELLED": 2, "PENDING": 3}


def test_running_tasks_are_stopped_and_free_their_lanes(
    running_task: Running, waiting: Waiting, sql: Sql, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a refresh that has done a step, a campaign, and one that waits
    stopped: list[str] = []
    monkeypatch.setattr(lifecycle, "_stop_execution", lambda task, cause: stopped.append(f"{task.task_id}: {cause}"))
    refresh = running_task()
    with steps.step(refresh.task_id, 1, key="district/1", level="district", label="区") as step:
        step.complete({}, units=18)
    campaign = running_task("call_campaign", name="n", script_id="s", leads=[{"leads_id": "L", "phone": "13900000001"}])
    waiting(1, kind="hospital_full_refresh")
    sent("dispatch")

    # WHEN all that run are paused
    carry_out("pause", filter={"status": ["RUNNING"]})

    # THEN their executions are, their live items say so, how far they were is written, and the lanes are looked at
    assert sorted(stopped) == sorted([f"{refresh.task_id}: PAUSED", f"{campaign.task_id}: PAUSED"])
    assert statuses(sql) == {"PAUSED": 2, "PENDING": 1}
    for task in (refresh, campaign):
        item = live.read(task.task_id)
        assert item is not None
        assert item.status == Status.PAUSED
    (row,) = sql("SELECT statistics, finished_at FROM tasks WHERE task_id = %s", refresh.task_id)
    assert (json.loads(row["statistics"])["hospitals_found"], row["finished_at"]) == (18, None)
    assert {"kind": KIND} in (hints := sent("dispatch"))
    assert {"kind": "call_campaign"} in hints


def test_the_provider_hears_of_a_campaign_that_is_cancelled_with_others(running_task: Running, sent: Sent) -> None:
    campaign = running_task("call_campaign", name="n", script_id="s", leads=[{"leads_id": "L", "phone": "13900000001"}])
    sent("steer")
    carry_out("cancel", filter={"kind": ["call_campaign"]})
    assert sent("steer") == [{"task_id": campaign.task_id, "attempt": 1}]


def test_failed_tasks_are_retried_and_try_their_failed_steps_anew(
    running_task: Running, waiting: Waiting, sql: Sql, sent: Sent, figures: Figures
) -> None:
    # GIVEN a task that failed with a step done and a step failed, long past its deadline, and one that succeeded
    task = running_task()
    with steps.step(task.task_id, 1, key="done", level="city", label="市") as step:
        step.complete({})
    steps.fail_step(
        task.task_id, 1, steps.PlannedStep("failed", "district", "区"), lifecycle.TaskError("bad_answer", "no JSON")
    )
    lifecycle.close(task.task_id, 1, Outcome(error=lifecycle.TaskError("too_many_failures", "1 of 2")))
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(HOUR, -1, UTC_TIMESTAMP(6)), retries = 3")
    waiting(1, status="SUCCEEDED")
    sent("dispatch")

    # WHEN what failed is retried
    assert figures(carry_out("retry", filter={"created_after": "2026-01-01T00:00:00Z"})) == ("SUCCEEDED", 2, 1, 1)

    # THEN it waits for its next attempt, with the steps that are done
    (row,) = sql(
        "SELECT status, retries, deadline, error_code, finished_at FROM tasks WHERE task_id = %s", task.task_id
    )
    assert row == {"status": "PENDING", "retries": 0, "deadline": None, "error_code": None, "finished_at": None}
    kept = sql("SELECT step_key, status FROM task_steps WHERE task_id = %s ORDER BY step_key", task.task_id)
    assert kept == [{"step_key": "done", "status": "SUCCEEDED"}, {"step_key": "failed", "status": "PENDING"}]
    assert {"kind": KIND} in sent("dispatch")
    assert dispatch([KIND]) == 1


def test_paused_tasks_are_resumed(running_task: Running, sql: Sql) -> None:
    task = running_task()
    lifecycle.pause(task.task_id, "acme")
    carry_out("resume", filter={"status": ["PAUSED"]})
    assert statuses(sql) == {"PENDING": 1}
    assert dispatch([KIND]) == 1


def test_priorities_change_where_they_differ(waiting: Waiting, sql: Sql, figures: Figures) -> None:
    waiting(2)
    waiting(1, priority=3)
    waiting(1, status="FAILED")
    assert figures(carry_out("prioritise", priority="urgent", filter={"kind": [KIND]})) == ("SUCCEEDED", 4, 2, 2)
    assert sql("SELECT priority, status FROM tasks WHERE kind = %s ORDER BY id", KIND) == [
        {"priority": 3, "status": "PENDING"},
        {"priority": 3, "status": "PENDING"},
        {"priority": 3, "status": "PENDING"},
        {"priority": 1, "status": "FAILED"},
    ]
    events = sql("SELECT event, detail FROM task_events WHERE event = 'changed'")
    assert [json.loads(event["detail"]) for event in events] == [{"priority": ["normal", "urgent"]}] * 2


def test_it_never_acts_on_bulk_actions(waiting: Waiting, sql: Sql, figures: Figures) -> None:
    first = ask_for("cancel", filter={"status": ["FAILED"]})[1]["task_id"]
    sql("UPDATE lanes SET max_concurrent = 0 WHERE kind = 'bulk_action'")
    second = ask_for("cancel", filter={"status": ["PENDING"]})[1]["task_id"]
    sql("UPDATE tasks SET status = 'RUNNING', attempt = 1 WHERE task_id = %s", second)
    bulk.act(second)
    assert figures(second) == ("SUCCEEDED", 0, 0, 0)
    assert sql("SELECT status FROM tasks WHERE task_id = %s", first) == [{"status": "PENDING"}]


def test_cached_answers_of_what_changed_are_forgotten(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = waiting(3)
    forgotten: list[set[str]] = []
    monkeypatch.setattr(cache, "invalidate", lambda *tags: forgotten.append(set(tags)))
    carry_out("cancel", filter={"task_ids": ids[:2]})
    assert {"tasks:acme", *(f"task:{task_id}" for task_id in ids[:2])} in forgotten


# --------------------------------------------------------------------------------------------------- bad luck


PLACES = [
    (bulk, "Range"),
    (bulk, "plan_steps"),
    (store, "stop"),
    (store, "record"),
    (store, "fetch_all"),
    (live, "overwrite"),
    (cache, "invalidate"),
    (lifecycle, "wake"),
    (bulk, "_forget_changed"),
    (steps, "announce"),
    (lifecycle, "close"),
]


def test_killed_wherever_it_is_it_goes_on_from_its_steps(
    waiting: Waiting, sql: Sql, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a bulk cancel of many ranges
    monkeypatch.setattr(bulk, "RANGE_TASKS", 2)
    ran, never = waiting(20, attempt=1), waiting(5)
    task_id = begin("cancel", filter={"kind": [KIND]})
    told: list[str] = []
    tell = lifecycle.after_change

    def listen(tasks: list[Task], **options: Any) -> None:
        told.extend(task.task_id for task in tasks)
        tell(tasks, **options)

    monkeypatch.setattr(lifecycle, "after_change", listen)

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    # WHEN it is killed at each of these places, one after the other, and its message comes again
    for module, name in PLACES:
        with monkeypatch.context() as dying:
            dying.setattr(module, name, die)
            with pytest.raises(Killed):
                bulk.act(task_id)
            longhaul_database.close()
    assert statuses(sql) == {"CANCELLED": 25}
    bulk.act(task_id)

    # THEN each task was cancelled once, and the world was told of each
    assert figures(task_id) == ("SUCCEEDED", 25, 25, 0)
    assert sql("SELECT COUNT(*) AS n FROM task_events WHERE event = 'cancelled'") == [{"n": 25}]
    assert set(told) >= {*ran, *never}
    assert {name for name in ran + never if live.read(name)} == set(ran)
    assert sql("SELECT COUNT(*) AS n FROM task_steps WHERE LOCATE('untold', output) > 0") == [{"n": 0}]


def test_many_workers_at_once_change_each_task_once(
    waiting: Waiting, sql: Sql, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "RANGE_TASKS", 10)
    waiting(60)
    task_id = begin("cancel", filter={"status": ["PENDING"]})
    at_once(4, lambda: bulk.act(task_id))
    bulk.act(task_id)
    assert figures(task_id) == ("SUCCEEDED", 60, 60, 0)
    assert sql("SELECT COUNT(*) AS n, COUNT(DISTINCT task_id) AS tasks FROM task_events WHERE event = 'cancelled'") == [
        {"n": 60, "tasks": 60}
    ]


def test_a_bulk_cancel_and_completions_that_race_leave_each_task_with_one_end(
    running_task: Running, waiting: Waiting, sql: Sql, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN running tasks, each about to succeed
    ids = waiting(40, status="RUNNING", attempt=1)
    monkeypatch.setattr(bulk, "RANGE_TASKS", 5)
    task_id = begin("cancel", filter={"status": ["RUNNING"]})
    todo: Iterator[Callable[[], object]] = iter(
        [
            lambda: bulk.act(task_id),
            lambda: [lifecycle.close(name, 1, Outcome(result={})) for name in ids[::-1]],
        ]
    )

    # WHEN they are cancelled meanwhile
    at_once(2, lambda: next(todo)())

    # THEN each has one of both, and the figures say which (those that ended before it began did not match)
    status, matched, changed, unchanged = figures(task_id)
    ended = statuses(sql)
    assert (status, matched) == ("SUCCEEDED", changed + unchanged)
    assert (ended.get("CANCELLED", 0), ended.get("SUCCEEDED", 0)) == (changed, 40 - changed)
    events = sql(
        "SELECT COUNT(*) AS n FROM task_events WHERE event IN ('cancelled', 'succeeded') AND task_id LIKE 'task%%'"
    )
    assert events == [{"n": 40}]


def test_a_long_one_gives_way_and_sends_for_itself(
    waiting: Waiting, sql: Sql, sent: Sent, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an action of five ranges, of which one invocation has time for two
    monkeypatch.setattr(bulk, "RANGE_TASKS", 2)
    waiting(10)
    task_id = begin("cancel", filter={"status": ["PENDING"]})
    clock = iter([0.0, 10.0, *[40.0] * 9])
    message = {"task_id": task_id, "attempt": 1}
    assert sent("actions") == [message]

    # WHEN its time is over
    bulk.act(task_id, clock=lambda: next(clock))

    # THEN two ranges are done, and the next message goes on
    assert statuses(sql) == {"CANCELLED": 4, "PENDING": 6}
    assert sent("actions") == [message]
    bulk.act(task_id)
    assert figures(task_id) == ("SUCCEEDED", 10, 10, 0)
    assert sent("actions") == []


def test_it_is_paused_resumed_and_cancelled_as_any_task(
    waiting: Waiting, sql: Sql, sent: Sent, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an action that is paused in the middle
    monkeypatch.setattr(bulk, "RANGE_TASKS", 2)
    waiting(6)
    task_id = begin("cancel", filter={"status": ["PENDING"]})
    change = bulk.change_range

    def pause_then(*args: Any) -> list[int]:
        monkeypatch.setattr(bulk, "change_range", change)
        changed = change(*args)
        at_once(1, lambda: lifecycle.pause(task_id, "acme"))
        return changed

    monkeypatch.setattr(bulk, "change_range", pause_then)
    bulk.act(task_id)

    # THEN the range in flight is not done, and no other is begun, by whichever message
    assert statuses(sql) == {"PENDING": 6}
    bulk.act(task_id)
    assert figures(task_id) == ("PAUSED", 6, 0, 0)

    # AND resumed it does the rest, by its next attempt
    lifecycle.resume(task_id, "acme")
    sent("actions")
    dispatch(["bulk_action"])
    assert sent("actions") == [{"task_id": task_id, "attempt": 2}]
    bulk.act(task_id)
    assert figures(task_id) == ("SUCCEEDED", 6, 6, 0)

    # AND cancelled before it begins it does nothing
    waiting(2)
    other = begin("cancel", filter={"status": ["PENDING"]})
    lifecycle.cancel(other, "acme")
    bulk.act(other)
    assert statuses(sql) == {"CANCELLED": 6, "PENDING": 2}


def test_one_that_fell_silent_is_recovered(waiting: Waiting, sql: Sql, sent: Sent, figures: Figures) -> None:
    waiting(3)
    task_id = begin("cancel", filter={"status": ["PENDING"]})
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(SECOND, -200, UTC_TIMESTAMP(6)) WHERE task_id = %s", task_id)
    assert recovery.recover()["recovered"] == 1
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6)) WHERE task_id = %s", task_id)
    sent("actions")
    dispatch(["bulk_action"])
    (message,) = sent("actions")
    call("tasks", "act_on_tasks", records(message))
    assert (message["attempt"], figures(task_id)) == (2, ("SUCCEEDED", 3, 3, 0))


def test_a_database_that_is_away_sends_the_message_back(
    waiting: Waiting, sql: Sql, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(3)
    task_id = begin("cancel", filter={"status": ["PENDING"]})
    message = records({"task_id": task_id, "attempt": 1})

    def away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(store, "stop", away)
        assert call("tasks", "act_on_tasks", message) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert statuses(sql) == {"PENDING": 3}
    assert call("tasks", "act_on_tasks", message) == {"batchItemFailures": []}
    assert figures(task_id) == ("SUCCEEDED", 3, 3, 0)


def test_a_message_of_no_task_is_done_with(database: dict[str, Any]) -> None:
    assert call("tasks", "act_on_tasks", records({"task_id": "gone", "attempt": 1})) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", 1_700_000_000, 0, "2026-11-01"]
)
@pytest.mark.parametrize("name", ["created_after", "created_before"])
def test_a_time_that_is_none_is_refused_by_its_name(database: dict[str, Any], name: str, when: Any) -> None:
    status, problem, _ = ask_for("cancel", filter={name: when}, dry_run=True)
    assert status == 422, problem
    assert [error["pointer"] for error in problem["errors"]] == [f"/filter/{name}"]


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "0999-06-01T00:00:00+08:00", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("name", ["created_after", "created_before"])
def test_the_furthest_times_are_times(engine: dict[str, Any], waiting: Waiting, name: str, when: str) -> None:
    waiting(1)
    status, answer, _ = ask_for("cancel", filter={name: when}, dry_run=True)
    assert (status, answer["matched"]) == (200, int((name == "created_after") == when.startswith("0")))
    assert begin("prioritise", priority="high", filter={name: when}) if answer["matched"] else True


@pytest.mark.parametrize("dry_run", [0, 1, "yes", "true", 1.0, None])
def test_only_a_boolean_says_that_nothing_is_to_be_done(
    database: dict[str, Any], waiting: Waiting, dry_run: Any
) -> None:
    waiting(1)
    status, problem, _ = ask_for("cancel", filter={"status": ["PENDING"]}, dry_run=dry_run)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/dry_run"])
