"""Handing leads to the provider: 99 at a time, each once, also when an answer is lost. (assign_jobs)"""

import json
import time
from typing import Any

import pytest

from calls import assignment
from calls.campaigns import opened
from longhaul import database, settings
from tests.calling import at_once
from tests.integration.calls.campaigning import Sql, assert_counted, assigned, fetched, leads, started
from tests.integration.calls.conftest import StandIn


def test_leads_are_handed_over_in_batches_and_numbered_as_they_came(outbound: StandIn, sql: Sql, sent: Any) -> None:
    # GIVEN a campaign of 205 leads
    task = started(205)

    # WHEN its leads are handed over, a batch a call
    handed = [assignment.assign_batch(task.task_id) for _ in range(4)]

    # THEN 99 went at a time, each hint asking for the next batch while there was one
    assert handed == [99, 99, 7, 0]
    assert sent("assign") == [{"task_id": task.task_id}] * 2
    assert outbound.calls("AssignJobs")["count"] == 3
    assert outbound.calls("CreateJobGroup")["count"] == 1

    # AND each lead has one job, numbered in the order in which it came
    rows = sql("SELECT id, leads_id, job_seq, call_job_id, call_status FROM leads_task_list ORDER BY id")
    assert [row["job_seq"] for row in rows] == list(range(1, 206))
    assert len({row["call_job_id"] for row in rows}) == 205
    assert outbound.dialled() == {str(row["id"]): 1 for row in rows}
    assert_counted(sql, task)


def test_what_is_told_of_a_lead(outbound: StandIn, sql: Sql) -> None:
    extra = {"城市": "广州"}
    task = assigned(leads=[{"leads_id": "L-1", "phone": "020 8765 4321", "name": "王女士", "extras": extra}])
    (row,) = sql("SELECT phone, extras, name FROM leads_task_list")
    assert row == {"phone": "+862087654321", "extras": json.dumps(extra, ensure_ascii=False), "name": "王女士"}
    assert fetched(task).status == "RUNNING"


def test_leads_that_have_much_to_tell_go_in_smaller_batches(outbound: StandIn, sql: Sql) -> None:
    extras = {"备注": "很长的说明" * 100}
    many = [lead | {"extras": extras} for lead in leads(20)]
    task = started(leads=[*many, *leads(1, 90)])
    handed = []
    while more := assignment.assign_batch(task.task_id):
        handed.append(more)
    assert sum(handed) == 21
    assert max(handed) < 10
    assert set(outbound.dialled().values()) == {1}


@pytest.mark.parametrize("lost", ["lost_answer", "drop", "500", "html"])
def test_a_batch_whose_answer_was_lost_is_not_handed_over_twice(
    lost: str, outbound: StandIn, sql: Sql, sent: Any
) -> None:
    # GIVEN a campaign whose first batch is answered, and whose second is not (it arrived, or it did not)
    task = started(120)
    assert assignment.assign_batch(task.task_id) == 99
    outbound.control(script=[lost])
    assert assignment.assign_batch(task.task_id) == 0
    (campaign,) = sql("SELECT * FROM call_campaigns")
    assert (campaign["assigned"], campaign["assigning_first"] is not None) == (99, True)

    # WHEN another worker comes once the lease has ended
    outbound.control()
    time.sleep(0.15)
    assert assignment.assign_batch(task.task_id) == 21

    # THEN nobody is called twice, and the numbering has no gap
    rows = sql("SELECT id FROM leads_task_list")
    assert outbound.dialled() == {str(row["id"]): 1 for row in rows}
    assert_counted(sql, task)


def test_a_lease_keeps_other_workers_away(outbound: StandIn, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a worker in the middle of a batch
    task = started(3)
    monkeypatch.setenv("CALL_LEASE_SECONDS", "60")
    settings.of.cache_clear()
    opened(task)
    assert database.run_transaction(lambda tx: assignment._claim(tx, task.task_id)) is not None

    # WHEN another comes
    # THEN it hands over nothing
    assert assignment.assign_batch(task.task_id) == 0
    assert outbound.calls("AssignJobs")["count"] == 0


def test_of_workers_at_once_one_has_the_batch(outbound: StandIn, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_LEASE_SECONDS", "60")
    settings.of.cache_clear()
    task = started(150)
    opened(task)
    claimed: list[assignment.Batch | None] = []
    at_once(6, lambda: claimed.append(database.run_transaction(lambda tx: assignment._claim(tx, task.task_id))))
    (batch,) = [one for one in claimed if one is not None]
    assert (len(batch.leads), batch.again) == (99, False)


def test_a_throttled_batch_is_put_off_not_lost(outbound: StandIn, sql: Sql, sent: Any) -> None:
    task = started(3)
    outbound.control(fail_keys={"AssignJobs": "throttled"})
    assert assignment.assign_batch(task.task_id) == 0
    (campaign,) = sql("SELECT assigning_until FROM call_campaigns")
    assert campaign["assigning_until"] is None, "refused, so another may try at once"
    outbound.control()
    assert assignment.assign_batch(task.task_id) == 3
    assert set(outbound.dialled().values()) == {1}


def test_a_provider_that_refuses_for_good_fails_the_task(outbound: StandIn, sql: Sql) -> None:
    task = started(3)
    opened(task)
    sql("UPDATE call_campaigns SET job_group_id = 'no-such-group'")
    assert assignment.assign_batch(task.task_id) == 0
    ended = fetched(task)
    assert (ended.status, ended.error_code) == ("FAILED", "bad_answer")


def test_a_task_that_stopped_is_handed_no_leads(outbound: StandIn, sql: Sql) -> None:
    task = started(3)
    sql("UPDATE tasks SET status = 'PAUSED'")
    assert assignment.assign_batch(task.task_id) == 0
    assert outbound.calls("AssignJobs")["count"] == 0


def test_a_task_that_stops_meanwhile_has_its_new_jobs_told(
    outbound: StandIn, sql: Sql, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a campaign that is cancelled while its leads are on their way
    task = started(3)
    hand_over = assignment._hand_over

    def cancelled_meanwhile(*arguments: Any) -> Any:
        jobs = hand_over(*arguments)
        sql("UPDATE tasks SET status = 'CANCELLED'")
        sql("UPDATE call_campaigns SET provider_state = 'cancelled'")
        return jobs

    monkeypatch.setattr(assignment, "_hand_over", cancelled_meanwhile)

    # WHEN the worker writes down what it handed over
    assert assignment.assign_batch(task.task_id) == 3

    # THEN the jobs are known, and are to be told
    (campaign,) = sql("SELECT assigned, provider_state FROM call_campaigns")
    assert campaign == {"assigned": 3, "provider_state": "outdated"}
    assert sent("steer") == [{"task_id": task.task_id, "attempt": 1}] * 2, "the dispatcher's, and this one"
