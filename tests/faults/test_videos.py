"""Videos whose workers die while they ask, wait, copy and join: the film is whole, and nothing is paid for twice."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import av
import pytest

from local.running import RunningStack, eventually, send
from tests.observation import Observer
from tests.providing import Provider

SCENES, SECONDS = 11, 5  # more than one call joins
STEP_KILLS, FILM_KILLS = 5, 2


@pytest.fixture
def slow(provider: Provider) -> Iterator[Provider]:
    """A provider whose answers and files take a moment, so that workers are busy."""
    provider.control(videos={"job_seconds": 1.0, "latency_ms": 150, "scale": 0.1})
    yield provider
    provider.reset()


def test_workers_that_die_while_a_film_is_made_cost_nothing_but_time(
    observer: Observer, slow: Provider, stack: RunningStack
) -> None:
    # GIVEN a film that is joined in parts
    params = {"topic": "How the tide turns", "seconds": SCENES * SECONDS, "max_cost": "40"}
    task_id = str(observer.post("/api/v1/tasks", {"kind": "video_generation", "params": params})["task_id"])

    # WHEN workers of its steps are killed at work, and then those that join
    for _ in range(STEP_KILLS):
        eventually(lambda: stack.kill_worker("RunVideoStep", busy=True), 60, pause=0.02)
    for _ in range(FILM_KILLS):
        eventually(lambda: stack.kill_worker("AssembleFilm", busy=True), 90, pause=0.02)
    task = observer.ended(task_id, 120)
    if (
        task["status"] == "FAILED"
    ):  # a step whose worker died at each of its tries says so, and is tried again by a person
        died = [row["error_message"] for row in observer.steps(task_id).values() if row["error_message"]]
        assert all("its worker died" in message or "failed" in message for message in died), died
        assert observer.steer(task_id, "retry").status == 200
        task = observer.ended(task_id, 120)

    # THEN the film is whole
    assert task["status"] == "SUCCEEDED"
    assert (task["result"]["scenes"], task["result"]["missing"]) == (SCENES, [])
    video = observer.get(f"/api/v1/videos/{quote(task_id)}")
    with av.open(io.BytesIO(send(video["film"]["url"], "GET", None, {}, 30).body)) as film:
        assert abs(film.duration / 1_000_000 - SCENES * SECONDS) < 0.2
        assert sum(1 for _ in film.decode(video=0)) > SCENES * SECONDS

    # AND each frame and each clip was paid for once, and nothing is held any more
    assert slow.calls("video", "create")["count"] == 2 * SCENES
    assert video["spending"]["reserved_cost"] == "0.00"
    assert video["cost"] == video["spending"]["cost"] == f"{SCENES * 3.14:.2f}"
    jobs: list[dict[str, Any]] = observer.sql(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT step_key) AS steps FROM video_jobs WHERE task_id = %s", task_id
    )
    assert jobs == [{"n": 2 * SCENES, "steps": 2 * SCENES}]
