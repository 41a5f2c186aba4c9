"""Tasks that are to start later: they fill no lane, their start can be changed, and what joins them hastens them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longhaul.errors import LaneFull, TooManyScheduled
from longhaul.tasks import lifecycle, submission
from longhaul.tasks.batches import Deduplicated, submit_many
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Priority, Task
from longhaul.tasks.submission import Submission
from tests.calling import at_once
from tests.gateway import Api
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]

KIND = "hospital_province_refresh"
ROLE = "role_creation"
TASKS = "/api/v1/tasks"
FUNCTIONS = ("tasks.serve_tasks", "tasks.read_task", "tasks.serve_batches", "tasks.serve_queue")


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(scope="tasks:read tasks:write ops", functions=FUNCTIONS)


def ahead(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**span)


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def asking(tenant_id: str = "acme", run_after: datetime | None = None, **changes: Any) -> Submission:
    return Submission(tenant_id, "ada", KIND, {"province": "海南省"}, run_after=run_after, **changes)


def role(run_after: datetime | None = None, priority: Priority = Priority.normal, strategy: str = "S-1") -> Submission:
    params = {"task_id": "T-1", "strategy_id": strategy}
    return Submission("acme", "ada", ROLE, params, priority=priority, run_after=run_after)


def changes(sql: Sql, task: Task) -> list[dict[str, Any]]:
    rows = sql("SELECT detail FROM task_events WHERE event = 'changed' AND task_id = %s ORDER BY id", task.task_id)
    return [json.loads(row["detail"]) for row in rows]


# ----------------------------------------------------------------------------------------------- what sleeps in a lane


def test_what_sleeps_keeps_nobody_from_submitting(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN a lane for two, and two tasks of a tenant that are to start in three weeks
    sql("UPDATE lanes SET max_queued = 2")
    for _ in range(2):
        submit(asking(run_after=ahead(weeks=3)))

    # THEN it has room for two that may start now, of whomever, and not for a third
    submit(asking("globex"))
    submit(asking())
    with pytest.raises(LaneFull):
        submit(asking("globex"))
    with pytest.raises(LaneFull):
        submit(asking(run_after=ahead(seconds=-1)))

    # AND what may start now keeps nobody from planning ahead
    submit(asking("globex", ahead(weeks=3)))


def test_each_tenant_may_have_so_many_that_sleep(api: Api, sql: Sql) -> None:
    # GIVEN a lane in which each tenant may plan two ahead
    api("PATCH", f"/api/v1/queue/{KIND}", {"max_scheduled": 2})
    body = {"kind": KIND, "params": {"province": "海南省"}, "run_after": told(ahead(weeks=3))}
    assert [api("POST", TASKS, body).status for _ in range(2)] == [202, 202]

    # WHEN it plans a third
    refused = api("POST", TASKS, body)

    # THEN it is told so, by a code of its own that does not ask to be tried again, and others are not touched
    assert (refused.status, refused.body["code"], refused.body["retryable"]) == (409, "too_many_scheduled", False)
    assert "Retry-After" not in refused.headers
    assert Api(tenant_id="globex")("POST", TASKS, body).status == 202
    assert api("POST", TASKS, body | {"kind": "hospital_full_refresh", "params": {}}).status == 202
    assert api("POST", TASKS, body | {"run_after": None}).status == 202
    # AND when one of them has come due there is room again
    due = "UPDATE tasks SET run_after = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE run_after > UTC_TIMESTAMP(6)"
    sql(f"{due} AND tenant_id = 'acme' AND kind = %s LIMIT 1", KIND)
    assert api("POST", TASKS, body).status == 202


def test_a_batch_has_both_rooms(database: dict[str, Any], sql: Sql) -> None:
    sql("UPDATE lanes SET max_queued = 2, max_scheduled = 1")
    submit(asking("globex", ahead(weeks=3)))
    submit(asking("globex"))
    later = ahead(weeks=3)
    answers = submit_many([asking(run_after=start) for start in (later, later, None, None)])
    assert [answer if isinstance(answer, str) else type(answer) for answer in answers] == [
        answers[0],
        TooManyScheduled,
        answers[2],
        LaneFull,
    ]
    assert sql("SELECT COUNT(*) AS n FROM tasks WHERE tenant_id = 'acme'") == [{"n": 2}]


def test_the_queue_tells_what_sleeps_from_what_waits(api: Api) -> None:
    submit(asking(run_after=ahead(weeks=3)))
    submit(asking("globex", ahead(weeks=3)))
    submit(asking("globex"))
    (lane,) = [lane for lane in api.get("/api/v1/queue")["items"] if lane["kind"] == KIND]
    assert (lane["waiting"], lane["scheduled"], lane["max_scheduled"]) == (1, 2, 1000)
    assert lane["yours"] == {"waiting": 0, "scheduled": 1, "running": 0}


# --------------------------------------------------------------------------------------------- changing when it starts


def test_a_start_is_brought_forward_and_put_off(api: Api, sql: Sql, sent: Sent) -> None:
    # GIVEN a task that is to start in three weeks
    start, tomorrow = ahead(weeks=3), ahead(days=1)
    task = submit(asking(run_after=start))
    sent("dispatch")

    # WHEN it is to start tomorrow, then now, then tomorrow after all
    seen = []
    for run_after in (told(tomorrow), None, told(tomorrow)):
        answer = api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": run_after})
        assert (answer.status, answer.body["run_after"]) == (200, run_after)
        seen.append(len(sent("dispatch")))

    # THEN the dispatcher is woken when it may start, and each change is in its history
    assert seen == [0, 1, 0]
    assert changes(sql, task) == [
        {"run_after": [told(start), told(tomorrow)]},
        {"run_after": [told(tomorrow), None]},
        {"run_after": [None, told(tomorrow)]},
    ]
    assert dispatch([KIND]) == 0


def test_a_start_of_now_or_past_is_at_once_and_changes_nothing_that_waits(api: Api, sql: Sql) -> None:
    task = submit(asking(run_after=ahead(weeks=3)))
    assert api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": "2020-01-01T00:00:00Z"}).body["run_after"] is None
    before = sql("SELECT run_after, updated_at FROM tasks")
    assert api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": None}).status == 200
    assert sql("SELECT run_after, updated_at FROM tasks") == before
    assert len(changes(sql, task)) == 1
    assert dispatch([KIND]) == 1


def test_only_what_is_pending_has_a_start_to_change(api: Api, sql: Sql) -> None:
    task = submit(asking())
    dispatch([KIND])
    for status in ("RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED"):
        sql("UPDATE tasks SET status = %s", status)
        refused = api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": told(ahead(days=1)), "title": "x"})
        assert (refused.status, refused.body["code"], refused.body["task_status"]) == (
            409,
            "illegal_transition",
            status,
        )
        assert api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": None}).status == 409
    assert changes(sql, task) == []


def test_a_start_out_of_bounds_is_refused(api: Api, sql: Sql) -> None:
    task = submit(asking(deadline=ahead(days=2)))
    for run_after, detail in [
        (told(ahead(days=31)), "more than 30 days ahead"),
        (told(ahead(days=2, seconds=1)), "not before the task's deadline"),
        ("tomorrow", "a time is written"),
        (1_795_000_000, "a time is written"),
    ]:
        refused = api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": run_after})
        assert (refused.status, [error["pointer"] for error in refused.body["errors"]]) == (422, ["/run_after"])
        assert detail in refused.body["errors"][0]["detail"]
    assert api("PATCH", f"{TASKS}/{task.task_id}", {"run_after": told(ahead(days=1))}).status == 200


def test_what_is_put_off_counts_as_what_sleeps(api: Api, sql: Sql) -> None:
    sql("UPDATE lanes SET max_scheduled = 1")
    tasks = [submit(asking()) for _ in range(3)]
    later, item = told(ahead(days=1)), told(ahead(days=2))
    items = [{"task_id": task.task_id, "run_after": later} for task in tasks[:2]]
    answer = api("PATCH", f"{TASKS}/batch", {"items": items})
    assert [one["status"] for one in answer.body["items"]] == [200, 409]
    refused = api("PATCH", f"{TASKS}/{tasks[2].task_id}", {"run_after": later})
    assert (refused.status, refused.body["code"]) == (409, "too_many_scheduled")
    assert api("PATCH", f"{TASKS}/{tasks[0].task_id}", {"run_after": item}).status == 200, "it sleeps already"


def test_starts_of_many_are_changed_at_once(api: Api, sql: Sql, sent: Sent) -> None:
    asleep, waits = submit(asking(run_after=ahead(weeks=3))), submit(asking())
    dispatch([KIND])
    late = submit(asking())
    sent("dispatch")
    tomorrow = told(ahead(days=1))
    items = [
        {"task_id": asleep.task_id, "run_after": None, "priority": "high"},
        {"task_id": waits.task_id, "run_after": None},
        {"task_id": late.task_id, "run_after": tomorrow},
        {"task_id": "none", "run_after": None},
    ]
    answer = api("PATCH", f"{TASKS}/batch", {"items": items})
    assert [one["status"] for one in answer.body["items"]] == [200, 409, 200, 404]
    assert sent("dispatch") == [{"kind": KIND}]
    assert api.get(f"{TASKS}/{asleep.task_id}")["run_after"] is None
    assert api.get(f"{TASKS}/{late.task_id}")["run_after"] == tomorrow
    assert changes(sql, late) == [{"run_after": [None, tomorrow]}]


# -------------------------------------------------------------------------------------------- joining what is open


def test_todays_urgent_one_wakes_what_was_to_sleep(database: dict[str, Any], sql: Sql, sent: Sent) -> None:
    # GIVEN a role that is to be made in four weeks
    start = ahead(weeks=4)
    asleep = submit(role(start))
    sent("dispatch")

    # WHEN it is asked for urgently
    placed = submission.submit(role(priority=Priority.urgent))

    # THEN it is that task, which starts now and is urgent, with an event
    assert (placed.deduplicated, placed.task.task_id, placed.task.priority) == (True, asleep.task_id, Priority.urgent)
    assert changes(sql, asleep) == [{"priority": ["normal", "urgent"], "run_after": [told(start), None]}]
    assert sent("dispatch") == [{"kind": ROLE}]
    assert dispatch([ROLE]) == 1


def test_joining_takes_the_earlier_start_and_the_higher_priority(database: dict[str, Any], sql: Sql) -> None:
    first = submit(role(ahead(weeks=2), Priority.high))
    sooner = ahead(days=2)
    joined = [
        submission.submit(role(start, priority)).task
        for start, priority in [(ahead(weeks=3), Priority.low), (sooner, Priority.low)]
    ]
    assert [(task.task_id, task.priority) for task in joined] == [(first.task_id, Priority.high)] * 2
    assert joined[0].run_after == first.run_after
    assert joined[1].run_after == sooner
    assert len(changes(sql, first)) == 1


def test_joining_what_runs_raises_its_priority_alone(database: dict[str, Any], sql: Sql) -> None:
    task = submit(role())
    dispatch([ROLE])
    (before,) = sql("SELECT run_after FROM tasks")
    assert submission.submit(role(priority=Priority.high)).task.priority == Priority.high
    assert sql("SELECT run_after, status FROM tasks") == [before | {"status": "RUNNING"}]
    assert changes(sql, task) == [{"priority": ["normal", "high"]}]


def test_joining_what_has_ended_meanwhile_makes_a_new_one(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a task that is cancelled between the look at it and the lock on it
    asleep = submit(role(ahead(weeks=4)))
    hasten = lifecycle.hasten
    monkeypatch.setattr(
        lifecycle,
        "hasten",
        lambda tenant_id, wishes: lifecycle.cancel(asleep.task_id, tenant_id) and hasten(tenant_id, wishes),
    )
    placed = submission.submit(role())
    assert (placed.deduplicated, placed.task.task_id == asleep.task_id) == (False, False)
    assert changes(sql, asleep) == []


def test_items_of_a_batch_join_too(database: dict[str, Any], sql: Sql, sent: Sent) -> None:
    # GIVEN one that sleeps
    asleep = submit(role(ahead(weeks=4)))
    sent("dispatch")

    # WHEN a batch asks for it now, and for another twice, the second time sooner
    later, sooner = ahead(weeks=3), ahead(days=1)
    answers = submit_many(
        [role(), role(later, strategy="S-2"), role(sooner, Priority.urgent, strategy="S-2"), asking()]
    )

    # THEN each has the earliest start and the highest priority that was asked for
    assert answers[0] == Deduplicated(asleep.task_id)
    assert answers[2] == Deduplicated(str(answers[1]))
    rows = {row["task_id"]: row for row in sql("SELECT task_id, priority, run_after FROM tasks")}
    assert rows[asleep.task_id]["run_after"].replace(tzinfo=UTC) <= datetime.now(UTC) + timedelta(minutes=1)
    assert rows[answers[1]]["run_after"].replace(tzinfo=UTC) == sooner
    assert rows[answers[1]]["priority"] == Priority.urgent
    assert sorted(hint["kind"] for hint in sent("dispatch")) == [KIND, ROLE]


def test_all_that_join_at_once_are_heeded(database: dict[str, Any], sql: Sql) -> None:
    asleep = submit(role(ahead(weeks=4)))
    starts = iter([ahead(days=day) for day in (9, 3, 7, 5, 8, 4)])
    at_once(6, lambda: submission.submit(role(next(starts))))
    (row,) = sql("SELECT run_after FROM tasks")
    assert row["run_after"].replace(tzinfo=UTC) <= ahead(days=3)
    assert changes(sql, asleep)[-1]["run_after"][1] == told(row["run_after"])


def test_a_start_that_is_changed_while_it_is_joined(database: dict[str, Any], sql: Sql) -> None:
    task = submit(role(ahead(weeks=4)))
    dispatch([ROLE])
    submission.submit(role())
    assert dispatch([ROLE]) == 1
    lifecycle.close(task.task_id, 1, Outcome(result={}))
    assert not submission.submit(role()).deduplicated
