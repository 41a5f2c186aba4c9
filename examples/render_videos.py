"""Polling a provider's jobs: a step that waits for minutes, while no function runs and nothing is paid.

It shows
- `step.once`: the job is created once and paid for once, however often its step runs;
- `raise Later(seconds=...)`: the step is run again then. Waiting is no failure and counts no try;
- `step.report`: how far the job is, which the task's progress counts;
- `step.forget`: a job that failed is forgotten, so that the next try creates another.

Try it: copy the file to functions/workloads, run `make up`, then

    longhaul submit render_videos 'prompts:=["a cat on a bicycle", "the sea at night"]' --watch
"""

import time
import uuid
from collections.abc import Iterable

from pydantic import BaseModel, Field

from longhaul.workloads import Item, Later, StepContext, TaskContext, Workload

POLL_SECONDS = 5.0
RENDER_SECONDS = 20.0  # of the provider that is made up below


class Prompts(BaseModel):
    """What a caller submits."""

    prompts: list[str] = Field(min_length=1, max_length=1_000)


class Video(BaseModel):
    """What a step returns: where the video lies."""

    url: str


class RenderFailed(Exception):
    """The provider could not render it; another job may."""


class Job(BaseModel):
    """A job as the provider tells of it. `done`: 0 to 1."""

    done: float
    error: str | None = None
    url: str = ""


workload = Workload("render_videos", params=Prompts, title="Videos", in_flight=50, tolerate=0.1)


@workload.stage
def videos(task: TaskContext[Prompts]) -> Iterable[Item]:
    for number, prompt in enumerate(task.params.prompts):
        yield Item(f"video/{number:04d}", label=prompt[:40], input={"prompt": prompt})


@videos.step(timeout=30, retries=2)
def render(step: StepContext[Prompts]) -> Video:
    job_id = step.once("job", lambda: create_job(step.input["prompt"]))
    job = read_job(job_id)
    if job.error:
        step.forget("job")
        raise RenderFailed(job.error)
    if job.done < 1:
        step.report(job.done)
        raise Later(seconds=POLL_SECONDS)
    return Video(url=job.url)


def create_job(prompt: str) -> str:
    """Ask the provider for a video; the job's id. Put your provider's API here: this one's id says when it began."""
    return f"{time.time():.0f}-{uuid.uuid5(uuid.NAMESPACE_URL, prompt)}"


def read_job(job_id: str) -> Job:
    """How far the job is. Put your provider's API here."""
    began, _, name = job_id.partition("-")
    done = min(1.0, (time.time() - float(began)) / RENDER_SECONDS)
    return Job(done=done, url=f"https://videos.example/{name}.mp4" if done == 1 else "")
