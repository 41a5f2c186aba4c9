"""Handing leads to the provider: 99 at a time, each once, also when an answer is lost. (assign_jobs)"""

import json
import time
from typing import Any

import pytest

from calls import assignment
from calls.campaigns import open_campaign
from calls.provider import provider
from longhaul import database, settings
from tests.calling import at_once
from tests.integration.calls.campaigning import Sql, assert_counted, assigned, fetched, leads, started
from tests.integration.calls.conftest import StandIn


def test_leads_are_handed_over_in_batches_and_numbered_as_they_came(outbound: StandIn, sql: Sql, sent: Any) -> None:
    # GIVEN a campaign of 205 leads
    task = started(205)

    # WHEN its leads are handed over, a batch a call
    handed = [assignment.assign_batch(task.task_id) for _ in range(4)]

    # THEN 99 went at a time, each message waking the next batch while there was one
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


def test_the_provider_is_given_each_leads_own_number_name_and_variables(outbound: StandIn, sql: Sql) -> None:
    # GIVEN leads that differ in all of it, at home and abroad
    given = [
        {"leads_id": "L-1", "phone": "020 8765 4321", "name": "王女士", "extras": {"城市": "广州", "年龄": "30"}},
        {"leads_id": "L-2", "phone": "+852 2123 4567", "name": "李先生", "extras": {"城市": "香港"}},
        {"leads_id": "L-3", "phone": "13800138000", "name": "", "extras": {}},
    ]

    # WHEN they are handed over
    assigned(leads=given)

    # THEN the provider has the values of each lead, under the reference of its row
    rows = sql("SELECT id, leads_id, call_job_id FROM leads_task_list ORDER BY id")
    jobs = provider()._sdk.read("ListJobs", lambda body: body.jobs, job_id=[row["call_job_id"] for row in rows])
    has = {
        job.job_id: (
            job.contacts[0].reference_id,
            job.contacts[0].phone_number,
            job.contacts[0].contact_name or "",
            {extra.key: extra.value for extra in job.extras or []},
        )
        for job in jobs
    }
    dialled = ["02087654321", "0085221234567", "13800138000"]
    assert has == {
        row["call_job_id"]: (str(row["id"]), phone, lead["name"], lead["extras"])
        for row, lead, phone in zip(rows, given, dialled, strict=True)
    }


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
    open_campaign(task)
    assert database.run_transaction(lambda tx: assignment._claim(tx, task.task_id)) is not None

    # WHEN another comes
    # THEN it hands over nothing
    assert assignment.assign_batch(task.task_id) == 0
    assert outbound.calls("AssignJobs")["count"] == 0


def test_of_workers_at_once_one_has_the_batch(outbound: StandIn, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_LEASE_SECONDS", "60")
    settings.of.cache_clear()
    task = started(150)
    open_campaign(task)
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
    open_campaign(task)
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

    # THEN the jobs are known, and are steered again
    (campaign,) = sql("SELECT assigned, provider_state FROM call_campaigns")
    assert campaign == {"assigned": 3, "provider_state": "outdated"}
    assert sent("steer") == [{"task_id": task.task_id, "attempt": 1}] * 2, "the dispatcher's, and this one"
