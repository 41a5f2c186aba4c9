"""Two stages with a person between them: a draft, its approval, and its publication in several channels.

It shows
- a stage of one item (`@workload.step`), and a later stage that reads its output;
- `approval`: the task is PAUSED, costs nothing and says what it asks. Resuming it approves, cancelling it refuses;
- `step.once`: a post is sent once, although its step may run again;
- `retries` of each step, and a failed channel that `longhaul retry` tries again without the others.

Try it: copy the file to functions/workloads, run `make up`, then

    TASK=$(longhaul submit publish_posts topic="Our new bakery" 'channels:=["blog", "mail"]')
    longhaul results $TASK        # the draft
    longhaul resume $TASK         # approve it
    longhaul watch $TASK
"""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from longhaul.workloads import Item, StepContext, TaskContext, Workload


class Post(BaseModel):
    """What a caller submits."""

    topic: str = Field(min_length=1, max_length=200)
    channels: list[str] = Field(min_length=1, max_length=20)


class Draft(BaseModel):
    """What the model writes, and what the person reads before it is published."""

    title: str = Field(max_length=80)
    text: str


class Published(BaseModel):
    channel: str
    post_id: str


workload = Workload(
    "publish_posts",
    params=Post,
    title=lambda params: f"Post: {params.topic}",
    seconds_allowed=7 * 86_400,  # the person has a week
)


@workload.step(timeout=120)
def draft(step: StepContext[Post]) -> Draft:
    return step.llm.ask(f"Write a short post for our customers.\n\n{step.params.topic}", Draft)


workload.approval("editor", "Publish the draft?")


@workload.stage
def channels(task: TaskContext[Post]) -> Iterable[Item]:
    for channel in dict.fromkeys(task.params.channels):
        yield Item(channel, label=f"publish in {channel}")


@channels.step(timeout=30, retries=5)
def publish(step: StepContext[Post]) -> Published:
    written = next(iter(step.outputs("draft"))).output
    post_id = step.once("post", lambda: send(step.key, written["title"], f"{step.task_id}/{step.key}"))
    return Published(channel=step.key, post_id=post_id)


def send(channel: str, title: str, key: str) -> str:
    """Send the post to its channel and return its id there. Put the API of your channel here.

    `key` is the same in every try. Pass it on as an idempotency key: a worker may die after the post was sent and
    before its id was remembered.
    """
    return f"{channel}-{key.rpartition('_')[2]}"
