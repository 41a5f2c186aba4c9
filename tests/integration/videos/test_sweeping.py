"""sweep_videos: queued jobs of tasks that were stopped are cancelled, files that are nobody's are deleted."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import pytest

from longhaul import aws, database
from longhaul.errors import AwsUnavailable, BadAnswer, ProviderUnavailable
from longhaul.tasks import lifecycle, purging
from tests.calling import call
from tests.chatting import StandIn
from tests.integration.videos.conftest import BUCKET, keys, make
from videos import files, sweeping
from videos.model import Part
from videos.provider import Job, Provider, provider
from videos.store import claim_job

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Control = Callable[..., None]
BODY: dict[str, Any] = {"model": "wan2.2-t2i-flash", "input": {"prompt": "a pier"}, "parameters": {"size": "1280*720"}}


def a_job(task_id: str) -> str:
    job_id = provider().create("/api/v1/services/aigc/text2image/image-synthesis", BODY)
    with database.connection() as session:
        assert claim_job(session, job_id, task_id, "frame/001")
    return job_id


def test_a_queued_job_of_a_cancelled_task_is_cancelled_once(dashscope: Control, model: StandIn) -> None:
    # GIVEN tasks that wait for an approval, each with a job that is queued; one is cancelled
    stopped, waiting = make({"approve": "script"}), make({"approve": "script"})
    dashscope(job_seconds=3600)
    jobs = [a_job(run.task_id) for run in (stopped, waiting)]
    lifecycle.cancel(stopped.task_id, "test")
    # WHEN the minute's sweep comes, twice
    assert call("videos", "sweep_videos", {}) == {"jobs": 1, "files": 0}
    assert call("videos", "sweep_videos", {}) == {"jobs": 0, "files": 0}
    # THEN the provider has cancelled that one
    assert [provider().read(job_id).status for job_id in jobs] == ["CANCELED", "PENDING"]


def test_files_of_a_purged_video_are_deleted_and_no_others() -> None:
    gone, kept = make({}), make({})
    assert len(keys()) == 16
    purging.purge_one(gone.task_id, "test")
    # AND a worker that outlived its video writes one more file
    boto3.client("s3").put_object(Bucket=BUCKET, Key=files.key_of("test", gone.task_id, 1, Part.clip, 9), Body=b"late")
    assert call("videos", "sweep_videos", {"files": True}) == {"jobs": 0, "files": 9}
    assert len(keys()) == 8
    assert files.delete_video("test", kept.task_id) == 8


def test_a_job_of_a_failed_task_is_swept_and_still_counted_when_the_task_is_retried(
    model: StandIn,
) -> None:
    # GIVEN a task that failed while its frames were paid for
    def unreadable(self: Provider, job_id: str) -> Job:
        raise BadAnswer(job_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Provider, "read", unreadable)
        run = make({"max_cost": "6.28"})
    assert run.status == "FAILED"
    assert call("videos", "sweep_videos", {}) == {"jobs": 2, "files": 0}
    assert call("videos", "sweep_videos", {}) == {"jobs": 0, "files": 0}
    # WHEN it is retried, THEN it uses them, and they are paid for and held no longer
    assert run.retry().status == "SUCCEEDED"
    assert model.calls(ask="video", key="create")["count"] == 4
    assert Decimal(run.task.statistics["cost"]) == Decimal("6.28")


def test_a_job_that_cannot_be_cancelled_does_not_stop_the_others(
    dashscope: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = make({"approve": "script"})
    dashscope(job_seconds=3600)
    job_ids = [a_job(stopped.task_id) for _ in range(5)]
    lifecycle.cancel(stopped.task_id, "test")
    cancel, away = Provider.cancel, set(job_ids[:2])

    def some(self: Provider, job_id: str) -> bool:
        if job_id in away:
            raise ProviderUnavailable
        return cancel(self, job_id)

    monkeypatch.setattr(Provider, "cancel", some)
    assert call("videos", "sweep_videos", {}) == {"jobs": 3, "files": 0}
    # AND those two come with the next sweep
    away.clear()
    assert call("videos", "sweep_videos", {}) == {"jobs": 2, "files": 0}


def test_a_provider_that_is_away_ends_the_sweep_after_the_files(
    dashscope: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = make({"approve": "script"})
    boto3.client("s3").put_object(Bucket=BUCKET, Key=files.key_of("test", "gone", 1, Part.clip, 1), Body=b"late")
    dashscope(job_seconds=3600)
    for _ in range(5):
        a_job(stopped.task_id)
    lifecycle.cancel(stopped.task_id, "test")
    asked: list[str] = []

    def away(self: Provider, job_id: str) -> bool:
        asked.append(job_id)
        raise ProviderUnavailable

    monkeypatch.setattr(Provider, "cancel", away)
    with pytest.raises(ProviderUnavailable):
        sweeping.sweep(with_files=True)
    assert len(asked) == 3
    assert keys() == []


def test_a_file_that_s3_does_not_delete_is_not_counted_as_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"Errors": [{"Key": "a", "Code": "InternalError", "Message": "again"}]}
    monkeypatch.setattr(aws.client("s3"), "delete_objects", lambda **_: refused)
    with pytest.raises(AwsUnavailable, match="1 files cannot be deleted: InternalError"):
        files.delete(["a", "b"])


def test_the_sweep_of_files_goes_on_where_it_was_and_begins_anew_behind_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "LISTED_AT_ONCE", 2)
    monkeypatch.setattr(sweeping, "PAGES", 1)
    s3 = boto3.client("s3")

    def leave(*numbers: int) -> None:
        for number in numbers:
            s3.put_object(Bucket=BUCKET, Key=files.key_of("test", "gone", number, Part.clip, 1), Body=b"late")

    # GIVEN five files that are nobody's, of which a sweep looks at two
    leave(1, 2, 3, 4, 5)
    assert sweeping.delete_orphans() == 2
    # WHEN others come before the place where it was, THEN it goes on behind that place
    leave(1, 2)
    assert keys() == [f"{number:03d}/clip-1.mp4" for number in (1, 2, 3, 4, 5)]
    assert [sweeping.delete_orphans() for _ in range(2)] == [2, 1]
    assert keys() == ["001/clip-1.mp4", "002/clip-1.mp4"]
    # AND the next one begins anew: at the place itself, which lies in the bucket before them
    assert [sweeping.delete_orphans() for _ in range(2)] == [1, 1]
    assert keys() == []
