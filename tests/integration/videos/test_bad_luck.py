"""What goes wrong while a video is made: in each stage, at the provider, in S3, and while somebody decides."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from longhaul import aws, database, settings
from longhaul.errors import AwsUnavailable, IllegalTransition, ProviderThrottled, ProviderUnavailable
from longhaul.tasks import dispatch, lifecycle
from longhaul.testing import Kill, Killed
from longhaul.workloads import running
from longhaul.workloads import store as workload_store
from tests.chatting import StandIn
from tests.integration.videos.conftest import created, failures, keys, make
from tests.integration.videos.test_serving import ask, scene
from videos import files, jobs, provider, store, writing
from videos.model import Part, Video
from videos.provider import ListedJob, Provider

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Control = Callable[..., None]
STAGES = ["script", "scenes/003", "frame/002", "clip/003", "part/001", "part/002", "film"]
CLOSED = "http://127.0.0.1:1"  # nothing listens there


@pytest.mark.usefixtures("in_twos")
@pytest.mark.parametrize("when", ["before", "after"])
def test_whichever_stages_worker_is_killed_each_scene_is_paid_for_once(when: Any) -> None:
    run = make({"seconds": 15}, faults=[Kill(key, when) for key in STAGES])
    assert (run.status, failures(run)) == ("SUCCEEDED", {})
    assert run.result is not None
    assert run.result["scenes"] == 3
    assert set(STAGES) <= {*run.outputs}
    assert len(created()) == 6
    assert set(created().values()) == {1}


@pytest.mark.usefixtures("in_twos")
@pytest.mark.parametrize("kind", [Part.frame, Part.clip, Part.part, Part.film])
def test_a_worker_that_dies_with_its_file_stored_and_no_row_written_leaves_no_second_file(
    kind: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, dies = files.upload, iter([True])

    def deadly(path: Path, key: str, of: Part) -> None:
        upload(path, key, of)
        if of == kind and next(dies, False):
            raise Killed

    monkeypatch.setattr(files, "upload", deadly)
    run = make({"seconds": 15})
    assert run.status == "SUCCEEDED"
    assert next(dies, None) is None
    assert set(created().values()) == {1}
    assert not [key for key in keys() if "-2." in key]


def test_paused_and_resumed_while_a_create_is_on_its_way_it_is_paid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a worker whose create is on its way for some seconds
    run = make({"max_cost": "1.00"})
    assert ask("PATCH", f"/{run.task_id}", {"max_cost": "50"})[0] == 200
    lifecycle.resume(run.task_id, "test")
    dispatch.dispatch([run.workload.name])
    with database.connection() as session:
        number = workload_store.list_open(session, run.task_id, "clips", 10)[0]
    create, is_sent, arrives, calls = Provider.create, threading.Event(), threading.Event(), list[str]()

    def slow(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        calls.append(path)
        if len(calls) == 1:
            is_sent.set()
            arrives.wait(30)
        return create(self, path, body)

    def work() -> running.Outcome:
        batch = running.Batch(task_id=run.task_id, attempt=run.task.attempt, stage="clips", first=number, last=number)
        try:
            return running.run_batch(batch)
        finally:
            database.close()

    monkeypatch.setattr(Provider, "create", slow)
    before = threading.Thread(target=work)
    before.start()
    assert is_sent.wait(30)

    # WHEN the task is paused and resumed meanwhile, and another worker has the clip
    lifecycle.pause(run.task_id, "test")
    lifecycle.resume(run.task_id, "test")
    dispatch.dispatch([run.workload.name])
    outcome = work()
    arrives.set()
    before.join()

    # THEN it waits until the create must have arrived, and creates none
    assert outcome.next == "wait"
    assert len(calls) == 1
    assert max(created().values()) == 1


@pytest.mark.parametrize("at", [1, 3])
def test_a_worker_that_dies_between_the_create_and_its_answer_pays_once(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, numbers = Provider.create, iter(range(1, 100))

    def deadly(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        job_id = create(self, path, body)
        if next(numbers) == at:
            raise Killed
        return job_id

    monkeypatch.setattr(Provider, "create", deadly)
    assert make({}).status == "SUCCEEDED"
    assert len(created()) == 4
    assert set(created().values()) == {1}


def test_a_create_that_is_refused_after_a_resume_leaves_what_the_next_attempt_holds(
    monkeypatch: pytest.MonkeyPatch, sql: Any
) -> None:
    # GIVEN a clip's price that is held, and a worker whose create is on its way while the task is paused and resumed
    run = make({"max_cost": "1.00"})
    assert ask("PATCH", f"/{run.task_id}", {"max_cost": "6.28"})[0] == 200
    lifecycle.resume(run.task_id, "test")
    dispatch.dispatch([run.workload.name])
    with database.connection() as session:
        number = workload_store.list_open(session, run.task_id, "clips", 10)[0]
    create, calls = Provider.create, list[str]()

    def refused(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        calls.append(path)
        if len(calls) == 1:
            lifecycle.pause(run.task_id, "test")
            lifecycle.resume(run.task_id, "test")
            dispatch.dispatch([run.workload.name])
            raise ProviderThrottled
        return create(self, path, body)

    monkeypatch.setattr(Provider, "create", refused)
    batch = running.Batch(task_id=run.task_id, attempt=run.task.attempt, stage="clips", first=number, last=number)

    # WHEN that create is refused at last
    assert running.run_batch(batch).next == "done"

    # THEN the price is held still: the resumed task counts on that, and goes on
    assert sql("SELECT reserved FROM task_spending WHERE task_id = %s", run.task_id) == [{"reserved": Decimal(3)}]
    assert run.go_on().status == "SUCCEEDED"
    assert ask("GET", f"/{run.task_id}")[1]["spending"] == {
        "max_cost": "6.28",
        "cost": "6.28",
        "reserved_cost": "0.00",
    }


def test_a_video_is_approved_and_cancelled_at_the_same_time() -> None:
    # GIVEN a storyboard that waits for its approval
    run = make({"approve": "storyboard"})
    ready, refused = threading.Barrier(2), list[str]()

    def decide(how: Callable[[str, str], object]) -> None:
        ready.wait()
        try:
            how(run.task_id, "test")
        except IllegalTransition as error:
            refused.append(error.code)
        finally:
            database.close()

    # WHEN one approves while another cancels
    threads = [threading.Thread(target=decide, args=(how,)) for how in (lifecycle.resume, lifecycle.cancel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # THEN it is cancelled, whoever was first; a late approval or edit is refused, and nothing is paid for
    assert refused in ([], ["illegal_transition"])
    assert run.go_on().status == "CANCELLED"
    with pytest.raises(IllegalTransition):
        lifecycle.resume(run.task_id, "test")
    status, body, _ = ask("PUT", f"/{run.task_id}/storyboard", {"scenes": [scene(1), scene(2)]})
    assert (status, body["code"]) == (409, "illegal_transition")
    assert not created()


@contextmanager
def waiting(does: Callable[[float], None]) -> Iterator[None]:
    """`does` is called with the seconds of each wait of a step that uses up no try."""
    delay = running._delay

    def noted(task: Any, item: Any, tries: int, seconds: float, error: Exception | None) -> None:
        delay(task, item, tries, seconds, error)
        if error is None:
            does(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_delay", noted)
        yield


@pytest.mark.parametrize("from_the", ["first frame", "first clip"])
def test_a_provider_that_is_away_for_an_hour_is_waited_for(
    from_the: str, model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a provider that nobody reaches; the seconds that steps wait are those that pass
    passed, clock = [0.0], datetime

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now(tz) + timedelta(seconds=passed[0])

    def reach(address: str) -> None:
        monkeypatch.setenv("DASHSCOPE_ENDPOINT", address)
        settings.of.cache_clear()
        provider.provider.cache_clear()

    def wait(seconds: float) -> None:
        passed[0] += seconds
        if passed[0] > 3_600:
            passed[0] = 0.0
            reach(model.url)
            monkeypatch.setattr(jobs, "datetime", clock)

    create = Provider.create

    def gone(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        if "img_url" in body["input"]:
            monkeypatch.setattr(Provider, "create", create)
            reach(CLOSED)
            return create(provider.provider(), path, body)
        return create(self, path, body)

    if from_the == "first frame":
        reach(CLOSED)
    else:
        monkeypatch.setattr(Provider, "create", gone)
    monkeypatch.setattr(jobs, "datetime", Clock)
    with waiting(wait):
        run = make({})
    # THEN no step has used up its tries, and nothing is paid for twice
    assert (run.status, failures(run)) == ("SUCCEEDED", {})
    assert jobs.datetime is clock
    assert len(created()) == 4
    assert set(created().values()) == {1}


def test_a_provider_that_stays_away_fails_its_step_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "AWAY", -timedelta(seconds=1))
    monkeypatch.setenv("DASHSCOPE_ENDPOINT", CLOSED)
    settings.of.cache_clear()
    provider.provider.cache_clear()
    run = make({"model": "wan2.6-t2v"})
    assert run.status == "FAILED"
    assert set(failures(run).values()) == {"provider_unavailable"}


@pytest.mark.parametrize("of", [Part.frame, Part.clip, Part.film])
def test_s3_that_is_away_costs_neither_tries_nor_a_second_job(of: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN S3 at an address where nothing listens, for more uploads of such a file than a step has tries
    monkeypatch.setattr(running, "TRANSIENT_RETRIES", 2)
    s3, upload, refused, times = aws.client("s3"), files.upload, list[str](), running.TRANSIENT_RETRIES + 3
    gone = boto3.client("s3", endpoint_url=CLOSED, config=Config(retries={"max_attempts": 1}))

    def away(path: Path, key: str, kind: Part) -> None:
        if kind == of and len(refused) < times:
            refused.append(key)
            with monkeypatch.context() as patch:
                patch.setattr(aws, "client", lambda _: gone)
                upload(path, key, kind)
        else:
            upload(path, key, kind)

    monkeypatch.setattr(files, "upload", away)
    run = make({"seconds": 5})
    assert (run.status, failures(run), len(refused)) == ("SUCCEEDED", {}, times)
    assert set(created().values()) == {1}
    assert s3 is aws.client("s3")


class Broken(BaseHTTPRequestHandler):
    """An S3 whose files break off after the first bytes."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"1"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"a few")
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def broken() -> Iterator[Any]:
    """S3's client for one whose files break off."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield boto3.client("s3", endpoint_url=address, config=Config(retries={"max_attempts": 1}))
        server.shutdown()


def test_a_file_that_breaks_off_each_time_is_waited_for(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, refused, times = files.read_into, list[str](), running.TRANSIENT_RETRIES + 3

    def breaks_off(key: str, path: Path) -> None:
        if len(refused) < times:
            refused.append(key)
            with monkeypatch.context() as patch:
                patch.setattr(aws, "client", lambda _: broken)
                read(key, path)
        else:
            read(key, path)

    monkeypatch.setattr(files, "read_into", breaks_off)
    run = make({"seconds": 5})
    assert (run.status, failures(run), len(refused)) == ("SUCCEEDED", {}, times)
    assert set(created().values()) == {1}


def test_a_bucket_that_refuses_us_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject")

    def refuse(path: Path, key: str, kind: Part) -> None:
        raise AwsUnavailable(f"the {kind} cannot be stored") from denied

    monkeypatch.setattr(files, "upload", refuse)
    run = make({"seconds": 5})
    assert (run.status, failures(run)) == ("FAILED", {"frames/frame/001": "aws_unavailable"})


def test_two_scenes_that_ask_for_the_same_and_lose_both_answers_have_a_job_each(
    monkeypatch: pytest.MonkeyPatch, sql: Any
) -> None:
    # GIVEN two videos of a tenant with the same prompts; both answers for their first frames are lost. The one's search
    # finds both jobs, and the other's first, by its time in the provider's list
    create, list_jobs, lost = Provider.create, Provider.list_jobs, list[str]()

    def loses(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        if lost:
            return create(self, path, body)
        lost.append(create(self, path, body))  # the other's
        lost.append(create(self, path, body))
        raise ProviderUnavailable

    def timed(self: Provider, model: str, since: datetime, until: datetime) -> list[ListedJob]:
        now = datetime.now(UTC)
        earlier = {lost[0]: now - timedelta(seconds=60)} if lost else {}
        return [ListedJob(job.job_id, earlier.get(job.job_id, now)) for job in list_jobs(self, model, since, until)]

    monkeypatch.setattr(Provider, "create", loses)
    monkeypatch.setattr(Provider, "list_jobs", timed)
    first = make({})

    # WHEN the other looks for its own
    def unsent(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        monkeypatch.setattr(Provider, "create", create)
        raise ProviderUnavailable

    monkeypatch.setattr(Provider, "create", unsent)
    second = make({})

    # THEN each has the one that was made when it asked, and no third was paid for
    assert (first.status, second.status) == ("SUCCEEDED", "SUCCEEDED")
    owners = {row["job_id"]: _text(row["task_id"]) for row in sql("SELECT job_id, task_id FROM video_jobs")}
    assert [owners[job_id] for job_id in lost] == [second.task_id, first.task_id]
    assert len(owners) == 8
    assert set(created().values()) == {2}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def fingerprint_held(sql: Any, run: Any, age: int = 0) -> Iterator[None]:
    """Another step's create of the first frame that `make({})` asks for is unclear for so many seconds."""
    order = jobs.frame_order(Video(topic="tides"), "picture 1. a grey harbour")
    statement = (
        "INSERT INTO video_creates (fingerprint, task_id, step_key, created_at)"
        " VALUES (%s, %s, 'frame/001', UTC_TIMESTAMP(6) - INTERVAL %s SECOND)"
    )
    sql(statement, order.fingerprint, run.task_id, age)
    yield
    with database.connection() as session:
        store.end_create(session, order.fingerprint, run.task_id, "frame/001")


def test_while_a_steps_create_is_unclear_no_other_asks_for_the_same(sql: Any) -> None:
    other, waits = make({"approve": "script"}), list[float]()

    # WHEN another step waits for what an unclear create has made
    held = fingerprint_held(sql, other)
    held.__enter__()

    def until_it_is_clear(seconds: float) -> None:
        waits.append(seconds)
        assert ("wan2.2-t2i-flash", "picture 1. a grey harbour") not in created()
        if len(waits) == 3:
            held.__exit__(None, None, None)

    with waiting(until_it_is_clear):
        run = make({})

    # THEN the same is asked for once that is clear, and the rest goes on meanwhile
    assert (run.status, waits) == ("SUCCEEDED", 3 * [jobs.MAX_LOOK_SECONDS])
    assert set(created().values()) == {1}
    assert sql("SELECT COUNT(*) AS n FROM video_creates") == [{"n": 0}]


def test_a_create_that_made_nothing_gives_others_their_turn(sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the step that asked goes on trying, for hours."""
    create, tried, free = Provider.create, list[str](), list[bool]()

    def fails(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        if len(tried) < 3:
            tried.append(path)
            raise ProviderUnavailable("500")
        return create(self, path, body)

    def looked(seconds: float) -> None:
        [row] = sql("SELECT COUNT(*) AS n FROM video_creates WHERE step_key LIKE '%%frame/001'")
        free.append(row["n"] == 0)

    monkeypatch.setattr(Provider, "create", fails)
    with waiting(looked):
        run = make({"seconds": 5})
    assert (run.status, set(created().values())) == ("SUCCEEDED", {1})
    assert free.count(True) >= len(tried) == 3


def test_an_unclear_create_of_long_ago_keeps_nobody_waiting(sql: Any) -> None:
    other, waits = make({"approve": "script"}), list[float]()
    with fingerprint_held(sql, other, age=math.ceil(jobs.SEARCH_LASTS.total_seconds()) + 1), waiting(waits.append):
        assert make({}).status == "SUCCEEDED"
    assert waits == []


def test_two_scenes_with_one_prompt_that_lose_their_answers_have_the_clip_of_their_own_frame(
    monkeypatch: pytest.MonkeyPatch, sql: Any
) -> None:
    # GIVEN a list of jobs that tells no times, the newest first, and two scenes with the same prompt
    create, list_jobs, frames = Provider.create, Provider.list_jobs, dict[str, str]()

    def untimed(self: Provider, model: str, since: datetime, until: datetime) -> list[ListedJob]:
        return [ListedJob(job.job_id, None) for job in reversed(list_jobs(self, model, since, until))]

    def loses(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        job_id = create(self, path, body)
        if "img_url" not in body["input"]:
            return job_id
        frames[job_id] = body["input"]["img_url"]
        raise ProviderUnavailable

    monkeypatch.setattr(writing, "clip_prompt", lambda *_: "the same harbour")
    monkeypatch.setattr(Provider, "list_jobs", untimed)
    monkeypatch.setattr(Provider, "create", loses)

    # WHEN both lose the answers of their creates
    assert make({}).status == "SUCCEEDED"

    # THEN each has found its own
    owners = {row["job_id"]: row["step_key"] for row in sql("SELECT job_id, step_key FROM video_jobs")}
    assert len(frames) == 2
    for job_id, link in frames.items():
        assert owners[job_id].replace("clip/", "/") + "/frame-1.png" in link


def test_a_job_is_claimed_once_however_many_find_it_at_once(sql: Any) -> None:
    run, ready, claimed = make({"approve": "script"}), threading.Barrier(8), list[bool]()

    def claim(number: int) -> None:
        ready.wait()
        with database.connection() as session:
            claimed.append(store.claim_job(session, "job-1", run.task_id, f"frame/{number:03d}"))
        database.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [False] * 7 + [True]
    assert sql("SELECT COUNT(*) AS n FROM video_jobs") == [{"n": 1}]


def test_the_list_says_by_our_clock_when_a_job_was_made() -> None:
    body = {"model": "wan2.2-t2i-flash", "input": {"prompt": "a pier"}, "parameters": {"size": "1280*720"}}
    job_id = provider.provider().create("/api/v1/services/aigc/text2image/image-synthesis", body)
    now = datetime.now(UTC)
    [listed] = provider.provider().list_jobs("wan2.2-t2i-flash", now - timedelta(minutes=1), now)
    assert listed.job_id == job_id
    assert listed.created_at is not None
    assert abs(listed.created_at - now) < timedelta(seconds=3)
