"""Notices: written with their transition, given to each channel that listens, once or more and never not at all."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.aws import quotas
from longhaul import database as longhaul_database
from longhaul import settings, tracing
from longhaul.tasks import lifecycle, publication, steps, store
from longhaul.tasks.following import record_progress
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError, Transition
from longhaul.tasks.notices import MAX_BYTES, OMITTED, Channel, event_of, sequence_of
from longhaul.tasks.steps import PlannedStep, ProgressEvent
from tests.calling import call, records
from tests.submitting import asking, submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def heard(database: dict[str, Any]) -> None:
    """Webhooks listen to the tenant `acme`."""
    listen("acme", Channel.WEBHOOKS)


def listen(tenant_id: str, channel: Channel, seconds: int | None = None) -> None:
    with longhaul_database.connection() as session:
        publication.listen(session, tenant_id, channel, seconds=seconds)


def succeed(task: Task) -> None:
    assert lifecycle.close(task.task_id, task.attempt, Outcome(result={"added": 3}))


def announced(sent: Sent) -> list[str]:
    return [task_id for message in sent("notices") for task_id in message["task_ids"]]


def told(sent: Sent, channel: str) -> list[dict[str, Any]]:
    return [addressed["notice"] for message in sent(channel) for addressed in message["notices"]]


def test_a_tenant_to_whom_nobody_listens_costs_no_message(running_task: Running, sql: Sql, sent: Sent) -> None:
    # GIVEN a channel that listens to another tenant, and one that listened to this one until just now
    listen("globex", Channel.WEBHOOKS)
    listen("acme", Channel.SOCKETS, seconds=-1)

    # WHEN its task runs and ends
    succeed(running_task())

    # THEN its events are not to be told
    assert [row["unsent"] for row in sql("SELECT unsent FROM task_events")] == [None, None]
    assert sent("notices") == []


def test_each_transition_is_announced_and_given_to_the_channels_that_listen(
    heard: None, running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a task that ran and ended, and a second channel that listens since
    task = running_task()
    succeed(task)
    listen("acme", Channel.MAIL)
    assert announced(sent) == [task.task_id, task.task_id]

    # WHEN its notices are published
    assert publication.publish([task.task_id]) == 2

    # THEN both channels have them, in order, as CloudEvents, and nothing is left to tell
    notices = told(sent, "webhooks")
    assert told(sent, "mail") == notices
    assert told(sent, "sockets") == []
    assert [(notice["type"], notice["data"]["status"], notice["data"]["progress"]) for notice in notices] == [
        ("longhaul.task.started", "RUNNING", 0),
        ("longhaul.task.succeeded", "SUCCEEDED", 100),
    ]
    assert {(notice["specversion"], notice["source"], notice["subject"]) for notice in notices} == {
        ("1.0", "/api/v1/tasks", task.task_id)
    }
    assert notices[0]["sequence"] < notices[1]["sequence"]
    assert publication.publish([task.task_id]) == 0
    assert sql("SELECT COUNT(*) AS n FROM task_events WHERE unsent = 1") == [{"n": 0}]


def test_a_transition_that_is_rolled_back_leaves_no_notice(heard: None, running_task: Running, sql: Sql) -> None:
    task = running_task()
    publication.publish([task.task_id])
    with pytest.raises(ZeroDivisionError), longhaul_database.transaction() as tx:
        store.record(tx, Transition.SUCCEED, {task.id: None})
        1 / 0  # noqa: B018
    assert publication.publish([task.task_id]) == 0


def test_what_was_never_announced_is_swept(
    heard: None, running_task: Running, sql: Sql, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a worker that dies between the commit and all that follows it
    task = running_task()
    publication.publish([task.task_id])
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "after_change", lambda *_, **__: None)
        succeed(task)
    announced(sent)
    sent("webhooks")

    # WHEN the sweep looks at once, it leaves the notice to whoever is at it; a while later it does not
    assert call("tasks", "publish_notices", {}) == {"published": 0}
    sql("UPDATE task_events SET created_at = TIMESTAMPADD(SECOND, -11, UTC_TIMESTAMP(6))")
    assert call("tasks", "publish_notices", {}) == {"published": 1}

    # THEN it is told
    assert announced(sent) == []
    assert [notice["type"] for notice in told(sent, "webhooks")] == ["longhaul.task.succeeded"]


def test_one_that_dies_before_it_notes_what_it_told_tells_it_again_as_the_same(
    heard: None, running_task: Running, sent: Sent, sql: Sql
) -> None:
    task = running_task()
    publication.publish([task.task_id])
    sql("UPDATE task_events SET unsent = 1")
    publication.publish([task.task_id])
    first, again = told(sent, "webhooks")
    assert first == again


def test_a_channel_that_cannot_be_given_its_notices_keeps_them_unsent(
    heard: None, running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    task = running_task()
    monkeypatch.setenv("WEBHOOKS_QUEUE_URL", "http://127.0.0.1:9/123456789012/gone")
    settings.of.cache_clear()
    published = publication.publish([task.task_id])
    settings.of.cache_clear()
    assert published == 0
    assert [row["unsent"] for row in sql("SELECT unsent FROM task_events")] == [1]
    assert warnings == ["messages not sent"]


def test_notices_of_many_long_errors_are_all_given_to_a_channel(
    heard: None, running_task: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a queue that takes 256 KB at once, and a hundred events of nearly the size that a notice may have
    quotas.enforce()
    task = running_task()
    row = sql("SELECT task_id, attempt, status FROM task_events")[0]
    detail = json.dumps({"error": "错" * 6_000}, ensure_ascii=False)
    for _ in range(publication.BATCH - 1):
        sql(
            "INSERT INTO task_events (task_id, attempt, event, status, detail, unsent, created_at)"
            " VALUES (%s, %s, 'recovered', %s, %s, 1, UTC_TIMESTAMP(6))",
            *row.values(),
            detail,
        )

    # WHEN they are published, THEN each is told
    assert publication.publish([task.task_id]) == publication.BATCH
    assert len(told(sent, "webhooks")) == publication.BATCH
    assert sql("SELECT COUNT(*) AS n FROM task_events WHERE unsent = 1") == [{"n": 0}]


def test_a_notice_that_is_too_large_is_told_without_its_detail(
    heard: None, running_task: Running, sql: Sql, sent: Sent
) -> None:
    task = running_task()
    assert lifecycle.close(task.task_id, task.attempt, Outcome(error=TaskError("Broken", "错" * 100_000)))
    publication.publish([task.task_id])
    started, failed = told(sent, "webhooks")
    assert started["data"]["detail"] == {}
    assert failed["data"]["detail"] == OMITTED
    assert len(json.dumps(failed).encode()) <= MAX_BYTES


def test_the_end_of_listening_in_between_leaves_nothing_unsent(heard: None, running_task: Running, sql: Sql) -> None:
    task = running_task()
    with longhaul_database.connection() as session:
        publication.stop_listening(session, "acme", Channel.WEBHOOKS)
    assert publication.publish([task.task_id]) == 1
    assert [row["unsent"] for row in sql("SELECT unsent FROM task_events")] == [None]


def test_why_a_task_failed_is_in_its_notice(heard: None, running_task: Running, sent: Sent) -> None:
    task = running_task()
    lifecycle.close(task.task_id, 1, Outcome(error=TaskError("bad_answer", "no JSON")))
    publication.publish([task.task_id])
    assert told(sent, "webhooks")[-1]["data"]["detail"] == {"code": "bad_answer", "error": "no JSON"}


def test_listening_again_never_ends_it_earlier(database: dict[str, Any]) -> None:
    listen("acme", Channel.SOCKETS)
    listen("acme", Channel.SOCKETS, seconds=-1)
    with longhaul_database.connection() as session:
        assert publication.is_heard(session, "acme", Channel.SOCKETS)
        assert not publication.is_heard(session, "Acme", Channel.SOCKETS)
        assert not publication.is_heard(session, "acme", Channel.MAIL)


def test_progress_is_a_hint_for_sockets_twice_a_second_at_most(
    running_task: Running, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a task with 20 steps, whose progress is written every fifth, and a socket that listens
    listen("acme", Channel.SOCKETS)
    task = running_task()
    planned = [PlannedStep(f"district/{number}", "district", f"D{number}") for number in range(20)]
    with steps.step(task.task_id, 1, key="city/1", level="city", label="C") as listing:
        listing.complete({}, save=lambda tx: steps.plan_steps(tx, task.task_id, 1, planned))
    sent("notices")

    # WHEN ten steps are done at once, and ten a second later
    def finish(first: int) -> None:
        for step in planned[first : first + 10]:
            with steps.step(task.task_id, 1, key=step.key, level=step.level, label=step.label) as run:
                run.complete({})
            record_progress([ProgressEvent(task_id=task.task_id, attempt=1, level=step.level, label=step.label)])

    now = time.time()
    monkeypatch.setattr("longhaul.cache.debounce.time.time", lambda: now)
    finish(0)
    monkeypatch.setattr("longhaul.cache.debounce.time.time", lambda: now + 1)
    finish(10)

    # THEN two hints tell of it, behind the start and before what comes, the later one greater
    hints = [addressed["notice"] for message in sent("notices") for addressed in message["hints"]]
    assert [(hint["type"], hint["data"]["current_step"]) for hint in hints] == [
        ("longhaul.task.progress", "D3"),
        ("longhaul.task.progress", "D13"),
    ]
    assert [event_of(hint["sequence"]) for hint in hints] == [event_of(hints[0]["sequence"])] * 2
    assert hints[0]["sequence"] < hints[1]["sequence"]
    assert hints[0]["data"]["progress"] < hints[1]["data"]["progress"]


def test_progress_is_no_notice_for_webhooks(heard: None, running_task: Running, sent: Sent) -> None:
    task = running_task()
    sent("notices")
    publication.announce_progress(task)
    assert sent("notices") == []


def test_a_submission_is_a_hint_for_sockets(database: dict[str, Any], sent: Sent) -> None:
    submit(asking(params={"province": "江苏省"}))
    assert sent("notices") == []
    listen("acme", Channel.SOCKETS)
    task = submit(asking())
    (message,) = sent("notices")
    publish(message)
    (notice,) = told(sent, "sockets")
    assert (notice["type"], notice["subject"]) == ("longhaul.task.submitted", task.task_id)
    assert notice["sequence"] < sequence_of(1)


def publish(*messages: dict[str, Any]) -> None:
    """Call the function as SQS does."""
    assert call("tasks", "publish_notices", records(*messages)) == {"batchItemFailures": []}


def test_the_function_takes_announcements_twice_and_of_tasks_that_are_gone(
    heard: None, running_task: Running, sent: Sent
) -> None:
    task = running_task()
    message = {"task_ids": [task.task_id, "gone"]}
    publish(message, message)
    publish(message)
    assert [notice["type"] for notice in told(sent, "webhooks")] == ["longhaul.task.started"]


def test_the_trace_of_the_submitting_request_is_in_each_notice(
    heard: None, running_task: Running, sent: Sent, sql: Sql
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    token = tracing.current.set(trace)
    task = running_task()
    tracing.current.reset(token)
    succeed(task)
    publication.publish([task.task_id])
    assert [notice["traceparent"] for notice in told(sent, "webhooks")] == [trace, trace]


def test_one_who_comes_back_gets_what_came_since(running_task: Running, sql: Sql) -> None:
    # GIVEN two tasks of a tenant and one of another, all started
    one, other = running_task(), running_task(province="江苏省")
    foreign = running_task(tenant_id="globex", province="浙江省")
    (first,) = sql("SELECT id FROM task_events WHERE task_id = %s", one.task_id)
    succeed(one)

    # WHEN asked for what came after the first start, of one task, of the tenant, of a kind
    def types(**of: Any) -> list[tuple[str, str]] | None:
        since = publication.since("acme", sequence_of(first["id"]), **of)
        return None if since is None else [(notice.subject, notice.type.rpartition(".")[2]) for notice in since]

    # THEN each is there, and no other tenant's
    assert types(task_id=one.task_id) == [(one.task_id, "succeeded")]
    assert types(task_id=foreign.task_id) == []
    assert {(one.task_id, "succeeded"), (other.task_id, "started")} <= set(types() or [])
    assert foreign.task_id not in {subject for subject, _ in types() or []}
    assert types(kind="hospital_full_refresh") == []


def test_one_who_is_too_far_behind_reads_anew(running_task: Running, monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    task = running_task()
    succeed(task)
    monkeypatch.setattr(publication, "MAX_BEHIND", 1)
    monkeypatch.setattr(publication, "MAX_REPLAYED", 1)
    assert publication.since("acme", sequence_of(0)) is None
    assert publication.since("acme", sequence_of(0), task_id=task.task_id) is None


@pytest.mark.parametrize(
    "sequence", ["", "7", "0000000000000007", "x" * 16 + ".0", "0000000000000007.", "٠" * 16 + ".0"]
)
def test_what_is_no_sequence_is_refused(sequence: str) -> None:
    with pytest.raises(ValueError, match="no sequence"):
        event_of(sequence)
