"""The workloads of `examples`, in this process, with faults."""

from typing import Any

import pytest

from examples import publish_posts, rate_reviews, render_videos
from examples.render_videos import Job
from longhaul import testing
from longhaul.testing import Fail, Kill, Twice

REVIEWS = [f"Review {number}. The soup was cold." for number in range(4)]
GOOD = {"stars": 4, "reason": "The soup."}


def rate(max_cost: str, faults: Any = ()) -> testing.Run:
    params = {"reviews": REVIEWS, "model": "first", "max_cost": max_cost}
    return testing.run(rate_reviews.workload, params, faults=faults, answer=lambda prompt: GOOD)


def test_reviews_are_rated_within_the_budget() -> None:
    faults = [Fail("review/000000"), Kill("review/000001"), Kill("review/000002", "before"), Twice("review/000003")]
    run = rate("1", faults)
    assert run.status == "SUCCEEDED"
    assert run.result == {"rated": 4, "not_rated": 0, "mean": 4.0}
    assert run.outputs["review/000000"] == GOOD
    assert float(run.task.statistics["cost"]) > 0


def test_a_budget_that_is_reached_leaves_the_rest() -> None:
    run = rate("0.0000001")
    assert run.status == "SUCCEEDED"
    assert run.result == {"rated": 0, "not_rated": 4, "mean": None}
    assert {row.error.code for row in run.results if row.error} == {"budget_reached"}


def test_a_budget_that_is_reached_on_the_way_keeps_what_was_paid_for() -> None:
    # GIVEN what a request costs, and what it may cost at most
    cost = float(rate("1").task.statistics["cost"]) / len(REVIEWS)
    (refused, *_) = rate("0.0000001").results
    assert refused.error is not None
    worst = float(refused.error.message.removeprefix("the next request may cost ").partition(";")[0])
    # WHEN the budget allows a second request, but no third
    run = rate(f"{worst + 1.5 * cost:.6f}")
    # THEN two are rated
    assert run.status == "SUCCEEDED"
    assert run.result == {"rated": 2, "not_rated": 2, "mean": 4.0}


POST = {"topic": "Our new bakery", "channels": ["blog", "mail", "blog"]}
DRAFT = {"title": "We bake", "text": "From Monday on."}


def write_post(faults: Any = ()) -> testing.Run:
    return testing.run(publish_posts.workload, POST, faults=faults, answer=lambda prompt: DRAFT)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(channel, title) of each post that is sent."""
    sent: list[tuple[str, str]] = []

    def send(channel: str, title: str, key: str) -> str:
        sent.append((channel, title))
        return f"{channel}-{len(sent)}"

    monkeypatch.setattr(publish_posts, "send", send)
    return sent


def test_nothing_is_published_before_it_is_approved(sent: list[tuple[str, str]]) -> None:
    run = write_post()
    assert run.status == "PAUSED"
    assert run.error is not None
    assert run.error.code == "awaiting_approval"
    assert (run.outputs.keys(), sent) == ({"draft"}, [])
    run.resume()
    assert run.status == "SUCCEEDED"
    assert sent == [("blog", "We bake"), ("mail", "We bake")]
    assert run.outputs["mail"] == {"channel": "mail", "post_id": "mail-2"}


def test_a_post_is_sent_once_whatever_happens(sent: list[tuple[str, str]]) -> None:
    run = write_post([Kill("blog"), Twice("mail"), Kill("draft", "before")])
    assert run.resume().status == "SUCCEEDED"
    assert [channel for channel, _ in sent] == ["blog", "mail"]


def test_a_channel_that_fails_is_retried_alone(sent: list[tuple[str, str]]) -> None:
    run = write_post([Fail("mail", times=6)])
    assert run.resume().status == "FAILED"
    assert [channel for channel, _ in sent] == ["blog"]
    assert run.retry().status == "SUCCEEDED"
    assert [channel for channel, _ in sent] == ["blog", "mail"]


class Provider:
    """Jobs that are done at the third look; the first `failing` ones fail there."""

    def __init__(self, failing: int = 0) -> None:
        self.created: list[str] = []
        self.looks: dict[str, int] = {}
        self.failing = failing

    def create(self, prompt: str) -> str:
        self.created.append(prompt)
        return f"job-{len(self.created)}"

    def read(self, job_id: str) -> Job:
        self.looks[job_id] = looks = self.looks.get(job_id, 0) + 1
        failed = looks == 3 and int(job_id.removeprefix("job-")) <= self.failing
        return Job(done=min(1.0, looks / 3), error="no such style" if failed else None, url=f"https://v/{job_id}")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    provider = Provider()
    monkeypatch.setattr(render_videos, "create_job", provider.create)
    monkeypatch.setattr(render_videos, "read_job", provider.read)
    return provider


def test_a_job_is_created_once_and_polled(provider: Provider) -> None:
    run = testing.run(render_videos.workload, {"prompts": ["a", "b"]}, faults=[Kill("video/0000"), Twice("video/0001")])
    assert run.status == "SUCCEEDED"
    assert run.outputs == {"video/0000": {"url": "https://v/job-1"}, "video/0001": {"url": "https://v/job-2"}}
    assert provider.created == ["a", "b"]


def test_a_job_that_failed_gives_way_to_another(provider: Provider) -> None:
    provider.failing = 1
    run = testing.run(render_videos.workload, {"prompts": ["a"]})
    assert (run.status, provider.created) == ("SUCCEEDED", ["a", "a"])
    assert run.outputs["video/0000"] == {"url": "https://v/job-2"}


def test_jobs_that_keep_failing_fail_the_task_and_a_retry_makes_another(provider: Provider) -> None:
    provider.failing = 3
    run = testing.run(render_videos.workload, {"prompts": ["a"]})
    assert run.status == "FAILED"
    assert run.error is not None
    assert "a: no such style" in run.error.message
    assert run.retry().status == "SUCCEEDED"
    assert len(provider.created) == 4


def test_the_provider_that_is_made_up_ends_its_jobs() -> None:
    job_id = render_videos.create_job("a cat")
    assert render_videos.read_job(job_id).done < 1
    assert render_videos.read_job(f"0-{job_id}").url.endswith(".mp4")
