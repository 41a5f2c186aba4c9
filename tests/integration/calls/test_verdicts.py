"""Conversations judged once, and recordings copied once. (analyse_conversation, fetch_recordings)"""

import json
from typing import Any

import pytest

from calls import recordings, verdicts
from calls.messages import AnalyseMessage, RecordingsMessage
from local.providers.conversations import verdict
from longhaul import aws, settings
from longhaul.errors import ProviderUnavailable
from longhaul.tasks.model import Task
from tests.calling import at_once
from tests.integration.calls.campaigning import Sql, assert_counted, synced
from tests.integration.calls.conftest import StandIn


@pytest.fixture
def talked(outbound: StandIn, model: StandIn) -> Task:
    """A campaign whose calls are over, its conversations not judged."""
    return synced(12)


def conversations(sql: Sql) -> list[dict[str, Any]]:
    return sql("SELECT * FROM leads_task_list WHERE call_status = 'Succeeded' ORDER BY job_seq")


def judge(task: Task, job_seq: int) -> None:
    verdicts.judge(AnalyseMessage(task_id=task.task_id, job_seq=job_seq))


def test_each_conversation_gets_the_follow_up_that_the_model_says(talked: Task, sql: Sql, outbound: StandIn) -> None:
    rows = conversations(sql)
    for row in rows:
        judge(talked, row["job_seq"])
    for row in conversations(sql):
        lines = [[line["speaker"], line["script"]] for line in json.loads(row["call_conversation"])]
        said = verdict(lines, verdicts._local(row["actual_time"]).date())
        (follow,) = sql("SELECT * FROM dcc_leads_follow WHERE id = %s", row["leads_follow_id"])
        assert row["is_interested"] == said["is_interested"]
        assert follow["leads_remark"] == said["leads_remark"]
        assert follow["is_arrive"] == said["is_arrive"]
        assert (follow["next_follow_time"] is None) == (said["next_follow_time"] is None)
        assert follow["frist_follow_time"] == follow["new_follow_time"] == row["actual_time"]
        assert (follow["frist_arrive_time"] is None) == (not said["is_arrive"])
    assert outbound.calls("conversation")["count"] == len(rows)
    assert_counted(sql, talked)


def test_a_time_is_meant_in_china() -> None:
    said = verdicts.Verdict(
        is_interested=True, leads_remark="约定周六上午到店。", next_follow_time="2026-11-28T10:00:00", is_arrive=True
    )
    assert verdicts._next(said) == "2026-11-28 02:00:00.000"


def test_the_same_message_many_times_and_at_once_asks_once(talked: Task, sql: Sql, outbound: StandIn) -> None:
    seq = conversations(sql)[0]["job_seq"]
    at_once(4, lambda: judge(talked, seq))
    judge(talked, seq)
    assert outbound.calls("conversation")["count"] == 1
    assert_counted(sql, talked)


def test_a_worker_that_died_holds_its_conversation_for_a_while_only(talked: Task, sql: Sql, outbound: StandIn) -> None:
    seq = conversations(sql)[0]["job_seq"]
    sql("UPDATE leads_task_list SET judging_at = UTC_TIMESTAMP(6) WHERE job_seq = %s", seq)
    judge(talked, seq)
    assert outbound.calls("conversation")["count"] == 0
    sql("UPDATE leads_task_list SET judging_at = TIMESTAMPADD(SECOND, -400, UTC_TIMESTAMP(6)) WHERE job_seq = %s", seq)
    judge(talked, seq)
    assert outbound.calls("conversation")["count"] == 1


def test_a_model_that_is_away_is_asked_later(
    talked: Task, sql: Sql, outbound: StandIn, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = conversations(sql)[0]
    sent("analyse")
    outbound.control_model(fail_keys={row["call_job_id"]: "500"})
    judge(talked, row["job_seq"])
    (after,) = sql("SELECT judging_at, leads_follow_id FROM leads_task_list WHERE id = %s", row["id"])
    assert after == {"judging_at": None, "leads_follow_id": None}
    assert sent("analyse") == [{"task_id": talked.task_id, "job_seq": row["job_seq"]}]
    outbound.control_model()
    judge(talked, row["job_seq"])
    assert conversations(sql)[0]["leads_follow_id"] is not None


def test_a_model_that_makes_nonsense_leaves_it_to_people(talked: Task, sql: Sql, outbound: StandIn) -> None:
    row = conversations(sql)[0]
    outbound.control_model(fail_keys={row["call_job_id"]: "wrong_schema"})
    judge(talked, row["job_seq"])
    (follow,) = sql("SELECT leads_remark FROM dcc_leads_follow WHERE leads_id = %s", row["leads_id"])
    assert follow["leads_remark"] == verdicts.UNJUDGED
    assert_counted(sql, talked)


def copy(task: Task, *job_seqs: int) -> int:
    return recordings.fetch_recordings(RecordingsMessage(task_id=task.task_id, job_seqs=list(job_seqs)))


def test_a_recording_is_asked_for_once_and_lies_under_its_tenant(talked: Task, sql: Sql, outbound: StandIn) -> None:
    # GIVEN two connected calls
    one, two = conversations(sql)[:2]

    # WHEN their recordings are wanted, twice
    assert copy(talked, one["job_seq"], two["job_seq"]) == 2
    assert copy(talked, one["job_seq"], two["job_seq"]) == 0

    # THEN each was asked for and fetched once, and lies where its tenant, task and job say
    assert outbound.calls("DownloadRecording")["count"] == outbound.calls("recording")["count"] == 2
    for row in conversations(sql)[:2]:
        assert row["recording_state"] == "ready"
        assert row["recording_url"] == f"s3://recordings/acme/{talked.task_id}/{row['call_job_id']}.wav"
        key = row["recording_url"].removeprefix("s3://recordings/")
        assert aws.client("s3").get_object(Bucket="recordings", Key=key)["Body"].read()[:4] == b"RIFF"


def test_a_copy_that_was_not_written_down_is_found(talked: Task, sql: Sql, outbound: StandIn) -> None:
    row = conversations(sql)[0]
    copy(talked, row["job_seq"])
    sql("UPDATE leads_task_list SET recording_url = NULL, recording_state = 'wanted', recording_at = NULL")
    assert copy(talked, row["job_seq"]) == 1
    assert outbound.calls("DownloadRecording")["count"] == 1


def test_no_recording_of_a_call_that_nobody_took(talked: Task, sql: Sql, outbound: StandIn) -> None:
    (row, *_) = sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Failed'")
    assert copy(talked, row["job_seq"]) == 0
    assert outbound.calls("DownloadRecording")["count"] == 0


def test_a_recording_from_a_host_that_is_not_allowed_is_none(
    talked: Task, sql: Sql, outbound: StandIn, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setenv("RECORDING_HOSTS", "*.aliyuncs.com")
    settings.of.cache_clear()
    row = conversations(sql)[0]
    copy(talked, row["job_seq"])
    (after,) = sql("SELECT recording_url, recording_state FROM leads_task_list WHERE id = %s", row["id"])
    assert after == {"recording_url": None, "recording_state": "none"}
    assert "recording refused" in warnings


def test_a_provider_that_is_away_leaves_the_recording_wanted(talked: Task, sql: Sql, outbound: StandIn) -> None:
    row = conversations(sql)[0]
    outbound.control(fail_keys={"DownloadRecording": "500"})
    with pytest.raises(ProviderUnavailable):
        copy(talked, row["job_seq"])
    outbound.control()
    assert copy(talked, row["job_seq"]) == 1
