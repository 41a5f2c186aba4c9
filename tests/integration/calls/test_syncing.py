"""What the provider says of jobs, written down once, with its counters. (sync_jobs)"""

import json
import time
from typing import Any

import pytest

from calls import assignment, campaigns, job_store, syncing
from calls.model import block_of, seqs_of
from calls.provider import provider
from calls.wire import Line
from local.providers.outbound.calls import ending
from longhaul import database, settings
from longhaul.cache import debounce
from tests.calling import at_once
from tests.integration.calls.campaigning import (
    Sql,
    assert_counted,
    assigned,
    fetched,
    open_jobs,
    started,
    synced,
)
from tests.integration.calls.conftest import StandIn


@pytest.mark.parametrize(("seq", "block"), [(1, 0), (99, 0), (100, 1), (198, 1), (199, 2)])
def test_blocks_are_ninety_nine_ordinals(seq: int, block: int) -> None:
    assert block_of(seq) == block
    first, last = seqs_of(block)
    assert first <= seq <= last
    assert last - first == 98


def test_a_sync_writes_what_has_changed_and_counts_it(outbound: StandIn, sql: Sql, sent: Any) -> None:
    # GIVEN a campaign whose calls are over at the provider
    task = synced(60)

    # THEN its rows say how each call went, and the counters agree
    rows = sql("SELECT * FROM leads_task_list")
    assert {row["call_status"] for row in rows} == {"Succeeded", "Failed"}
    assert_counted(sql, task)

    # AND each connected call has its conversation, and is to be analysed
    talked = [row for row in rows if row["call_status"] == "Succeeded"]
    assert all(row["call_conversation"] and row["call_task_id"] and row["duration_ms"] for row in talked)
    lines = [line for row in talked for line in json.loads(row["call_conversation"])]
    assert all(set(line) == set(Line.model_fields) for line in lines)  # as a page sends them
    assert sorted(m["job_seq"] for m in sent("analyse")) == sorted(row["job_seq"] for row in talked)

    # AND each other has its follow-up already, which says how it went
    others = [row for row in rows if row["call_status"] == "Failed"]
    remarks = {row["id"]: row for row in sql("SELECT * FROM dcc_leads_follow")}
    assert len(remarks) == len(others) > 0
    for row in others:
        follow = remarks[row["leads_follow_id"]]
        assert (follow["leads_id"], follow["tenant_id"]) == (row["leads_id"], "acme")
        assert follow["leads_remark"] in ("无人接听", "占线", "已关机", "空号", "无法接通", "已停机", "呼叫失败")
        assert follow["frist_follow_time"] == follow["new_follow_time"] == follow["follow_time"]

    # AND progress was announced
    assert {message["level"] for message in sent("progress")} == {"job"}


def test_a_sync_that_changes_nothing_writes_nothing(outbound: StandIn, sql: Sql, sent: Any) -> None:
    outbound.control(call_lines=0)  # every job waits for its line
    task = assigned(3)
    before = sql("SELECT * FROM leads_task_list ORDER BY id")
    assert syncing.sync_blocks(task.task_id, [0])
    assert outbound.calls("ListJobs")["count"] == 1
    assert sql("SELECT * FROM leads_task_list ORDER BY id") == before
    assert sent("progress") == []
    assert_counted(sql, task)


def test_a_block_is_asked_for_once_in_a_while_whoever_wants_it(outbound: StandIn) -> None:
    outbound.control(call_lines=0)
    task = assigned(3)
    claimed: list[bool] = []

    def claim() -> None:
        with database.connection() as session:
            claimed.append(job_store.claim_block(session, task.task_id, 0, 30))

    at_once(8, claim)
    assert claimed.count(True) == 1
    assert syncing.sync_blocks(task.task_id, [0]) is False
    assert outbound.calls("ListJobs")["count"] == 0


def test_the_same_jobs_synced_twice_at_once_count_once(outbound: StandIn, sql: Sql) -> None:
    # GIVEN calls that are over, and two workers that both have the provider's answer
    task = assigned(40)
    time.sleep(0.1)
    with database.connection() as session:
        rows = job_store.list_open_jobs(session, task.task_id, 0)
    jobs = {job.job_id: job for job in syncing.provider().list_jobs([row.call_job_id for row in rows])}

    # WHEN both write it down
    written: list[syncing.Written | None] = []
    at_once(3, lambda: written.append(database.run_transaction(lambda tx: syncing._write(tx, task.task_id, 0, jobs))))

    # THEN one has changed the rows, and the counters are exact
    assert sorted(len(one.changes) for one in written if one) == [0, 0, 40]
    assert_counted(sql, task)


def test_what_is_over_stays_over(outbound: StandIn, sql: Sql) -> None:
    task = synced(5)
    before = sql("SELECT * FROM leads_task_list ORDER BY id")
    sql("UPDATE call_blocks SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    syncing.sync_blocks(task.task_id, [0])
    assert sql("SELECT * FROM leads_task_list ORDER BY id") == before


@pytest.mark.parametrize("fault", ["throttled", "500", "html", "refused", "nonsense", "drop"])
def test_a_provider_that_does_not_answer_costs_a_warning(
    fault: str, outbound: StandIn, sql: Sql, warnings: list[str]
) -> None:
    task = assigned(3)
    outbound.control(fail_keys={"ListJobs": fault}, call_seconds=0.01)
    assert syncing.sync_blocks(task.task_id, [0]) is False
    assert "jobs not synced" in warnings
    assert open_jobs(task, 0) == 3
    outbound.control(call_seconds=0.01)
    time.sleep(0.15)
    assert syncing.sync_blocks(task.task_id, [0])
    assert open_jobs(task, 0) == 0
    assert_counted(sql, task)


def test_a_failure_leaves_a_mark_and_a_success_another(outbound: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, float]] = []
    monkeypatch.setattr(debounce, "write", lambda name, **moments: written.append({"name": name, **moments}))
    task = assigned(3)
    outbound.control(script=["500"])
    syncing.sync_blocks(task.task_id, [0])
    time.sleep(0.15)
    syncing.sync_blocks(task.task_id, [0])
    assert [set(one) - {"name"} for one in written] == [{"failed_at"}, {"synced_at"}]


def test_a_caller_in_a_hurry_is_answered_in_his_time(outbound: StandIn) -> None:
    task = assigned(3)
    outbound.control(slow_keys={"ListJobs": 5_000})
    started_at = time.monotonic()
    assert syncing.sync_blocks(task.task_id, [0], seconds=0.6) is False
    assert time.monotonic() - started_at < 2


def test_a_lead_keeps_its_one_follow_up_over_campaigns(outbound: StandIn, sql: Sql) -> None:
    # GIVEN a lead that was not reached in one campaign
    synced(30)
    (first,) = sql("SELECT * FROM dcc_leads_follow ORDER BY id LIMIT 1")

    # WHEN it is called in another
    later = synced(30)

    # THEN it has the one row, whose first time stayed and whose latest is new
    rows = sql("SELECT * FROM dcc_leads_follow WHERE leads_id = %s", first["leads_id"])
    (row,) = rows
    assert row["frist_follow_time"] == first["frist_follow_time"]
    assert row["new_follow_time"] >= first["new_follow_time"]
    assert_counted_of(sql, later)


def assert_counted_of(sql: Sql, task: Any) -> None:
    rows = sql("SELECT * FROM leads_task_list WHERE task_id = %s", task.task_id)
    (counted,) = sql("SELECT number FROM call_counts WHERE task_id = %s AND name = 'followed'", task.task_id)
    assert counted["number"] == sum(row["leads_follow_id"] is not None for row in rows)


def test_a_call_nobody_took_leaves_what_was_said_before(outbound: StandIn, sql: Sql) -> None:
    task = started(1)
    campaigns.open_campaign(task)
    sql(
        "INSERT INTO dcc_leads_follow (tenant_id, leads_id, leads_remark, frist_follow_time) "
        "VALUES ('acme', 'L-0', %s, %s)",
        "客户有购车意向。",
        "2026-01-01",
    )
    (lead,) = sql("SELECT id FROM leads_task_list")
    seed = next(seed for seed in range(1000) if ending(str(lead["id"]), seed).status == "Busy")
    outbound.control(call_seconds=0.01, seed=seed)
    assignment.assign_batch(task.task_id)
    time.sleep(0.05)
    syncing.sync_blocks(task.task_id, [0])
    (row,) = sql("SELECT * FROM dcc_leads_follow")
    assert row["leads_remark"] == "客户有购车意向。"
    assert str(row["frist_follow_time"]) == "2026-01-01 00:00:00"
    assert row["new_follow_time"] == row["follow_time"] > row["frist_follow_time"]


def test_a_provider_that_refuses_is_no_crash(
    outbound: StandIn, sql: Sql, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN jobs of an instance that the provider does not know any more
    task = assigned(3)
    monkeypatch.setenv("OUTBOUND_INSTANCE_ID", "gone")
    settings.of.cache_clear()
    provider.cache_clear()
    # WHEN they are synced, THEN it is logged as any failure is, and the jobs are due again
    assert syncing.sync_blocks(task.task_id, [0]) is False
    assert "jobs not synced" in warnings
    assert open_jobs(task, 0) == 3
    assert sql("SELECT COUNT(*) AS n FROM call_blocks WHERE due_at IS NOT NULL") == [{"n": 1}]


def test_jobs_that_the_provider_leaves_out_stay_open(outbound: StandIn, sql: Sql) -> None:
    task = assigned(3)
    sql("UPDATE leads_task_list SET call_job_id = CONCAT('gone-', id)")
    assert syncing.sync_blocks(task.task_id, [0]) is True
    assert open_jobs(task, 0) == 3
    assert_counted(sql, task)


def test_a_block_that_another_has_asked_for_is_not_synced_by_this_one(
    outbound: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALL_SYNC_SECONDS", "30")
    settings.of.cache_clear()
    task = assigned(3)
    assert syncing.sync_blocks(task.task_id, [0]) is True
    assert syncing.sync_blocks(task.task_id, [0]) is False


def test_a_campaign_of_unreached_leads_closes_by_itself(outbound: StandIn, sql: Sql) -> None:
    # GIVEN one whose only lead will not answer
    task = started(1)
    campaigns.open_campaign(task)
    (lead,) = sql("SELECT id FROM leads_task_list")
    seed = next(seed for seed in range(1000) if ending(str(lead["id"]), seed).status == "NoAnswer")
    outbound.control(call_seconds=0.01, seed=seed)

    # WHEN its call is over and synced
    assignment.assign_batch(task.task_id)
    time.sleep(0.05)
    syncing.sync_blocks(task.task_id, [0])

    # THEN nothing is left to wait for
    ended = fetched(task)
    assert ended.status == "SUCCEEDED"
    assert {name: number for name, number in (ended.result or {}).items() if number} == {
        "leads": 1,
        "final": 1,
        "no_answer": 1,
        "followed": 1,
    }
