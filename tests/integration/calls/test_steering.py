"""The provider's jobs brought in line with the task, and what the sweep finds. (steer_campaign, sweep_campaigns)"""

import threading
from typing import Any

import pytest

from calls import assignment, campaigns, conversation_analysis, steering, syncing
from calls.messages import AnalyseMessage
from calls.provider import provider
from longhaul import database
from longhaul.errors import ProviderUnavailable
from longhaul.tasks import dispatch, lifecycle
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Status, TaskError
from tests.integration.calls.campaigning import (
    TENANT,
    Sql,
    assert_counted,
    assigned,
    fetched,
    open_jobs,
    started,
    submitted,
    synced,
)
from tests.integration.calls.conftest import StandIn


def states(sql: Sql, task: Any) -> tuple[str, set[str]]:
    """The state that the campaign says its jobs have, and their statuses at the provider."""
    (row,) = sql("SELECT provider_state FROM call_campaigns WHERE task_id = %s", task.task_id)
    jobs = sql("SELECT call_job_id FROM leads_task_list WHERE task_id = %s AND job_seq > 0", task.task_id)
    return row["provider_state"], {str(job.status) for job in provider().list_jobs([j["call_job_id"] for j in jobs])}


@pytest.fixture
def waiting(outbound: StandIn) -> Any:
    """A running campaign whose calls all wait for a line."""
    outbound.control(call_lines=0)
    return assigned(5)


def test_starting_opens_the_campaign_and_has_its_leads_handed_over(outbound: StandIn, sql: Sql, sent: Any) -> None:
    task = started(3)
    assert sent("steer") == [{"task_id": task.task_id, "attempt": 1}]
    steering.steer(task.task_id)
    assert sql("SELECT leads, provider_state FROM call_campaigns") == [{"leads": 3, "provider_state": "running"}]
    assert sent("assign") == [{"task_id": task.task_id}]
    assert outbound.calls()["count"] == 0, "there is nothing to steer yet"


def test_pause_resume_and_cancel_reach_the_provider(waiting: Any, sql: Sql) -> None:
    task = waiting
    lifecycle.pause(task.task_id, TENANT)
    steering.steer(task.task_id)
    assert states(sql, task) == ("suspended", {"Paused"})

    lifecycle.resume(task.task_id, TENANT)
    steering.steer(task.task_id)
    assert states(sql, task) == ("suspended", {"Paused"}), "it waits for its turn"
    dispatch.dispatch(["call_campaign"])
    steering.steer(task.task_id)
    assert states(sql, task) == ("running", {"Scheduling"})
    assert fetched(task).attempt == 2

    lifecycle.cancel(task.task_id, TENANT)
    steering.steer(task.task_id)
    assert states(sql, task) == ("cancelled", {"Cancelled"})


def test_telling_the_same_again_asks_nothing(waiting: Any, outbound: StandIn, sql: Sql) -> None:
    lifecycle.pause(waiting.task_id, TENANT)
    for _ in range(3):
        steering.steer(waiting.task_id)
    assert outbound.calls("SuspendJobs")["count"] == 1


def test_one_worker_tells_at_a_time_and_looks_again(waiting: Any, outbound: StandIn, sql: Sql) -> None:
    # GIVEN a worker that is telling the provider to suspend, slowly
    outbound.control(call_lines=0, slow_keys={"SuspendJobs": 500})
    lifecycle.pause(waiting.task_id, TENANT)
    first = threading.Thread(target=_steer, args=(waiting.task_id,))
    first.start()
    while outbound.calls("SuspendJobs")["count"] == 0:
        pass

    # WHEN the task is cancelled meanwhile, and another worker comes
    lifecycle.cancel(waiting.task_id, TENANT)
    steering.steer(waiting.task_id)
    first.join()

    # THEN the provider ends as the task does
    assert states(sql, waiting) == ("cancelled", {"Cancelled"})


def _steer(task_id: str) -> None:
    try:
        steering.steer(task_id)
    finally:
        database.close()


def test_a_provider_that_is_away_is_told_later(waiting: Any, outbound: StandIn, sql: Sql, sent: Any) -> None:
    lifecycle.pause(waiting.task_id, TENANT)
    outbound.control(call_lines=0, fail_keys={"SuspendJobs": "drop"})
    with pytest.raises(ProviderUnavailable):
        steering.steer(waiting.task_id)
    assert sql("SELECT provider_state FROM call_campaigns") == [{"provider_state": "changing"}]
    sent("steer")
    steering.sweep()
    assert sent("steer") == [{"task_id": waiting.task_id, "attempt": 1}]

    outbound.control(call_lines=0)
    sql("UPDATE call_campaigns SET steering_until = NULL")  # the claim of the worker that failed has ended
    steering.steer(waiting.task_id)
    assert states(sql, waiting) == ("suspended", {"Paused"})


def test_the_sweep_finds_a_campaign_whose_first_message_was_lost(outbound: StandIn, sql: Sql, sent: Any) -> None:
    task = started(3)
    sent("steer")
    assert steering.sweep() == {"blocks": 0, "campaigns": 1}
    assert sent("steer") == [{"task_id": task.task_id, "attempt": 1}]


def test_the_sweep_finds_leads_blocks_and_conversations(outbound: StandIn, sql: Sql, sent: Any) -> None:
    # GIVEN a campaign with leads that wait, one with jobs that are due, and one with conversations
    waits, due, talks = started(3), assigned(120), synced(30)
    campaigns.open_campaign(waits)
    for queue in ("steer", "assign", "sync", "analyse"):
        sent(queue)

    # WHEN the sweep comes
    steering.sweep()

    # THEN it wakes all of it
    assert sent("assign") == [{"task_id": waits.task_id}]
    assert sent("sync") == [{"task_id": due.task_id, "blocks": [0, 1]}]
    unanalysed = sql(
        "SELECT job_seq FROM leads_task_list WHERE task_id = %s AND leads_follow_id IS NULL ORDER BY job_seq",
        talks.task_id,
    )
    messages = sent("analyse")
    assert sorted(message["job_seq"] for message in messages) == [row["job_seq"] for row in unanalysed]
    assert {message["task_id"] for message in messages} == {talks.task_id}

    # AND keeps their tasks from being taken for stale
    sql("UPDATE tasks SET heartbeat_at = '2026-01-01'")
    steering.sweep()
    beats = sql("SELECT COUNT(*) AS n FROM tasks WHERE heartbeat_at > TIMESTAMPADD(SECOND, -60, UTC_TIMESTAMP(6))")
    assert beats == [{"n": 3}]


def test_the_sweep_ends_what_a_dead_worker_was_closing(outbound: StandIn, sql: Sql) -> None:
    # GIVEN a campaign whose worker died after it had closed the task
    task = started(3)
    campaigns.open_campaign(task)
    sql("UPDATE tasks SET status = 'SUCCEEDED'")
    sql("UPDATE call_campaigns SET provider_state = 'closing'")

    # WHEN the sweep comes, THEN it is ended
    steering.sweep()
    assert sql("SELECT provider_state FROM call_campaigns") == [{"provider_state": "ended"}]
    assert steering.sweep() == {"blocks": 0, "campaigns": 0}


def test_a_campaign_cancelled_before_it_ran_is_told_nothing(outbound: StandIn, sql: Sql) -> None:
    task = submitted(3)
    lifecycle.cancel(task.task_id, TENANT)
    steering.steer(task.task_id)
    assert outbound.calls()["count"] == 0
    assert sql("SELECT provider_state FROM call_campaigns") == [{"provider_state": "cancelled"}]


def test_a_failed_campaign_that_is_retried_calls_whom_it_had_not_come_to_and_nobody_twice(
    outbound: StandIn, model: StandIn, sql: Sql, sent: Any
) -> None:
    # GIVEN a campaign that failed after its first batch: what waited for a line was cancelled with it
    outbound.control(call_lines=0)
    task = started(120)
    campaigns.open_campaign(task)
    assert assignment.assign_batch(task.task_id) == 99
    lifecycle.close(task.task_id, 1, Outcome(error=TaskError("provider_refused", "no such script")))
    steering.steer(task.task_id)
    assert states(sql, task) == ("cancelled", {"Cancelled"})

    # WHEN it is retried
    outbound.control()
    lifecycle.retry(task.task_id, TENANT)
    steering.steer(task.task_id)
    assert states(sql, task)[0] == "cancelled", "it waits for its turn"
    dispatch.dispatch(["call_campaign"])
    sent("assign")
    steering.steer(task.task_id)

    # THEN the others are handed over, and it comes to its end
    assert sent("assign") == [{"task_id": task.task_id}]
    assert assignment.assign_batch(task.task_id) == 21
    for block in (0, 1):
        while open_jobs(task, block):
            sql("UPDATE call_blocks SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE open_jobs > 0")
            syncing.sync_blocks(task.task_id, [block])
    for row in sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Succeeded'"):
        conversation_analysis.analyse(AnalyseMessage(task_id=task.task_id, job_seq=row["job_seq"]))
    campaigns.close_if_complete(task.task_id)
    ended = fetched(task)
    assert (ended.status, ended.attempt) == (Status.SUCCEEDED, 2)
    assert ended.result is not None
    assert (ended.result["leads"], ended.result["final"]) == (120, 120)
    assert set(outbound.dialled().values()) <= {1}
    assert_counted(sql, task)
