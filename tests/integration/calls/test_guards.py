"""Each guard of the statements of calls, taken for itself: with that one not met, the statement changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from calls import job_store, store
from calls.model import Campaign, ProviderState
from longhaul import database as longhaul_database
from longhaul.database import Session

type Row = dict[str, Any]
type Sql = Callable[..., list[Row]]
type Look = Callable[[], list[Row]]
type Guarded = tuple[Callable[[Session], object], tuple[str, Any]]

HERE, THERE = "call_campaign_1", "call_campaign_2"
TABLES = ("call_campaigns", "call_blocks", "call_counts", "leads_task_list", "dcc_leads_follow")
AGO = "TIMESTAMPADD(SECOND, -400, UTC_TIMESTAMP(6))"
LATER = "TIMESTAMPADD(SECOND, 400, UTC_TIMESTAMP(6))"
SECONDS = 360.0


@pytest.fixture
def campaigns(database: Row, sql: Sql) -> None:
    """Two campaigns of the same leads: two connected calls each, and one lead that waits."""
    for task_id in (HERE, THERE):
        sql(
            "INSERT INTO tasks (task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries,"
            " attempt, request_digest, run_after, created_at, updated_at)"
            " VALUES (%s, 'acme', 'ada', 'call_campaign', 't', '{}',"
            " 'RUNNING', 1, 3, 1, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            task_id,
        )
        sql(
            "INSERT INTO call_campaigns (task_id, tenant_id, open, leads, assigned, provider_state, created_at)"
            " VALUES (%s, 'acme', 0, 3, 2, 'running', UTC_TIMESTAMP(6))",
            task_id,
        )
        for block in (0, 1):
            sql(
                "INSERT INTO call_blocks (task_id, block, open_jobs, due_at, synced_at)"
                f" VALUES (%s, %s, 2, {AGO}, {AGO})",
                *(task_id, block),
            )
        for seq in (1, 2, None):
            sql(
                "INSERT INTO leads_task_list (task_id, tenant_id, leads_id, phone, name, job_seq, call_job_id,"
                " call_status, call_task_id) VALUES (%s, 'acme', %s, %s, 'n', %s, %s, %s, %s)",
                *(task_id, f"L-{seq}", f"+861380013800{seq or 0}", seq, seq and f"job-{seq}"),
                *(seq and "Succeeded", seq and f"call-{seq}"),
            )


@pytest.fixture
def rows(campaigns: None, sql: Sql) -> Look:
    """Every row of calls, to be held against what it was."""
    return lambda: [row | {"table": table} for table in TABLES for row in sql(f"SELECT * FROM {table} ORDER BY 1, 2")]


def done(work: Callable[[Session], object]) -> object:
    return longhaul_database.run_transaction(work)


def locked(tx: Session) -> Campaign:
    campaign = store.lock_campaign(tx, HERE)
    assert campaign is not None
    return campaign


def changed(before: list[Row], after: list[Row]) -> list[tuple[str, Any]]:
    """(table, what tells the row from others) of the rows that are not as they were."""
    assert len(before) == len(after)
    found = [new for old, new in zip(before, after, strict=True) if new != old]
    return [(row["table"], row.get("leads_id", row.get("block", row.get("task_id")))) for row in found]


# What changes one row, which row that is, and what of it must not be so (SQL that makes it so, here and in no other).
CLAIM_BLOCK: Guarded = (lambda tx: job_store.claim_block(tx, HERE, 0, 30), ("call_blocks", 0))
CLAIM_CONVERSATION: Guarded = (
    lambda tx: job_store.claim_conversation(tx, HERE, 1, SECONDS),
    ("leads_task_list", "L-1"),
)
SAVE_INTEREST: Guarded = (lambda tx: job_store.save_interest(tx, HERE, 1, True), ("leads_task_list", "L-1"))
RELEASE_CONVERSATION: Guarded = (lambda tx: job_store.release_conversation(tx, HERE, 1), ("leads_task_list", "L-1"))
CLAIM_RECORDING: Guarded = (lambda tx: job_store.claim_recording(tx, HERE, 1, SECONDS), ("leads_task_list", "L-1"))
RELEASE_RECORDING: Guarded = (lambda tx: job_store.release_recording(tx, HERE, 1), ("leads_task_list", "L-1"))
SAVE_RECORDING: Guarded = (lambda tx: job_store.save_recording(tx, HERE, 1, "s3://new"), ("leads_task_list", "L-1"))
CLAIM_STEERING: Guarded = (lambda tx: store.claim_steering(tx, HERE, SECONDS), ("call_campaigns", HERE))
FINISH_STEERING: Guarded = (
    lambda tx: store.finish_steering(tx, HERE, ProviderState.suspended),
    ("call_campaigns", HERE),
)
SAVE_GROUP: Guarded = (lambda tx: store.save_group(tx, HERE, "group-1"), ("call_campaigns", HERE))

LEAD = "UPDATE leads_task_list SET {} WHERE task_id = 'call_campaign_1' AND leads_id = 'L-1'"
CAMPAIGN = "UPDATE call_campaigns SET {} WHERE task_id = 'call_campaign_1'"
BLOCK = "UPDATE call_blocks SET {} WHERE task_id = 'call_campaign_1' AND block = 0"
AT_WORK = "UPDATE leads_task_list SET judging_at = UTC_TIMESTAMP(6), recording_at = UTC_TIMESTAMP(6)"
STEERED = "UPDATE call_campaigns SET provider_state = 'changing', steering_until = UTC_TIMESTAMP(6)"

GUARDS: list[tuple[str, Guarded, str, str]] = [
    # (name, (what, the row), what is so in all rows beforehand, what is so in this row and must not be)
    ("claim_block-due", CLAIM_BLOCK, "", BLOCK.format(f"due_at = {LATER}")),
    ("claim_block-over", CLAIM_BLOCK, "", BLOCK.format("due_at = NULL")),
    ("claim_conversation-followed", CLAIM_CONVERSATION, "", LEAD.format("leads_follow_id = 7")),
    ("claim_conversation-connected", CLAIM_CONVERSATION, "", LEAD.format("call_status = 'Failed'")),
    ("claim_conversation-taken", CLAIM_CONVERSATION, "", LEAD.format("judging_at = UTC_TIMESTAMP(6)")),
    ("save_interest-followed", SAVE_INTEREST, "", LEAD.format("leads_follow_id = 7")),
    ("release_conversation-followed", RELEASE_CONVERSATION, AT_WORK, LEAD.format("leads_follow_id = 7")),
    ("claim_recording-connected", CLAIM_RECORDING, "", LEAD.format("call_status = 'Failed'")),
    ("claim_recording-called", CLAIM_RECORDING, "", LEAD.format("call_task_id = NULL")),
    ("claim_recording-there", CLAIM_RECORDING, "", LEAD.format("recording_url = 's3://old'")),
    ("claim_recording-none", CLAIM_RECORDING, "", LEAD.format("recording_state = 'none'")),
    ("claim_recording-taken", CLAIM_RECORDING, "", LEAD.format("recording_at = UTC_TIMESTAMP(6)")),
    ("release_recording-there", RELEASE_RECORDING, AT_WORK, LEAD.format("recording_url = 's3://old'")),
    ("save_recording-there", SAVE_RECORDING, "", LEAD.format("recording_url = 's3://old'")),
    ("claim_steering-taken", CLAIM_STEERING, "", CAMPAIGN.format(f"steering_until = {LATER}")),
    ("claim_steering-closing", CLAIM_STEERING, "", CAMPAIGN.format("provider_state = 'closing'")),
    ("claim_steering-ended", CLAIM_STEERING, "", CAMPAIGN.format("provider_state = 'ended'")),
    ("finish_steering-closing", FINISH_STEERING, STEERED, CAMPAIGN.format("provider_state = 'closing'")),
    ("finish_steering-ended", FINISH_STEERING, STEERED, CAMPAIGN.format("provider_state = 'ended'")),
    ("save_group-there", SAVE_GROUP, "", CAMPAIGN.format("job_group_id = 'group-0'")),
]


@pytest.mark.parametrize(
    ("write", "beforehand", "must_not_be"), [guard[1:] for guard in GUARDS], ids=[guard[0] for guard in GUARDS]
)
def test_a_guarded_statement_changes_nothing_when_this_guard_is_not_met(
    rows: Look, sql: Sql, write: Guarded, beforehand: str, must_not_be: str
) -> None:
    work, _ = write
    # GIVEN rows of which one does not meet the guard
    if beforehand:
        sql(beforehand)
    sql(must_not_be)
    before = rows()

    # THEN nothing is changed
    assert not done(work)
    assert rows() == before


@pytest.mark.parametrize(
    ("name", "write", "beforehand"), list({guard[0].split("-")[0]: guard[:3] for guard in GUARDS}.values())
)
def test_a_guarded_statement_changes_its_own_row_alone(
    rows: Look, sql: Sql, name: str, write: Guarded, beforehand: str
) -> None:
    work, row = write
    if beforehand:
        sql(beforehand)
    before = rows()
    done(work)
    assert changed(before, rows()) == [row], name


@pytest.mark.parametrize(
    ("write", "given"),
    [
        (CLAIM_CONVERSATION, LEAD.format(f"judging_at = {AGO}")),
        (CLAIM_RECORDING, LEAD.format(f"recording_at = {AGO}, recording_state = 'wanted'")),
        (CLAIM_STEERING, CAMPAIGN.format(f"steering_until = {AGO}")),
        (CLAIM_STEERING, CAMPAIGN.format("provider_state = 'outdated'")),
    ],
)
def test_what_a_dead_worker_holds_is_free_again_after_its_time(
    rows: Look, sql: Sql, write: Guarded, given: str
) -> None:
    work, _ = write
    sql(given)
    assert done(work)
    assert not done(work), "it is held anew"


@pytest.mark.parametrize(("state", "after"), [("changing", "suspended"), ("outdated", "outdated")])
def test_what_became_outdated_while_the_provider_was_told_stays_so(
    rows: Look, sql: Sql, state: str, after: str
) -> None:
    sql(CAMPAIGN.format(f"provider_state = '{state}', steering_until = {LATER}"))
    done(FINISH_STEERING[0])
    (row,) = sql("SELECT provider_state, steering_until FROM call_campaigns WHERE task_id = %s", HERE)
    assert row == {"provider_state": after, "steering_until": None}


def test_a_job_is_given_to_a_lead_of_the_campaign_that_has_none(rows: Look, sql: Sql) -> None:
    ids = {(row["task_id"], row["leads_id"]): row["id"] for row in sql("SELECT * FROM leads_task_list")}
    before = rows()
    jobs = [(ids[HERE, "L-1"], "job-8"), (ids[HERE, "L-None"], "job-9"), (ids[THERE, "L-None"], "job-10")]
    done(lambda tx: store.finish_assigning(tx, locked(tx), jobs, stopped=False))
    after = [row for row in rows() if row["table"] == "leads_task_list"]
    assert changed([row for row in before if row["table"] == "leads_task_list"], after) == [
        ("leads_task_list", "L-None")
    ]
    (given,) = sql("SELECT call_job_id, job_seq, call_status FROM leads_task_list WHERE id = %s", ids[HERE, "L-None"])
    assert given == {"call_job_id": "job-9", "job_seq": 4, "call_status": "Scheduling"}


@pytest.mark.parametrize(
    ("jobs", "stopped", "state"), [(1, True, "outdated"), (1, False, "running"), (0, True, "running")]
)
def test_new_jobs_of_a_task_that_has_stopped_are_to_be_told(
    rows: Look, sql: Sql, jobs: int, stopped: bool, state: str
) -> None:
    (lead,) = sql("SELECT id FROM leads_task_list WHERE task_id = %s AND job_seq IS NULL", HERE)
    given = [(lead["id"], "job-9")][:jobs]
    done(lambda tx: store.finish_assigning(tx, locked(tx), given, stopped=stopped))
    assert sql("SELECT provider_state FROM call_campaigns ORDER BY task_id") == [
        {"provider_state": state},
        {"provider_state": "running"},
    ]


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Cancelled"])
def test_a_job_that_is_over_is_not_changed_any_more_nor_anothers(rows: Look, sql: Sql, status: str) -> None:
    ids = {(row["task_id"], row["leads_id"]): row["id"] for row in sql("SELECT * FROM leads_task_list")}
    sql("UPDATE leads_task_list SET call_status = 'Executing' WHERE job_seq IS NOT NULL")
    sql(LEAD.format(f"call_status = '{status}'"))
    rows = [[ids[task], "Paused", None, None, None, None, None, None, None] for task in ids if task[1] != "L-None"]
    assert done(lambda tx: job_store.update_jobs(tx, HERE, rows)) == 1
    statuses = sql("SELECT call_status FROM leads_task_list WHERE job_seq IS NOT NULL ORDER BY task_id, job_seq")
    assert [row["call_status"] for row in statuses] == [status, "Paused", "Executing", "Executing"]


def test_a_lead_is_linked_with_its_tenants_follow_up_once(rows: Look, sql: Sql) -> None:
    # GIVEN follow-ups of the same lead at another tenant, and one that is linked already
    sql("INSERT INTO dcc_leads_follow (id, tenant_id, leads_id) VALUES (90, 'other', 'L-1'), (91, 'acme', 'L-2')")
    sql("UPDATE leads_task_list SET leads_follow_id = 80 WHERE task_id = %s AND leads_id = 'L-2'", HERE)

    # WHEN attempts are written down
    attempts = [("L-1", "2026-11-24 10:00:00.000", "无人接听"), ("L-2", "2026-11-24 10:00:00.000", "无人接听")]
    done(lambda tx: store.save_attempts(tx, locked(tx), attempts))

    # THEN the lead has its tenant's own, the one that was linked stays, and the other campaign's are left alone
    (own,) = sql("SELECT id FROM dcc_leads_follow WHERE tenant_id = 'acme' AND leads_id = 'L-1'")
    linked = sql("SELECT task_id, leads_id, leads_follow_id FROM leads_task_list WHERE leads_follow_id IS NOT NULL")
    assert sorted(tuple(row.values()) for row in linked) == [(HERE, "L-1", own["id"]), (HERE, "L-2", 80)]
    assert own["id"] != 90


def test_an_attempt_without_a_conversation_takes_nothing_away_that_was_said(rows: Look, sql: Sql) -> None:
    sql(
        "INSERT INTO dcc_leads_follow (tenant_id, leads_id, follow_time, leads_remark, frist_follow_time,"
        " new_follow_time, next_follow_time, is_arrive, frist_arrive_time) VALUES ('acme', 'L-1', '2026-11-01',"
        " '约定周六', '2026-11-01', '2026-11-01', '2026-11-28', 1, '2026-11-01')"
    )
    done(lambda tx: store.save_attempts(tx, locked(tx), [("L-1", "2026-11-24 10:00:00.000", "无人接听")]))
    (follow,) = sql("SELECT * FROM dcc_leads_follow")
    values = {name: str(value) for name, value in follow.items() if name not in ("id", "tenant_id", "leads_id")}
    assert values == {
        "follow_time": "2026-11-24 10:00:00",
        "new_follow_time": "2026-11-24 10:00:00",
        "leads_remark": "约定周六",
        "frist_follow_time": "2026-11-01 00:00:00",
        "next_follow_time": "2026-11-28 00:00:00",
        "is_arrive": "1",
        "frist_arrive_time": "2026-11-01 00:00:00",
    }


@pytest.mark.parametrize(("ended", "left", "due"), [(0, 2, True), (1, 1, True), (2, 0, False)])
def test_a_block_is_due_as_long_as_a_job_of_it_is_open(rows: Look, sql: Sql, ended: int, left: int, due: bool) -> None:
    before = rows()
    done(lambda tx: job_store.finish_sync(tx, HERE, 0, ended))
    assert changed(before, rows()) == [("call_blocks", 0)]
    (block,) = sql("SELECT open_jobs, due_at FROM call_blocks WHERE task_id = %s AND block = 0", HERE)
    assert (block["open_jobs"], block["due_at"] is not None) == (left, due)


def test_new_jobs_make_a_block_due_that_was_over_and_leave_one_that_is_claimed(rows: Look, sql: Sql) -> None:
    sql(BLOCK.format("due_at = NULL, open_jobs = 0"))
    sql(f"UPDATE call_blocks SET due_at = {LATER} WHERE task_id = %s", THERE)
    (before,) = sql("SELECT due_at FROM call_blocks WHERE task_id = %s AND block = 0", THERE)
    for task_id in (HERE, THERE):
        (lead,) = sql("SELECT id FROM leads_task_list WHERE task_id = %s AND job_seq IS NULL", task_id)

        def write(tx: Session, task_id: str = task_id, lead: int = lead["id"]) -> None:
            campaign = store.lock_campaign(tx, task_id)
            assert campaign is not None
            store.finish_assigning(tx, campaign, [(lead, "job-9")], stopped=False)

        done(write)
    here, there = sql("SELECT due_at, open_jobs FROM call_blocks WHERE block = 0 ORDER BY task_id")
    assert (here["due_at"] is not None, here["open_jobs"]) == (True, 1)
    assert (there["due_at"], there["open_jobs"]) == (before["due_at"], 3)
