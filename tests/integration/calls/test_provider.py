"""The provider through its real SDK, over HTTP: what it answers, what it refuses, and what is never requested twice."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from calls.model import JobStatus, Line, Outcome
from calls.provider import Job, Lead, Provider, provider
from longhaul import aws, settings
from longhaul.errors import BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger
from tests.integration.calls.conftest import KEYS, StandIn, secret_of_the_provider
from tests.requesting import sent_requests

PHONE = "13800138{:03d}"


def leads(number: int, first: int = 1) -> list[Lead]:
    return [
        Lead(f"lead-{n}", PHONE.format(n), f"王{n}", {"城市": f"广州{n}", "course": "a&b=c d"})
        for n in range(first, first + number)
    ]


@pytest.fixture
def group(stand_in: StandIn) -> str:
    return provider().create_group("春季体验课", "script-7", {"minAttemptInterval": 10}, 3)


def settled(job_ids: list[str]) -> list[Job]:
    """The jobs when all of them are over."""
    deadline = time.monotonic() + 20
    while True:
        jobs = provider().list_jobs(job_ids)
        if all(job.status.is_final for job in jobs):
            return jobs
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_from_its_lead_to_its_end(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_seconds=0.2, call_lines=100)
    before = datetime.now(UTC) - timedelta(seconds=1)
    job_ids = provider().assign(group, leads(60))
    assert len(set(job_ids)) == 60
    assert provider().count_jobs(group) == 60
    jobs = settled(job_ids)
    assert [job.job_id for job in jobs] == job_ids
    assert [job.reference for job in jobs] == [f"lead-{n}" for n in range(1, 61)]
    assert {job.status for job in jobs} == {"Succeeded", "Failed"}
    talked = next(job for job in jobs if job.outcome == Outcome.CONNECTED)
    assert talked.status == "Succeeded"
    assert talked.task_status is not None
    assert talked.task_status.startswith("Succeeded")
    assert talked.call_task_id not in (None, talked.job_id)
    assert talked.failure_reason is None
    assert talked.calling_number
    assert talked.planed_time is not None
    assert talked.actual_time is not None
    assert before < talked.planed_time <= talked.actual_time < datetime.now(UTC) + timedelta(seconds=1)
    assert talked.duration_ms is not None
    assert 50 < talked.duration_ms < 500
    assert {line.speaker for line in talked.conversation} == {"Robot", "Contact"}
    assert all(line.script for line in talked.conversation)
    spoken = [line.at for line in talked.conversation]
    assert spoken == sorted(spoken)
    assert spoken[0] == int(talked.actual_time.timestamp() * 1000)
    missed = next(job for job in jobs if job.outcome == Outcome.NO_ANSWER)
    assert (missed.status, missed.task_status, missed.failure_reason) == ("Failed", "NoAnswer", "NoAnswer")
    assert missed.conversation == ()


def test_a_job_whose_call_goes_on_is_executing(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_seconds=600)
    [job] = provider().list_jobs(provider().assign(group, leads(1)))
    assert job.status == "Executing"


def test_a_job_that_waits_has_no_call(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_lines=0)
    [job_id] = provider().assign(group, leads(1))
    [job] = provider().list_jobs([job_id])
    nothing = (None, None, None, None, None, None, None, None)
    assert job == Job(job_id, JobStatus.SCHEDULING, "lead-1", *nothing, ())


def test_what_is_sent_arrives_as_it_was(group: str) -> None:
    with recording() as (url, seen):
        pointed_at(url).assign(group, leads(1))
    [(path, query)] = seen
    assert path == "AssignJobs"
    assert json.loads(query["JobsJson.1"]) == {
        "contacts": [{"phoneNumber": "13800138001", "name": "王1", "referenceId": "lead-1"}],
        "extras": [{"key": "城市", "value": "广州1"}, {"key": "course", "value": "a&b=c d"}],
    }
    assert query["JobGroupId"] == group


@pytest.mark.parametrize(
    ("strategy", "attempts", "sent"),
    [
        ({"minAttemptInterval": 10}, 3, {"minAttemptInterval": 10, "maxAttemptsPerDay": 3}),
        (None, 2, {"maxAttemptsPerDay": 2}),
        ({"routingStrategy": "LocalFirst"}, None, {"routingStrategy": "LocalFirst"}),
        (None, None, None),
    ],
)
def test_a_group_has_its_rules(
    stand_in: StandIn, strategy: dict[str, Any] | None, attempts: int | None, sent: dict[str, Any] | None
) -> None:
    with recording({"JobGroup": {"JobGroupId": "group-9"}}) as (url, seen):
        assert pointed_at(url).create_group("春季体验课", "script-7", strategy, attempts) == "group-9"
    [(_, query)] = seen
    assert (query["JobGroupName"], query["ScriptId"]) == ("春季体验课", "script-7")
    assert json.loads(query.get("StrategyJson", "null")) == sent


def test_no_more_than_99_at_once(stand_in: StandIn, group: str) -> None:
    before = stand_in.calls()["count"]
    with pytest.raises(ValueError, match="not 100"):
        provider().assign(group, leads(100))
    with pytest.raises(ValueError, match="not 100"):
        provider().list_jobs([f"job-{n}" for n in range(100)])
    with pytest.raises(ValueError, match="not 0"):
        provider().assign(group, [])
    assert stand_in.calls()["count"] == before
    job_ids = provider().assign(group, leads(99))
    assert len(provider().list_jobs(job_ids)) == 99


def test_a_lost_answer_is_found_again_by_reference(stand_in: StandIn, group: str) -> None:
    stand_in.control(script=["lost_answer"])
    with pytest.raises(ProviderUnavailable):
        provider().assign(group, leads(99))
    assert stand_in.calls("AssignJobs")["count"] == 1, "asked again, they would be called twice"
    assert provider().count_jobs(group) == 99
    found = provider().find_jobs(group, [f"lead-{n}" for n in (1, 50, 99)])
    assert found.keys() == {"lead-1", "lead-50", "lead-99"}
    jobs = {job.job_id: job.reference for job in provider().list_jobs(list(found.values()))}
    assert jobs == {job_id: reference for reference, job_id in found.items()}
    assert set(stand_in.dialled().values()) == {1}


def test_jobs_are_looked_for_on_every_page_but_no_longer_than_needed(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_lines=0)
    for first in (1, 100, 199):
        provider().assign(group, leads(99, first))
    assert provider().find_jobs(group, ["lead-3"]).keys() == {"lead-3"}
    assert stand_in.calls("ListJobsByGroup")["count"] == 1
    assert provider().find_jobs(group, ["lead-297", "lead-1"]).keys() == {"lead-1", "lead-297"}
    assert stand_in.calls("ListJobsByGroup")["count"] == 1 + 3
    assert provider().find_jobs(group, ["lead-298", "lead-2"]).keys() == {"lead-2"}
    assert stand_in.calls("ListJobsByGroup")["count"] == 1 + 3 + 3
    assert provider().find_jobs(group, []) == {}
    assert stand_in.calls("ListJobsByGroup")["count"] == 1 + 3 + 3


def test_jobs_are_suspended_resumed_and_cancelled_with_their_group_alone(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_lines=0)
    ours = provider().assign(group, leads(2))
    others = provider().assign(provider().create_group("别的", "script-8", None, None), leads(2, 11))
    for steer, status in (
        (provider().suspend, "Paused"),
        (provider().resume, "Scheduling"),
        (provider().cancel, "Cancelled"),
    ):
        steer(group)
        assert [job.status for job in provider().list_jobs(ours)] == [status] * 2
        assert [job.status for job in provider().list_jobs(others)] == ["Scheduling"] * 2
    assert {job.outcome for job in provider().list_jobs(ours)} == {Outcome.CANCELLED}


@pytest.mark.parametrize("steer", ["suspend", "resume", "cancel"])
def test_nothing_is_steered_without_a_group(stand_in: StandIn, steer: str) -> None:
    with pytest.raises(ValueError, match="every job"):
        getattr(provider(), steer)("")
    assert stand_in.calls()["count"] == 0


def test_a_recording_has_a_link_once_somebody_talked(stand_in: StandIn, group: str) -> None:
    stand_in.control(call_seconds=0.1, call_lines=100)
    jobs = settled(provider().assign(group, leads(40)))
    talked = next(job for job in jobs if job.outcome == Outcome.CONNECTED)
    missed = next(job for job in jobs if job.outcome == Outcome.NO_ANSWER)
    assert talked.call_task_id is not None
    assert missed.call_task_id is not None
    link = provider().recording_link(talked.call_task_id)
    assert link is not None
    assert link.startswith(f"{stand_in.url}/recordings/{talked.call_task_id}.wav?")
    assert provider().recording_link(missed.call_task_id) is None
    with pytest.raises(BadAnswer, match=r"NotExist\.Task"):
        provider().recording_link("no-such-call")


ACTIONS: dict[str, Callable[[str], Any]] = {
    "CreateJobGroup": lambda group: provider().create_group("又一组", "script-9", None, None),
    "AssignJobs": lambda group: provider().assign(group, leads(1)),
    "DescribeJobGroup": lambda group: provider().count_jobs(group),
    "ListJobsByGroup": lambda group: provider().find_jobs(group, ["lead-1"]),
    "ListJobs": lambda group: provider().list_jobs(["job-1"]),
    "SuspendJobs": lambda group: provider().suspend(group),
    "DownloadRecording": lambda group: provider().recording_link("call-1"),
}
READS = {"DescribeJobGroup", "ListJobsByGroup", "ListJobs", "DownloadRecording"}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("fault", "error", "tries_of_a_read"),
    [
        ("throttled", ProviderThrottled, 1),
        ("500", ProviderUnavailable, 1),
        ("html", ProviderUnavailable, 1),
        ("refused", ProviderUnavailable, 1),  # with InternalError, a server's code
        ("nonsense", ProviderUnavailable, 1),
        ("drop", ProviderUnavailable, 2),
        ("lost_answer", ProviderUnavailable, 2),
    ],
)
def test_each_trouble_is_transient_and_asked_no_oftener_than_is_safe(
    stand_in: StandIn, group: str, action: str, fault: str, error: type[LonghaulError], tries_of_a_read: int
) -> None:
    stand_in.control(fail_keys={action: fault})
    before = stand_in.calls(action)["count"]
    with pytest.raises(error) as raised:
        ACTIONS[action](group)
    assert type(raised.value) is error
    assert action in str(raised.value)
    assert stand_in.calls(action)["count"] - before == (tries_of_a_read if action in READS else 1)


def test_a_connection_that_breaks_once_is_nothing_to_a_read(stand_in: StandIn, group: str) -> None:
    stand_in.control(script=["drop"])
    assert provider().count_jobs(group) == 0
    assert stand_in.calls("DescribeJobGroup")["by_outcome"] == {"drop": 1, "ok": 1}


def test_a_throttled_caller_is_told_how_long_to_wait(stand_in: StandIn) -> None:
    stand_in.control(script=["throttled"])
    with pytest.raises(ProviderThrottled, match=r"Throttling\.User \(400\)") as raised:
        provider().list_jobs(["job-1"])
    assert raised.value.retry_after == 1.0


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "retry_after"),
    [
        (200, {}, {"Code": "Throttling.User", "HttpStatusCode": 400, "Success": False}, ProviderThrottled, None),
        (200, {"x-acs-retry-after": "2500"}, {"Code": "Busy", "Success": False}, ProviderThrottled, 2.5),
        (200, {}, {"Code": "Odd", "HttpStatusCode": 503, "Success": False}, ProviderUnavailable, None),
        (200, {}, {"Code": "InvalidParameter", "HttpStatusCode": 400, "Success": False}, BadAnswer, None),
        (200, {}, {"Success": False}, BadAnswer, None),
        (400, {}, {"Code": "Throttling", "Message": "slow down"}, ProviderThrottled, None),
        (429, {}, {"Code": "TooMany"}, ProviderThrottled, None),
        (503, {"x-acs-retry-after": "500"}, {"Code": "ServiceUnavailable"}, ProviderThrottled, 0.5),
        (503, {"x-acs-retry-after": "soon"}, {"Code": "ServiceUnavailable"}, ProviderUnavailable, None),
        (400, {}, {"Code": "InvalidParameter.JobGroupId"}, BadAnswer, None),
        (404, {}, {"Code": "NotExist.JobGroup"}, BadAnswer, None),
        (500, {}, [], ProviderUnavailable, None),
        (404, {}, "nothing", ProviderUnavailable, None),
    ],
)
def test_a_refusal_is_what_its_code_says(
    stand_in: StandIn,
    status: int,
    headers: dict[str, str],
    body: Any,
    error: type[LonghaulError],
    retry_after: float | None,
) -> None:
    with answering(status, headers, json.dumps(body).encode()) as url, pytest.raises(error) as raised:
        pointed_at(url).count_jobs("group-1")
    assert getattr(raised.value, "retry_after", None) == retry_after


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[1]",
        '"OK"',
        "{}",
        '{"Success": "yes"}',
        '{"Success": true}',
        '{"Success": true, "JobGroup": {}}',
        '{"Success": true, "JobGroup": {"Progress": {"TotalJobs": "many"}}}',
        '{"Success": true, "JobGroup": {"Progress": {}}}',
    ],
)
def test_a_count_that_is_not_told_is_never_0(stand_in: StandIn, body: str) -> None:
    with answering(200, {}, body.encode()) as url, pytest.raises(ProviderUnavailable, match="DescribeJobGroup"):
        pointed_at(url).count_jobs("group-1")


@pytest.mark.parametrize("jobs", ['{"List": [{}], "TotalCount": 1}', '{"List": []}', "7", "null"])
def test_a_page_that_is_none_is_not_taken_for_an_empty_one(stand_in: StandIn, jobs: str) -> None:
    body = f'{{"Success": true, "Jobs": {jobs}}}'
    with answering(200, {}, body.encode()) as url, pytest.raises(ProviderUnavailable, match="ListJobsByGroup"):
        pointed_at(url).find_jobs("group-1", ["lead-1"])


def test_of_two_jobs_for_a_lead_the_first_counts(stand_in: StandIn) -> None:
    jobs = [{"JobId": f"job-{n}", "Contacts": [{"ReferenceId": "lead-1"}]} for n in (1, 2)]
    page = {"List": jobs, "TotalCount": 3}
    with answering(200, {}, json.dumps({"Success": True, "Jobs": page}).encode()) as url:
        assert pointed_at(url).find_jobs("group-1", ["lead-1", "lead-2"]) == {"lead-1": "job-1"}


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        (["job-1"], BadAnswer),
        (["job-1", "job-2", "job-3"], BadAnswer),
        ([], BadAnswer),
        (["job-1", None], ProviderUnavailable),
        ("ab", ProviderUnavailable),
        (None, ProviderUnavailable),
    ],
)
def test_every_lead_assigned_has_its_job(stand_in: StandIn, ids: Any, error: type[LonghaulError]) -> None:
    with recording({"JobsId": ids}) as (url, seen), pytest.raises(error):
        pointed_at(url).assign("group-1", leads(2))
    assert len(seen) == 1


def test_a_job_that_cannot_be_read_is_left_out(stand_in: StandIn, warnings: list[str]) -> None:
    good = {"JobId": "job-1", "Status": "Scheduling", "ReferenceId": "lead-1"}
    wrong: list[Any] = [
        {"JobId": "job-2", "Status": "Levitating"},
        {"JobId": "job-3", "Status": "Executing", "Tasks": [{"TaskId": "call-3", "ActualTime": "noon"}]},
        {"JobId": "job-4", "Status": "Executing", "Tasks": [{"TaskId": "call-4", "ActualTime": 10**30}]},
        {"Status": "Executing"},
        None,
    ]
    body = {"Success": True, "Jobs": [*wrong, good]}
    with answering(200, {}, json.dumps(body).encode()) as url:
        assert [job.job_id for job in pointed_at(url).list_jobs(["job-1", "job-2"])] == ["job-1"]
    assert warnings == ["job left out"] * 5
    body = {"Success": True, "Jobs": wrong}
    with answering(200, {}, json.dumps(body).encode()) as url, pytest.raises(ProviderUnavailable, match="ListJobs"):
        pointed_at(url).list_jobs(["job-2"])


def test_a_job_is_told_by_its_latest_call(stand_in: StandIn) -> None:
    calls = [
        {"TaskId": "call-2", "Status": "SucceededFinish", "PlanedTime": 1700000000000, "ActualTime": 1700000300000,
         "Duration": 4321, "CallingNumber": "0571-1",
         "Conversation": [{"Speaker": "Robot", "Script": "您好", "Timestamp": 1700000300500},
                          {"Speaker": "Contact", "Script": "你好"}]},
        {"TaskId": "call-1", "Status": "Busy", "PlanedTime": 1700000000000, "ActualTime": 1700000100000,
         "Duration": 1, "CallingNumber": "0571-2"},
    ]  # fmt: skip
    job = {"JobId": "job-1", "Status": "Succeeded", "ReferenceId": "of-the-job", "FailureReason": "",
           "Contacts": [{"ReferenceId": "lead-1"}], "Tasks": calls}  # fmt: skip
    with answering(200, {}, json.dumps({"Success": True, "Jobs": [job]}).encode()) as url:
        [job] = pointed_at(url).list_jobs(["job-1"])
    assert (job.call_task_id, job.task_status, job.outcome) == ("call-2", "SucceededFinish", Outcome.CONNECTED)
    assert (job.calling_number, job.duration_ms, job.reference) == ("0571-1", 4321, "lead-1")
    assert job.failure_reason is None
    assert job.planed_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert job.actual_time == datetime(2023, 11, 14, 22, 18, 20, tzinfo=UTC)
    assert job.conversation == (Line("Robot", "您好", 1700000300500), Line("Contact", "你好", 0))


@pytest.mark.parametrize(
    ("status", "calls", "outcome"),
    [
        ("Failed", [{"TaskId": "a", "Status": "Busy"}, {"TaskId": "b", "Status": "NoAnswer"}], Outcome.NO_ANSWER),
        ("Executing", [{"TaskId": "a", "Status": "Busy"}, {"TaskId": "b", "Status": "Executing"}], Outcome.CALLING),
        ("Succeeded", [{"TaskId": "a", "Status": "SucceededInoInterAction"}], Outcome.CONNECTED),
        ("Cancelled", [], Outcome.CANCELLED),
        ("Failed", [], Outcome.FAILED),
        ("Paused", [], None),
    ],
)
def test_how_it_went(stand_in: StandIn, status: str, calls: list[dict[str, str]], outcome: Outcome | None) -> None:
    jobs = [{"JobId": "job-1", "Status": status, "Tasks": calls}]
    with answering(200, {}, json.dumps({"Success": True, "Jobs": jobs}).encode()) as url:
        [job] = pointed_at(url).list_jobs(["job-1"])
    assert job.outcome == outcome


def test_who_must_answer_soon_waits_no_longer(stand_in: StandIn) -> None:
    provider().create_group("先连上", "script-7", None, None)
    stand_in.control(latency_ms=3000)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
        provider().list_jobs(["job-1"], seconds=0.6)
    assert 0.3 < time.monotonic() - started < 1.2
    assert stand_in.calls("ListJobs")["count"] == 1


def test_a_slow_provider_is_waited_for_5_seconds(stand_in: StandIn, group: str) -> None:
    stand_in.control(slow_keys={"AssignJobs": 8000})
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
        provider().assign(group, leads(1))
    assert 5 <= time.monotonic() - started < 6.5
    assert provider().count_jobs(group) == 1, "it was done all the same"


def test_nobody_is_there(stand_in: StandIn) -> None:
    with pytest.raises(ProviderUnavailable, match="does not answer DescribeJobGroup: ConnectionError"):
        pointed_at("http://127.0.0.1:1").count_jobs("group-1")


def test_five_failures_in_a_row_open_the_circuit(stand_in: StandIn, group: str) -> None:
    stand_in.control(rates={"500": 1})
    for action in ("ListJobs", "AssignJobs", "DescribeJobGroup", "CreateJobGroup", "SuspendJobs"):
        with pytest.raises(ProviderUnavailable, match="refuses"):
            ACTIONS[action](group)
    stand_in.control()
    before = stand_in.calls()["count"]
    with pytest.raises(ProviderUnavailable, match=rf"outbound:instance-\w+@{stand_in.endpoint} .*left alone") as raised:
        provider().list_jobs(["job-1"])
    assert raised.value.retry_after
    assert stand_in.calls()["count"] == before


def test_a_refusal_is_an_answer_and_opens_no_circuit(stand_in: StandIn) -> None:
    with sent_requests("secretsmanager") as reads:
        for _ in range(6):
            with pytest.raises(BadAnswer, match="NotExist"):
                provider().count_jobs("no-such-group")
    assert stand_in.calls("DescribeJobGroup")["count"] == 6
    assert len(reads) == 1, "the key is not in question"


@pytest.mark.parametrize("wrong", [{"access_key_id": "somebody-else"}, {"access_key_secret": "guessed"}])
def test_a_wrong_key_is_refused_once_and_for_all(stand_in: StandIn, wrong: dict[str, str]) -> None:
    secret_of_the_provider(**wrong)
    with pytest.raises(
        BadAnswer, match=r"InvalidAccessKeyId\.NotFound \(403\)|SignatureDoesNotMatch \(403\)"
    ) as raised:
        provider().create_group("春季体验课", "script-7", None, None)
    assert not any(word in str(raised.value) for word in (*KEYS.values(), *wrong.values()))


def test_a_rotated_key_is_read_again(stand_in: StandIn) -> None:
    secret_of_the_provider(access_key_secret="an-old-secret")
    with pytest.raises(BadAnswer):
        provider().create_group("春季体验课", "script-7", None, None)
    secret_of_the_provider()
    assert provider().create_group("春季体验课", "script-7", None, None)
    assert stand_in.calls("CreateJobGroup")["count"] == 1


@pytest.mark.parametrize("value", ["no JSON", "{}", '{"access_key_id": "", "access_key_secret": "s"}', "[]"])
def test_a_secret_of_another_shape_is_not_told(stand_in: StandIn, value: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=os.environ["OUTBOUND_SECRET_ARN"], SecretString=value)
    with pytest.raises(ProviderUnavailable, match="access_key_id, access_key_secret") as raised:
        provider().count_jobs("group-1")
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("status", [0, 200, 400, 403, 500])
@pytest.mark.parametrize("success", ["true", "false"])
def test_no_phone_number_and_no_key_is_ever_told(
    stand_in: StandIn, status: int, success: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a provider that repeats the request in each field, or is not there (0): that error has the URL."""
    logged: list[str] = []
    monkeypatch.setattr(logger.handlers[0], "emit", lambda record: logged.append(logger.handlers[0].format(record)))
    echo = f"POST /?InstanceId=..&JobsJson.1={PHONE.format(1)} 王1 {KEYS}".replace('"', "")
    body = (
        f'{{"Code": "Odd", "Success": {success}, "Message": "{echo}", "JobsId": {{"{echo}": 1}}, "Detail": "{echo}"}}'
    )
    with answering(status or 200, {}, body.encode()) as url, caplog.at_level(logging.INFO):
        try:
            pointed_at(url if status else "http://127.0.0.1:1").assign("group-1", leads(3))
        except LonghaulError:
            logger.exception("assigning failed")
    text = "\n".join([*logged, caplog.text])
    assert "assigning failed" in text
    assert "AssignJobs" in text
    for secret in ("13800138", "王1", *KEYS.values()):
        assert secret not in text


def test_importing_it_imports_no_sdk() -> None:
    code = (
        "import sys, calls.provider, longhaul.downloads; "
        "print([m for m in ('boto3', 'darabonba', 'alibabacloud_outboundbot20191226', 'requests') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def pointed_at(url: str) -> Provider:
    """The provider at another endpoint."""
    os.environ["OUTBOUND_ENDPOINT"] = url.removeprefix("http://")  # put back by the stand-in's monkeypatch
    settings.of.cache_clear()
    provider.cache_clear()
    return provider()


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A server with one answer to everything; its URL."""
    with _serving(status, headers, body, []) as url:
        yield url


@contextmanager
def recording(answer: dict[str, Any] | None = None) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A server that says yes; its URL, and the (action, parameters) of its requests."""
    seen: list[tuple[str, dict[str, str]]] = []
    body = {"Success": True, "JobsId": ["job-1"], **(answer or {})}
    with _serving(200, {}, json.dumps(body).encode(), seen) as url:
        yield url, seen


@contextmanager
def _serving(
    status: int, headers: dict[str, str], body: bytes, seen: list[tuple[str, dict[str, str]]]
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.headers["x-acs-action"], dict(parse_qsl(urlsplit(self.path).query))))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
