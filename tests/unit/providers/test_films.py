"""DashScope's stand-in, as a client meets it; and what the language model's invents of a film."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import av
import pytest
import urllib3

from local.providers.dashscope import footage
from local.providers.llm import films
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable
from tests import serving
from tests.serving import StandIn
from videos.capabilities import IMAGE_PATH, VIDEO_PATH
from videos.provider import Provider

IMAGE: dict[str, Any] = {"model": "t2i", "input": {"prompt": "a pier"}, "parameters": {"size": "1280*720"}}
CLIP: dict[str, Any] = {"model": "t2v", "input": {"prompt": "waves"}, "parameters": {"size": "1280*720", "duration": 5}}


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with serving.served(StandIn, api_key="k") as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(served: StandIn) -> StandIn:
    served.reset()
    plan(served)
    return served


def plan(stand_in: StandIn, **faults: Any) -> None:
    stand_in.control(videos={"latency_ms": 0, "job_seconds": 0, **faults})


@pytest.fixture
def provider(stand_in: StandIn) -> Provider:
    return Provider(stand_in.url, "k")


def test_a_picture_and_a_clip_are_real(provider: Provider) -> None:
    picture, clip = (
        provider.read(provider.create(path, body)) for path, body in ((IMAGE_PATH, IMAGE), (VIDEO_PATH, CLIP))
    )
    assert (picture.status, picture.prompt, clip.prompt) == ("SUCCEEDED", "a pier", "waves")
    assert picture.url is not None
    assert clip.url is not None
    with av.open(io.BytesIO(urllib3.request("GET", picture.url).data)) as file:
        frame = next(file.decode(video=0))
        assert (frame.width, frame.height) == (160, 90)
    with av.open(io.BytesIO(urllib3.request("GET", clip.url).data)) as file:
        assert abs(file.duration / 1_000_000 - 5) < 0.1
        assert [stream.type for stream in file.streams] == ["video", "audio"]


def test_a_link_is_signed(provider: Provider) -> None:
    url = provider.read(provider.create(IMAGE_PATH, IMAGE)).url
    assert url is not None
    assert urllib3.request("GET", url.partition("?")[0]).status == 403


def test_a_clip_begins_with_a_picture_that_can_be_had(provider: Provider, stand_in: StandIn) -> None:
    body = CLIP | {"input": {"prompt": "waves", "img_url": f"{stand_in.url}/health"}}
    job = provider.read(provider.create(VIDEO_PATH, body))
    assert (job.status, job.code) == ("FAILED", "InvalidParameter.DownloadFailed")


def test_jobs_take_their_time_are_listed_and_only_cancelled_while_they_wait(
    provider: Provider, stand_in: StandIn
) -> None:
    plan(stand_in, job_seconds=3600)
    waiting = provider.create(IMAGE_PATH, IMAGE)
    plan(stand_in)
    done = provider.create(VIDEO_PATH, CLIP)
    now = datetime.now(UTC)
    [listed] = provider.list_jobs("t2i", now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert listed.job_id == waiting
    assert provider.list_jobs("t2i", now - timedelta(hours=2), now - timedelta(hours=1)) == []
    assert provider.read(waiting).status == "PENDING"
    assert (provider.cancel(waiting), provider.cancel(waiting), provider.cancel(done)) == (True, False, False)
    assert provider.read(waiting).status == "CANCELED"
    assert provider.read("no-such-job").status == "UNKNOWN"


def test_requests_fail_as_the_service_fails(provider: Provider, stand_in: StandIn) -> None:
    plan(stand_in, script=["throttled", "500", "drop"])
    for error in (ProviderThrottled, ProviderUnavailable, ProviderUnavailable):
        with pytest.raises(error):
            provider.create(IMAGE_PATH, IMAGE)
    with pytest.raises(BadAnswer, match="InvalidApiKey"):
        Provider(stand_in.url, "wrong").create(IMAGE_PATH, IMAGE)
    with pytest.raises(BadAnswer, match="InvalidParameter"):
        provider.create(IMAGE_PATH, {"model": "t2i", "input": {}})


def test_a_lost_answer_leaves_a_job(provider: Provider, stand_in: StandIn) -> None:
    plan(stand_in, script=["lost_answer"])
    with pytest.raises(ProviderUnavailable):
        provider.create(IMAGE_PATH, IMAGE)
    now = datetime.now(UTC)
    (job,) = provider.list_jobs("t2i", now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert provider.read(job.job_id).prompt == "a pier"


def test_the_same_prompt_has_the_same_footage() -> None:
    assert footage.clip("waves", 64, 64, 1) is footage.clip("waves", 64, 64, 1)
    assert footage.picture("waves", 64, 64) == footage.picture("waves", 64, 64)


def test_a_film_is_invented_from_its_topic() -> None:
    assert films.script("Tides")["title"] == "Tides"
    scenes = films.storyboard("Tides", 9, 12)["scenes"]
    assert [scene["title"].split(",")[0] for scene in scenes] == ["Scene 9", "Scene 10", "Scene 11", "Scene 12"]
    assert scenes == films.storyboard("Tides", 9, 12)["scenes"]
