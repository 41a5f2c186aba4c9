"""sweep_videos: queued jobs of tasks that were stopped are cancelled, files that are nobody's are deleted."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from longhaul import database
from longhaul.tasks import lifecycle, purging
from tests.calling import call
from tests.chatting import StandIn
from tests.integration.videos.conftest import BUCKET, keys, make
from videos import files
from videos.model import Part
from videos.provider import provider
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
