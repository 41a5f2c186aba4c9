"""What a test of videos finds ready: DashScope's stand-in, whose jobs take no time, and an empty bucket."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from longhaul import aws, settings, testing
from longhaul.tasks.kinds import kinds
from longhaul.testing import Run
from tests.chatting import API_KEY, StandIn
from videos import making, provider, writing
from videos.capabilities import DEFAULT_CLIP_MODEL, DEFAULT_IMAGE_MODEL
from videos.model import Scene, Script

BUCKET = "videos-of-the-tests"


@pytest.fixture(autouse=True)
def ready(model: StandIn) -> Iterator[None]:
    """Each test begins without tasks. What it adds to the kinds is forgotten at its end."""
    known = dict(kinds())
    yield
    kinds().clear()
    kinds().update(known)


@pytest.fixture(autouse=True)
def dashscope(model: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """The provider at the stand-in, with an empty bucket. `dashscope(script=["failed"])` has something go wrong."""
    secret = boto3.client("secretsmanager").create_secret(Name=f"dashscope-{os.urandom(4).hex()}", SecretString=API_KEY)
    monkeypatch.setenv("DASHSCOPE_ENDPOINT", model.url)
    monkeypatch.setenv("DASHSCOPE_SECRET_ARN", secret["ARN"])
    monkeypatch.setenv("VIDEO_HOSTS", model.url.removeprefix("http://"))
    monkeypatch.setenv("VIDEOS_BUCKET", BUCKET)
    settings.of.cache_clear()
    provider.provider.cache_clear()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)

    def control(**faults: Any) -> None:
        model.control(videos={"latency_ms": 0, "job_seconds": 0, **faults})

    control()
    yield control
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    settings.of.cache_clear()
    provider.provider.cache_clear()


@pytest.fixture
def in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes are written and joined two at a time: a film of three takes every step that a long one takes."""
    monkeypatch.setattr(writing, "SCENES_AT_ONCE", 2)
    monkeypatch.setattr(making, "PART_SCENES", 2)


def write(prompt: str) -> dict[str, Any]:
    """What the language model answers: a script, or the scenes that are asked for."""
    if "Write the script" in prompt:
        return Script(title="Tides", summary="The sea rises and falls.", look="a grey harbour").model_dump()
    first, last = (int(word) for word in prompt.split("Write scenes ")[1].split(" of")[0].split(" to "))
    scenes = [
        Scene(title=f"Scene {n}", narration=f"This is said in scene {n}.", prompt=f"picture {n}", motion="a wave")
        for n in range(first, last + 1)
    ]
    return {"scenes": [scene.model_dump() for scene in scenes]}


def make(params: dict[str, Any], **more: Any) -> Run:
    """A video is made, as far as it goes."""
    from videos.kinds import video

    return testing.run(video, {"topic": "tides", "seconds": 10, **params}, answer=write, **more)


def keys() -> list[str]:
    """The keys of the bucket, without tenant and task."""
    found = aws.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return sorted(one["Key"].split("/", 2)[2] for one in found if one["Key"].count("/") > 1)


def film_of(run: Run, version: int = 1) -> bytes:
    key = f"test/{run.task_id}/000/film-{version}.mp4"
    return aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def failures(run: Run) -> dict[str, str]:
    """The codes of items that failed, by their keys."""
    return {row.key: row.error.code for row in run.results if row.error}


def created() -> Counter[tuple[str, str | None]]:
    """What the provider was asked for, by model and prompt, and how often."""
    now, asked = datetime.now(UTC), provider.provider()
    return Counter(
        (model, asked.read(job.job_id).prompt)
        for model in (DEFAULT_IMAGE_MODEL, DEFAULT_CLIP_MODEL)
        for job in asked.list_jobs(model, now - timedelta(hours=1), now + timedelta(minutes=1))
    )
