"""The kinds of tasks that make videos, as code-first workloads: a whole video, and one of its scenes anew.

script -> (approval) -> storyboard -> (approval) -> frames -> clips -> parts -> film
"""

from collections.abc import Iterator
from typing import Any

from longhaul import database, stored
from longhaul.errors import Conflict, NotFound
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Status
from longhaul.workloads import Item, StepContext, TaskContext, Workload
from videos import conversations, making, store, writing
from videos.making import STEPS, Subject
from videos.model import KIND, REMAKE_KIND, Remake, Video

WEEK = 7 * 86_400  # for a person who approves, and a provider that is away

video: Workload[Video] = Workload(
    KIND,
    params=Video,
    title=lambda params: f"Video: {params.topic or params.conversation_id}",
    in_flight=5,
    seconds_allowed=WEEK,
    budget=lambda params: params.max_cost,
    over_budget="pause",
)
remake: Workload[Remake] = Workload(
    REMAKE_KIND,
    params=Remake,
    title=lambda params: f"Scene {params.sequence_number} of {params.video_id}",
    seconds_allowed=86_400,
    budget=lambda params: params.max_cost,
    over_budget="pause",
    open_key=lambda params: params.video_id,
)


@video.step(name="script", timeout=300, retries=2, function=STEPS)
def script(step: StepContext[Video]) -> dict[str, Any]:
    about = step.params.topic or ""
    if step.params.conversation_id:
        about = conversations.material(step.params.conversation_id, step.tenant_id, about)
    written = writing.write_script(step, about)
    step.save(lambda tx: store.save_script(tx, step.task_id, written, 1))
    return {"title": written.title}


video.approval("script_approval", "Make a storyboard of the script?", when=lambda params: params.approve == "script")


@video.stage(name="storyboard", in_flight=1)
def storyboard(task: TaskContext[Video]) -> Iterator[Item]:
    for first in range(1, task.params.scenes + 1, writing.SCENES_AT_ONCE):
        last = min(first + writing.SCENES_AT_ONCE - 1, task.params.scenes)
        yield Item(f"scenes/{first:03d}", f"scenes {first} to {last}", {"first": first, "last": last})


@storyboard.step(timeout=300, retries=2, function=STEPS)
def scenes(step: StepContext[Video]) -> dict[str, Any]:
    first, last = step.input["first"], step.input["last"]
    with database.connection() as session:
        found = store.fetch_script(session, step.task_id)
        before = store.list_scenes(session, step.task_id)
    if found is None:
        raise NotFound(f"{step.task_id} has no script")
    written = [
        (number, 1, scene)
        for number, scene in enumerate(writing.write_scenes(step, found.content, before, first, last), first)
    ]
    step.save(lambda tx: store.save_scenes(tx, step.task_id, written))
    return {"scenes": len(written)}


video.approval(
    "storyboard_approval", "Make the film of the storyboard?", when=lambda params: params.approve == "storyboard"
)


def _of_video(task: TaskContext[Video]) -> Subject:
    return Subject(task.task_id, task.tenant_id, task.params, task.params)


def _of_scene(task: TaskContext[Remake]) -> Subject:
    """Raises NotFound, and Conflict while the video is not done."""
    asked = task.params
    with database.connection() as session:
        made = task_store.fetch_for_tenant(session, asked.video_id, task.tenant_id)
    if made is None or made.kind != KIND:
        raise NotFound(f"there is no video {asked.video_id}")
    if made.status != Status.SUCCEEDED:
        raise Conflict(f"the video {asked.video_id} is {made.status}: only one that SUCCEEDED is changed")
    wanted = stored.read(Video, made.params)
    return Subject(asked.video_id, task.tenant_id, asked, wanted, asked.sequence_number, asked.prompt)


making.add_stages(video, _of_video, tolerate=lambda params: 1.0 if params.on_missing == "skip" else 0.0)
making.add_stages(remake, _of_scene)


@video.result
def film(task: TaskContext[Video]) -> dict[str, Any]:
    return making.result_of(task, task.task_id)


@remake.result
def film_anew(task: TaskContext[Remake]) -> dict[str, Any]:
    return making.result_of(task, task.params.video_id)


KINDS = (video.kind, remake.kind)
