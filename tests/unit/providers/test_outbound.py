"""The OutboundBot stand-in over real HTTP: what the real SDK makes of it."""

import asyncio
import json
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from aiohttp import web
from alibabacloud_outboundbot20191226 import models
from alibabacloud_outboundbot20191226.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException, ThrottlingException
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.exceptions import UnretryableException
from darabonba.request import DaraRequest

from local.providers.app import make_app
from local.providers.conversations import conversation
from local.providers.outbound.calls import CALLING_NUMBER, ENDINGS, ending

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # the SDK's own

KEY_ID, SECRET, INSTANCE = "key-id-1", "secret-1", "instance-1"
FRESH = count()


class StandIn:
    """The stand-in as served, its controls, and the SDK's client for it."""

    def __init__(self, host: str, pool: urllib3.PoolManager) -> None:
        self.host = host
        self.pool = pool
        self.sdk = self.client()

    def client(self, key_id: str = KEY_ID, secret: str = SECRET, patience_ms: int = 5000) -> Client:
        config = Config(access_key_id=key_id, access_key_secret=secret, endpoint=self.host, protocol="http")
        config.read_timeout = patience_ms
        return Client(config)

    @contextmanager
    def hasty(self) -> Iterator[None]:
        """A client that does not wait long."""
        patient, self.sdk = self.sdk, self.client(patience_ms=200)
        try:
            yield
        finally:
            self.sdk = patient

    def http(self, method: str, path: str, **given: Any) -> Any:
        return self.pool.request(method, f"http://{self.host}{path}", retries=False, **given)

    def control(self, **outbound: Any) -> None:
        answer = self.http("PUT", "/control", json={"latency_ms": 0, "outbound": {"latency_ms": 0, **outbound}})
        assert answer.status == 200, answer.data

    def calls(self, ask: str) -> Any:
        return self.http("GET", "/calls", fields={"ask": ask}).json()

    def dialled(self) -> Any:
        return self.http("GET", "/calls/dialled").json()

    def group(self, instance: str = INSTANCE, **given: Any) -> str:
        request = models.CreateJobGroupRequest(
            instance_id=instance, job_group_name="回访", script_id="script-1", **given
        )
        group_id: str = self.sdk.create_job_group(request).body.job_group.job_group_id
        return group_id

    def described(self, group: str) -> Any:
        request = models.DescribeJobGroupRequest(instance_id=INSTANCE, job_group_id=group)
        return self.sdk.describe_job_group(request).body.job_group

    def assign(self, group: str, *references: str, instance: str = INSTANCE) -> list[str]:
        jobs = [lead(reference) for reference in references]
        request = models.AssignJobsRequest(instance_id=instance, job_group_id=group, jobs_json=jobs)
        ids: list[str] = self.sdk.assign_jobs(request).body.jobs_id
        return ids

    def jobs(self, *ids: str, instance: str = INSTANCE) -> list[Any]:
        jobs: list[Any] = self.sdk.list_jobs(models.ListJobsRequest(instance_id=instance, job_id=list(ids))).body.jobs
        return jobs

    def statuses(self, *ids: str, instance: str = INSTANCE) -> list[str]:
        return [job.status for job in self.jobs(*ids, instance=instance)]

    def finished(self, *ids: str) -> list[Any]:
        """The jobs when all are final."""
        deadline = time.monotonic() + 5
        while {"Scheduling", "Executing"} & set(self.statuses(*ids)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.jobs(*ids)

    def connected(self, ends: str = "SucceededFinish") -> Any:
        """The task of a call that ended so."""
        (job,) = self.finished(*self.assign(self.group(), reference(ends)))
        return job.tasks[0]

    def recording(self, task_id: str) -> Any:
        request = models.DownloadRecordingRequest(instance_id=INSTANCE, task_id=task_id)
        return self.sdk.download_recording(request).body

    def link(self) -> str:
        """To a recording: path and query."""
        url = urlsplit(self.recording(self.connected().task_id).download_params.signature_url)
        assert (url.scheme, url.netloc) == ("http", self.host)
        return f"{url.path}?{url.query}"


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    loop = asyncio.new_event_loop()
    app = make_app("", KEY_ID, SECRET)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pool = urllib3.PoolManager()
    yield StandIn(f"127.0.0.1:{runner.addresses[0][1]}", pool)
    pool.clear()
    while DaraCore._sessions:
        DaraCore._sessions.popitem()[1].close()
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def bot(served: StandIn) -> StandIn:
    """Without faults or memory; calls are over almost at once."""
    served.http("DELETE", "/calls")
    served.control(call_seconds=0.02)
    return served


def lead(reference: str, phone: str = "13800138000", **given: Any) -> str:
    contact = {"phoneNumber": phone, "name": "王芳", "referenceId": reference}
    return json.dumps({"contacts": [contact], "extras": [{"key": "车型", "value": "远途 X5"}], **given})


def reference(ends: str) -> str:
    """One that nobody has called yet, whose call ends so."""
    return next(f"lead-{n}" for n in FRESH if ending(f"lead-{n}").status == ends)


def signed(host: str, action: str, query: dict[str, str], body: bytes = b"", **headers: str) -> dict[str, str]:
    """The headers of a request as the SDK signs it."""
    request = DaraRequest()
    request.method, request.pathname, request.query = "POST", "/", query
    request.headers = {
        "host": host,
        "x-acs-version": "2019-12-26",
        "x-acs-action": action,
        "x-acs-date": Utils.get_timestamp(),
        "x-acs-signature-nonce": Utils.get_nonce(),
        "x-acs-content-sha256": Utils.hash(body, "ACS3-HMAC-SHA256").hex(),
    } | headers
    payload = request.headers["x-acs-content-sha256"]
    authorization = Utils.get_authorization(request, "ACS3-HMAC-SHA256", payload, KEY_ID, SECRET)
    return {**request.headers, "Authorization": authorization}


# The signature


def test_the_sdk_signs_whatever_text_it_is_given(bot: StandIn) -> None:
    name = "第三季度 回访~*'()/+&=%?é"
    created = bot.sdk.create_job_group(
        models.CreateJobGroupRequest(instance_id=INSTANCE, job_group_name=name, script_id="s")
    ).body
    assert (created.success, created.code, created.http_status_code) == (True, "OK", 200)
    assert (created.job_group.job_group_name, created.job_group.status) == (name, "Scheduling")


@pytest.mark.parametrize(
    ("key_id", "secret", "code"),
    [(KEY_ID, "secret-2", "SignatureDoesNotMatch"), ("key-id-2", SECRET, "InvalidAccessKeyId.NotFound")],
)
def test_another_key_is_refused_and_nothing_is_noted(bot: StandIn, key_id: str, secret: str, code: str) -> None:
    with pytest.raises(ClientException) as refused:
        bot.client(key_id, secret).list_jobs(models.ListJobsRequest(instance_id=INSTANCE, job_id=["j"]))
    assert (refused.value.status_code, refused.value.code) == (403, code)
    assert bot.calls("ListJobs")["count"] == 0


def test_a_request_of_yesterday_is_refused(bot: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for then in ("2026-01-01T00:00:00Z", "yesterday"):
        monkeypatch.setattr(Utils, "get_timestamp", lambda then=then: then)
        with pytest.raises(ClientException) as refused:
            bot.jobs("j")
        assert refused.value.code == "InvalidTimeStamp.Expired"


@pytest.mark.parametrize(
    ("sent_query", "sent_body", "status"),
    [
        ({"InstanceId": INSTANCE}, b"JobId.1=a", 200),
        ({"InstanceId": "i"}, b"JobId.1=a", 403),
        (None, b"JobId.1=b", 403),
    ],
)
def test_query_and_form_are_both_signed(
    bot: StandIn, sent_query: dict[str, str] | None, sent_body: bytes, status: int
) -> None:
    bot.group()
    query, form = {"InstanceId": INSTANCE}, {"content-type": "application/x-www-form-urlencoded"}
    headers = signed(bot.host, "ListJobs", query, b"JobId.1=a", **form)
    answer = bot.http("POST", f"/?{urlencode(sent_query or query)}", body=sent_body, headers=headers)
    assert answer.status == status, answer.data


@pytest.mark.parametrize(
    "authorization", ["", "Bearer x", "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature="]
)
def test_what_is_not_signed_as_it_should_be_is_refused(bot: StandIn, authorization: str) -> None:
    headers = signed(bot.host, "ListJobs", {}) | {"Authorization": authorization + "0" * 64}
    answer = bot.http("POST", "/", headers=headers)
    assert (answer.status, answer.json()["Code"]) == (400, "IncompleteSignature")


@pytest.mark.parametrize(("action", "version"), [("DeleteJobGroup", "2019-12-26"), ("ListJobs", "2019-12-27")])
def test_what_the_stand_in_does_not_know_it_says(bot: StandIn, action: str, version: str) -> None:
    answer = bot.http("POST", "/", headers=signed(bot.host, action, {}, **{"x-acs-version": version}))
    assert (answer.status, answer.json()["Code"]) == (404, "InvalidAction.NotFound")
    assert answer.json()["HostId"] == bot.host


# The actions


def test_a_job_group_is_described_as_it_was_made(bot: StandIn) -> None:
    bot.control(call_lines=0)
    group = bot.group(job_group_description="两百人", calling_number=["0571-1", "0571-2"])
    bot.assign(group, "a", "b")
    described = bot.described(group)
    assert (described.job_group_name, described.job_group_description) == ("回访", "两百人")
    assert (described.script_id, described.calling_numbers) == ("script-1", ["0571-1", "0571-2"])
    assert described.creation_time == pytest.approx(time.time() * 1000, abs=5000)
    assert (described.status, described.progress.total_jobs, described.progress.scheduling) == ("Scheduling", 2, 2)


def test_progress_adds_up_to_the_jobs_there_are(bot: StandIn) -> None:
    group = bot.group()
    ids = bot.assign(group, *(reference(ends) for ends in ("SucceededFinish", "Busy", "EmptyNumber", "NoAnswer")))
    bot.finished(*ids)
    assert bot.described(group).status == "Completed"
    bot.control(call_lines=2, call_seconds=60)
    waiting = bot.assign(group, "a", "b", "c", "d")
    bot.sdk.cancel_jobs(models.CancelJobsRequest(instance_id=INSTANCE, all=False, job_id=waiting[3:]))
    bot.sdk.suspend_jobs(models.SuspendJobsRequest(instance_id=INSTANCE, all=False, job_id=waiting[2:3]))
    described = bot.described(group)
    result = {name: value for name, value in described.progress.to_map().items() if value}
    assert result == {
        "TotalJobs": 8,
        "TotalCompleted": 1,
        "Failed": 3,
        "TotalNotAnswered": 2,
        "Executing": 2,
        "Paused": 1,
        "Cancelled": 1,
    }
    assert described.status == "Executing"


def test_assigned_jobs_are_listed_with_all_they_hold(bot: StandIn) -> None:
    bot.control(call_lines=0)
    group = bot.group()
    ids = bot.assign(group, "ref-1", "ref-2", "ref-3")
    assert len(set(ids)) == 3
    listed = bot.jobs(ids[2], "unknown", ids[0], ids[2])
    assert [job.job_id for job in listed] == [ids[2], ids[0]]
    job = listed[1]
    assert (job.status, job.job_group_id, job.reference_id, job.tasks) == ("Scheduling", group, "ref-1", [])
    assert job.calling_numbers == [CALLING_NUMBER]
    assert [(extra.key, extra.value) for extra in job.extras] == [("车型", "远途 X5")]
    (contact,) = job.contacts
    assert (contact.contact_name, contact.phone_number, contact.reference_id) == ("王芳", "13800138000", "ref-1")
    assert (contact.job_id, contact.state) == (ids[0], "Available")


def test_99_jobs_are_assigned_and_listed_but_not_100(bot: StandIn) -> None:
    group = bot.group()
    ids = bot.assign(group, *(f"ninety-nine-{n}" for n in range(99)))
    assert [job.reference_id for job in bot.jobs(*ids)] == [f"ninety-nine-{n}" for n in range(99)]
    with pytest.raises(ClientException) as refused:
        bot.assign(group, *(f"hundred-{n}" for n in range(100)))
    assert (refused.value.status_code, refused.value.code) == (400, "InvalidParameter.JobsJson")
    with pytest.raises(ClientException) as refused:
        bot.jobs(*ids, "one-more")
    assert (refused.value.status_code, refused.value.code) == (400, "InvalidParameter.JobId")
    assert "hundred-0" not in bot.dialled()


@pytest.mark.parametrize("job", ["", "{", "[]", "{}", '{"contacts": []}', '{"contacts": [{}]}', lead("a", extras=[1])])
def test_one_job_that_cannot_be_read_keeps_all_from_being_assigned(bot: StandIn, job: str) -> None:
    group = bot.group()
    request = models.AssignJobsRequest(instance_id=INSTANCE, job_group_id=group, jobs_json=[lead("good"), job])
    with pytest.raises(ClientException) as refused:
        bot.sdk.assign_jobs(request)
    assert refused.value.code == "InvalidParameter.JobsJson"
    assert bot.dialled() == {}


def test_a_groups_jobs_come_in_pages_without_their_tasks(bot: StandIn) -> None:
    group, other = bot.group(), bot.group()
    references = [reference(ends) for ends in ("NoAnswer", "SucceededFinish", "Busy", "EmptyNumber", "NoAnswer")]
    ids = bot.assign(group, *references)
    bot.assign(other, "other")
    bot.finished(*ids)

    def page(number: int, size: int, **given: str) -> Any:
        request = models.ListJobsByGroupRequest(
            instance_id=INSTANCE, job_group_id=group, page_number=number, page_size=size, **given
        )
        return bot.sdk.list_jobs_by_group(request).body.jobs

    second = page(2, 2)
    assert (second.page_number, second.page_size, second.total_count) == (2, 2, 5)
    assert [job.job_id for job in second.list] == ids[2:4]
    assert [job.contacts[0].reference_id for job in second.list] == references[2:4]
    assert "Tasks" not in second.list[0].to_map()
    assert (page(4, 2).list, page(4, 2).total_count) == ([], 5)
    assert [job.job_id for job in page(1, 100, job_status="Succeeded").list] == [ids[1]]
    no_answer = page(1, 1, job_failure_reason="NoAnswer")
    assert (no_answer.total_count, no_answer.list[0].job_id) == (3, ids[0])


@pytest.mark.parametrize(("number", "size"), [(0, 10), (1, 0), (1, 101), (-1, 10), ("x", 10)])
def test_pages_have_bounds(bot: StandIn, number: int, size: int) -> None:
    group = bot.group()
    request = models.ListJobsByGroupRequest(
        instance_id=INSTANCE, job_group_id=group, page_number=number, page_size=size
    )
    with pytest.raises(ClientException) as refused:
        bot.sdk.list_jobs_by_group(request)
    assert refused.value.code.startswith("InvalidParameter.Page")


def test_jobs_are_suspended_resumed_and_cancelled(bot: StandIn) -> None:
    bot.control(call_lines=1, call_seconds=60)
    instance = "instance-of-changes"
    first, second = bot.group(instance), bot.group(instance)
    a, b, c = bot.assign(first, "a", "b", "c", instance=instance)
    (d,) = bot.assign(second, "d", instance=instance)

    def change(action: str, **given: Any) -> list[str]:
        request = getattr(models, f"{action.title()}JobsRequest")(instance_id=instance, **given)
        assert getattr(bot.sdk, f"{action}_jobs")(request).body.success is True
        return bot.statuses(a, b, c, d, instance=instance)

    assert bot.statuses(a, b, c, d, instance=instance) == ["Executing", "Scheduling", "Scheduling", "Scheduling"]
    assert change("suspend", all=False, job_id=[b]) == ["Executing", "Paused", "Scheduling", "Scheduling"]
    assert change("suspend", all=True, job_group_id=first) == ["Executing", "Paused", "Paused", "Scheduling"]
    assert change("suspend", all=True) == ["Executing", "Paused", "Paused", "Paused"]
    assert change("resume", all=True, job_group_id=second) == ["Executing", "Paused", "Paused", "Scheduling"]
    assert change("cancel", all=False, job_id=[b]) == ["Executing", "Cancelled", "Paused", "Scheduling"]
    assert change("resume", all=True) == ["Executing", "Cancelled", "Scheduling", "Scheduling"]
    assert change("cancel", all=True, job_group_id=first) == ["Cancelled", "Cancelled", "Cancelled", "Executing"]
    assert change("resume", all=True) == ["Cancelled", "Cancelled", "Cancelled", "Executing"]
    assert bot.jobs(a, instance=instance)[0].tasks[0].status == "Cancelled"
    assert {ref: times for ref, times in bot.dialled().items() if ref in "abcd"} == {"a": 1, "d": 1}


@pytest.mark.parametrize("given", [{"all": False}, {}, {"job_id": ["x"]}])
def test_a_change_says_what_it_is_to_change(bot: StandIn, given: dict[str, Any]) -> None:
    bot.group()
    with pytest.raises(ClientException) as refused:
        bot.sdk.cancel_jobs(models.CancelJobsRequest(instance_id=INSTANCE, **given))
    assert refused.value.code == ("MissingAll" if "all" not in given else "MissingJobId")


def test_what_is_not_there(bot: StandIn) -> None:
    (job,) = bot.assign(bot.group(), "here")
    with pytest.raises(ClientException) as refused:
        bot.jobs(job, instance="nowhere")
    assert (refused.value.status_code, refused.value.code) == (404, "NotExist.Instance")
    with pytest.raises(ClientException) as refused:
        bot.assign("nowhere", "somebody")
    assert (refused.value.status_code, refused.value.code) == (404, "NotExist.JobGroup")
    answer = bot.sdk.cancel_jobs(models.CancelJobsRequest(instance_id=INSTANCE, all=False, job_id=[job, "x"])).body
    assert (answer.success, answer.code) == (False, "NotExist.Job")
    assert bot.finished(job)[0].status != "Cancelled"
    assert (bot.recording("x").success, bot.recording("x").code) == (False, "NotExist.Task")
    assert bot.calls("CancelJobs")["by_outcome"] == {"NotExist.Job": 1}


# How calls play out


def test_a_call_is_executing_until_it_is_over(bot: StandIn) -> None:
    bot.control(call_seconds=0.8)
    (job_id,) = bot.assign(bot.group(), reference("SucceededFinish"))
    (before,) = bot.jobs(job_id)
    assert (before.status, before.tasks[0].status, before.tasks[0].conversation) == ("Executing", "Executing", [])
    assert bot.recording(before.tasks[0].task_id).code == "RecordingNotFound"
    (after,) = bot.finished(job_id)
    assert (after.status, after.failure_reason, after.tasks[0].status) == ("Succeeded", None, "SucceededFinish")
    assert after.tasks[0].task_id == before.tasks[0].task_id
    assert 400 <= after.tasks[0].duration <= 1200


def test_a_connected_call_tells_what_was_said(bot: StandIn) -> None:
    who = reference("SucceededFinish")
    (job,) = bot.finished(*bot.assign(bot.group(), who))
    (task,) = job.tasks
    assert (task.job_id, task.called_number, task.calling_number) == (job.job_id, "13800138000", CALLING_NUMBER)
    assert (task.contact.reference_id, task.scenario_id) == (who, "script-1")
    assert [(line.speaker, line.script) for line in task.conversation] == conversation(who, "王芳", "SucceededFinish")
    times = [line.timestamp for line in task.conversation]
    assert task.planed_time <= task.actual_time <= times[0]
    assert times == sorted(times)
    assert times[-1] <= task.actual_time + task.duration <= time.time() * 1000 + 1000
    assert len({task.task_id, task.call_id, task.job_id}) == 3


@pytest.mark.parametrize("one", [one for one in ENDINGS if one.failure], ids=lambda one: one.status)
def test_a_call_that_reached_nobody_says_why(bot: StandIn, one: Any) -> None:
    (job,) = bot.finished(*bot.assign(bot.group(), reference(one.status)))
    (task,) = job.tasks
    assert (job.status, job.failure_reason, task.status) == ("Failed", one.failure, one.status)
    assert (task.conversation, task.duration) == ([], 0)
    assert bot.recording(task.task_id).code == "RecordingNotFound"


def test_a_plan_that_comes_does_not_change_what_has_been(bot: StandIn) -> None:
    ids = bot.assign(bot.group(), "early-1", "early-2")
    time.sleep(0.05)
    bot.control(call_lines=0, call_seconds=60)
    assert all(status in ("Succeeded", "Failed") for status in bot.statuses(*ids))


# The language model's part


def complete(bot: StandIn, **question: Any) -> Any:
    messages = [{"role": "user", "content": f"请判断：\n{json.dumps({'ask': 'conversation', **question})}"}]
    headers = {"Authorization": "Bearer any"}
    return bot.http("POST", "/v1/chat/completions", json={"model": "m", "messages": messages}, headers=headers)


def test_the_language_model_judges_a_conversation(bot: StandIn) -> None:
    lines = [("Robot", "您感兴趣吗？"), ("Contact", "可以，周六上午我到店里看看。")]
    answer = complete(bot, job="job-1", lines=lines, today="2026-11-24")
    assert json.loads(answer.json()["choices"][0]["message"]["content"]) == {
        "is_interested": True,
        "leads_remark": "客户有购车意向，约定周六上午到店。",
        "next_follow_time": "2026-11-28T10:00:00",
        "is_arrive": True,
    }
    assert bot.calls("conversation")["by_key"] == {"job-1": 1}
    bot.http("PUT", "/control", json={"fail_keys": ["job-2"]})
    assert complete(bot, job="job-2", lines=lines, today="2026-11-24").status == 500


@pytest.mark.parametrize("wrong", [{"today": "tomorrow"}, {"lines": [["Robot"]]}, {"lines": None}])
def test_a_conversation_that_cannot_be_read_is_a_400(bot: StandIn, wrong: dict[str, Any]) -> None:
    assert complete(bot, **({"job": "j", "lines": [], "today": "2026-11-24"} | wrong)).status == 400


# What goes wrong


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("throttled", ThrottlingException),
        ("500", ServerException),
        ("html", UnretryableException),
        ("timeout", UnretryableException),
        ("drop", UnretryableException),
        ("lost_answer", UnretryableException),
        ("nonsense", AttributeError),
    ],
)
def test_each_fault_is_what_the_sdk_takes_it_for(bot: StandIn, fault: str, error: type[Exception]) -> None:
    (job,) = bot.assign(bot.group(), "faulty")
    bot.control(fail_keys={"ListJobs": fault})
    with pytest.raises(error) as raised, bot.hasty():
        bot.jobs(job)
    assert type(raised.value) is error
    assert bot.calls("ListJobs")["by_outcome"] == {fault: 1}
    assert bot.group()  # other actions go on
    bot.control()
    assert len(bot.jobs(job)) == 1


def test_a_throttled_client_is_told_when_to_come_back(bot: StandIn) -> None:
    bot.control(script=["ok", "throttled"])
    bot.group()
    with pytest.raises(ThrottlingException) as throttled:
        bot.group()
    assert (throttled.value.status_code, throttled.value.code) == (400, "Throttling.User")
    assert throttled.value.retry_after == 1000


def test_a_refusal_comes_as_an_answer(bot: StandIn) -> None:
    bot.control(script=["ok", "refused"])
    group = bot.group()
    request = models.AssignJobsRequest(instance_id=INSTANCE, job_group_id=group, jobs_json=[lead("refused-1")])
    answer = bot.sdk.assign_jobs(request).body
    assert (answer.success, answer.code, answer.jobs_id) == (False, "InternalError", None)
    assert bot.dialled() == {}


@pytest.mark.parametrize(
    ("fault", "dialled"), [("lost_answer", 1), ("drop", 0), ("timeout", 0), ("500", 0), ("html", 0), ("throttled", 0)]
)
def test_only_a_lost_answer_has_people_called(bot: StandIn, fault: str, dialled: int) -> None:
    group = bot.group()
    bot.control(fail_keys={"AssignJobs": fault})
    with pytest.raises((UnretryableException, ClientException, ServerException, ThrottlingException)), bot.hasty():
        bot.assign(group, f"lost-{fault}")
    assert bot.dialled().get(f"lost-{fault}", 0) == dialled
    report = bot.calls("AssignJobs")
    assert (report["by_key"], report["by_outcome"]) == ({group: 1}, {fault: 1})


def test_what_was_asked_is_done_though_the_answer_is_slow(bot: StandIn) -> None:
    group = bot.group()
    bot.control(slow_keys={"AssignJobs": 5000})
    with pytest.raises(UnretryableException), bot.hasty():
        bot.assign(group, "slow")
    assert bot.dialled() == {"slow": 1}


def test_the_two_providers_have_faults_of_their_own(bot: StandIn) -> None:
    bot.http("PUT", "/control", json={"rates": {"500": 1}})
    assert bot.group()
    bot.control(rates={"500": 1})
    assert complete(bot, job="j", lines=[], today="2026-11-24").status == 200
    wrong = bot.http("PUT", "/control", json={"outbound": {"fail_keys": {"ListJobs": "429"}}})
    assert wrong.status == 422


def test_who_is_assigned_twice_is_dialled_twice(bot: StandIn) -> None:
    group = bot.group()
    bot.assign(group, "once", "twice")
    bot.assign(group, "twice")
    request = models.AssignJobsRequest(
        instance_id=INSTANCE, job_group_id=group, jobs_json=[json.dumps({"contacts": [{"phoneNumber": "139"}]})]
    )
    assert bot.sdk.assign_jobs(request).body.success
    assert bot.dialled() == {"once": 1, "twice": 2, "139": 1}
    assert bot.http("DELETE", "/calls").status == 204
    assert bot.dialled() == {}


# Recordings


def test_a_recording_plays(bot: StandIn) -> None:
    task = bot.connected()
    result = bot.recording(task.task_id)
    assert (result.success, result.download_params.file_name) == (True, f"{task.task_id}.wav")
    url = urlsplit(result.download_params.signature_url)
    expires = int(parse_qs(url.query)["Expires"][0])
    assert expires == pytest.approx(time.time() + 3600, abs=5)
    answer = bot.http("GET", f"{url.path}?{url.query}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav")
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with wave.open(BytesIO(answer.data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert 2 <= file.getnframes() / 8000 <= 5
        assert max(memoryview(file.readframes(8000)).cast("h")) > 5000
    assert bot.calls("recording")["by_key"] == {task.task_id: 1}


@pytest.mark.parametrize("tamper", ["Expires=9", "Signature=x", "/recordings/x", ""])
def test_a_link_that_is_not_as_it_was_given_is_refused(bot: StandIn, tamper: str) -> None:
    link = bot.link()
    changes: dict[str, Callable[[], str]] = {
        "Expires=9": lambda: link.replace("Expires=", "Expires=9"),
        "Signature=x": lambda: link.replace("Signature=", "Signature=x"),
        "/recordings/x": lambda: link.replace("/recordings/", "/recordings/x"),
        "": lambda: link.partition("?")[0],
    }
    answer = bot.http("GET", changes[tamper]())
    assert (answer.status, answer.json()["Code"]) == (403, "SignatureDoesNotMatch")


def test_a_link_works_for_its_time_only(bot: StandIn) -> None:
    task = bot.connected()
    bot.control(link_seconds=0)
    url = urlsplit(bot.recording(task.task_id).download_params.signature_url)
    answer = bot.http("GET", f"{url.path}?{url.query}")
    assert (answer.status, answer.json()["Code"]) == (403, "AccessDenied")
    assert bot.calls("recording")["by_outcome"] == {"AccessDenied": 1}


def test_a_download_goes_wrong_in_its_own_ways(bot: StandIn) -> None:
    link = bot.link()
    bot.control(fail_keys={"recording": "lost_answer"})
    with pytest.raises(urllib3.exceptions.HTTPError):
        bot.http("GET", link)
    bot.control(fail_keys={"recording": "nonsense"})
    assert bot.http("GET", link).headers["Content-Type"].startswith("application/json")
    bot.control(fail_keys={"recording": "html"})
    assert bot.http("GET", link).status == 502
