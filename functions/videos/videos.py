"""Videos as their callers read, edit and delete them, beside what the task core does for every task."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from longhaul import database, stored
from longhaul.database import Session
from longhaul.errors import AlreadyOpen, Conflict, IllegalTransition, InvalidRequest, NotFound
from longhaul.idempotency import KeyedRequest, claim
from longhaul.tasks import listing, purging
from longhaul.tasks import store as task_store
from longhaul.tasks.filtering import TaskFilter
from longhaul.tasks.listing import Place, Question
from longhaul.tasks.model import Status, Task, allowed_actions
from longhaul.tasks.submission import Submission, submit
from longhaul.workloads import budgets
from longhaul.workloads.budgets import Spending
from videos import files, store
from videos.model import KIND, REMAKE_KIND, Part, Remake, Resource, Scene, Script, Versioned, Video

AWAITS = "awaiting_approval"

type Check[T] = Callable[[T], None]
"""Raises when what is stored is not what the caller has seen."""


@dataclass(frozen=True)
class ReadVideo:
    """A video with all that it is made of. `resources` are every version, the latest of each kind of a scene first."""

    task: Task
    params: Video
    script: Versioned[Script] | None
    scenes: dict[int, Versioned[Scene]]
    resources: list[Resource]
    spending: Spending

    @property
    def cost(self) -> Decimal:
        return sum((resource.cost for resource in self.resources), start=Decimal(0))

    @property
    def waits_for(self) -> str | None:
        return _question(self.task)

    @property
    def state(self) -> list[object]:
        """What decides how it reads. A version of a script or a scene never changes."""
        return [
            *_task_state(self.task),
            self.waits_for,
            [self.spending.max_cost, self.spending.spent, self.spending.reserved],
            self.script and self.script.version,
            [[number, scene.version] for number, scene in self.scenes.items()],
            [_file_state(file) for file in self.resources],
        ]


@dataclass(frozen=True)
class ListedVideo:
    """A video in a list, with those of its files that a list shows."""

    task: Task
    film: Resource | None
    thumbnail: Resource | None
    preview: Resource | None

    @property
    def state(self) -> list[object]:
        """As a video's."""
        return [*_task_state(self.task), *(_file_state(file) for file in (self.film, self.thumbnail, self.preview))]


@dataclass(frozen=True)
class VideoSlice:
    items: list[ListedVideo]
    following: Place | None


def list_videos(question: Question, after: Place | None, limit: int) -> VideoSlice:
    """A part of the tenant's videos, and the place that the next part is after."""
    tasks, following = listing.find_after(question, after, limit)
    with database.connection() as session:
        found = store.list_films(session, [task.task_id for task in tasks])
    shown = [
        ListedVideo(task, *(found.get((task.task_id, kind)) for kind in (Part.film, Part.thumbnail, Part.preview)))
        for task in tasks
    ]
    return VideoSlice(shown, following)


def question_of(tenant_id: str, statuses: Sequence[Status]) -> Question:
    """The tenant's videos, of these statuses unless there are none, the newest first."""
    given: dict[str, Any] = {"kind": [KIND]} | ({"status": list(statuses)} if statuses else {})
    return Question(tenant_id, TaskFilter.model_validate(given))


def read(task_id: str, tenant_id: str) -> ReadVideo:
    """Here and below: raises NotFound."""
    with database.connection() as session:
        task, params = _find(session, task_id, tenant_id)
        return ReadVideo(
            task,
            params,
            store.fetch_script(session, task_id),
            store.list_scenes(session, task_id),
            store.list_resources(session, task_id),
            budgets.find(session, task_id, params.max_cost),
        )


def change_budget(task_id: str, max_cost: Decimal | None, *, request: KeyedRequest) -> Spending:
    """Change what a video, or a scene made anew, may cost; its spending. One that is paused must be resumed.

    A request that was carried out before changes nothing. Raises IllegalTransition, KeyReused.
    """

    def write(tx: Session) -> Spending:
        task = task_store.fetch_for_tenant(tx, task_id, request.tenant_id)
        if task is None or task.kind not in (KIND, REMAKE_KIND):
            raise NotFound(f"there is no video {task_id}")
        if claim(tx, request):
            budgets.change(tx, task, max_cost)
        params = stored.read(Video if task.kind == KIND else Remake, task.params)
        return budgets.find(tx, task_id, params.max_cost)

    return database.run_transaction(write)


def read_script(task_id: str, tenant_id: str) -> Versioned[Script]:
    with database.connection() as session:
        _find(session, task_id, tenant_id)
        script = store.fetch_script(session, task_id)
    if script is None:
        raise NotFound(f"{task_id} has no script yet")
    return script


def read_storyboard(task_id: str, tenant_id: str) -> dict[int, Versioned[Scene]]:
    with database.connection() as session:
        _find(session, task_id, tenant_id)
        scenes = store.list_scenes(session, task_id)
    if not scenes:
        raise NotFound(f"{task_id} has no storyboard yet")
    return scenes


def edit_script(
    task_id: str,
    user_id: str,
    script: Script,
    *,
    request: KeyedRequest,
    check: Check[Versioned[Script]] = lambda _: None,
) -> Versioned[Script]:
    """The script's next version, while a person is asked to approve it. Raises Conflict, KeyReused, and as `check`."""

    def write(tx: Session) -> Versioned[Script]:
        task = _lock(tx, task_id, request.tenant_id)
        current = store.fetch_script(tx, task_id)
        if current is None:
            raise NotFound(f"{task_id} has no script yet")
        if claim(tx, request):
            _check_waits(task, "script", done=bool(store.list_scenes(tx, task_id)))
            check(current)
            store.save_script(tx, task_id, script, current.version + 1, user_id)
        return store.fetch_script(tx, task_id) or current

    return database.run_transaction(write)


def edit_storyboard(
    task_id: str,
    user_id: str,
    scenes: Sequence[Scene],
    *,
    request: KeyedRequest,
    check: Check[dict[int, Versioned[Scene]]] = lambda _: None,
) -> dict[int, Versioned[Scene]]:
    """The next version of each scene that differs, while a person is asked to approve them. Raises Conflict,
    InvalidRequest for another number of scenes, KeyReused, and as `check`."""

    def write(tx: Session) -> dict[int, Versioned[Scene]]:
        task = _lock(tx, task_id, request.tenant_id)
        current = store.list_scenes(tx, task_id)
        if not current:
            raise NotFound(f"{task_id} has no storyboard yet")
        if claim(tx, request):
            _check_waits(task, "storyboard", done=bool(store.list_resources(tx, task_id)))
            check(current)
            if len(scenes) != len(current):
                detail = f"the storyboard has {len(current)} scenes, and keeps them"
                raise InvalidRequest(errors=[{"pointer": "/scenes", "detail": detail}])
            changed = [
                (number, was.version + 1, scene)
                for (number, was), scene in zip(current.items(), scenes, strict=True)
                if scene != was.content
            ]
            store.save_scenes(tx, task_id, changed, user_id)
        return store.list_scenes(tx, task_id)

    return database.run_transaction(write)


def remake_scene(
    task_id: str, tenant_id: str, user_id: str, number: int, changes: dict[str, Any], *, key: str | None = None
) -> tuple[Task, bool]:
    """The task that makes a scene anew, and the film with it; whether the same key has made it before.

    While one is open that makes the same of the video, it is that one. Raises AlreadyOpen while another is, and
    Conflict while the video has not SUCCEEDED.
    """
    with database.connection() as session:
        task, params = _find(session, task_id, tenant_id)
        scenes = store.list_scenes(session, task_id)
    if number not in scenes:
        raise NotFound(f"{task_id} has no scene {number}")
    if task.status != Status.SUCCEEDED:
        raise Conflict(f"the video is {task.status}: only a scene of one that SUCCEEDED is made anew")
    look = params.model_dump(mode="json", include={"aspect", "resolution", "scene_seconds", "model", "image_model"})
    own = key and f"videos/{hashlib.sha256(key.encode()).hexdigest()}"
    asked = look | changes | {"video_id": task_id, "sequence_number": number}
    placed = submit(Submission(tenant_id, user_id, REMAKE_KIND, asked, idempotency_key=own))
    if placed.deduplicated and any(
        placed.task.params.get(name) != asked.get(name) for name in ("sequence_number", "prompt")
    ):
        open_id = placed.task.task_id
        raise AlreadyOpen(
            f"another scene of the video is made anew; wait until {open_id} has ended", open_task_id=open_id
        )
    return placed.task, placed.replayed


def delete(task_id: str, tenant_id: str) -> int:
    """Delete an ended video with its rows and its files; the number of these. Raises IllegalTransition.

    The rows first: files that a process which dies here leaves are found by the sweep.
    """
    with database.connection() as session:
        _find(session, task_id, tenant_id)
    purging.purge_one(task_id, tenant_id)
    return files.delete_video(tenant_id, task_id)


def _task_state(task: Task) -> list[object]:
    return [task.task_id, task.title, task.status, task.progress, task.updated_at]


def _file_state(file: Resource | None) -> list[object]:
    """A step that runs again writes the same file anew."""
    return [] if file is None else [file.object_key, file.measures.bytes, file.created_at]


def _find(session: Session, task_id: str, tenant_id: str) -> tuple[Task, Video]:
    task = task_store.fetch_for_tenant(session, task_id, tenant_id)
    if task is None or task.kind != KIND:
        raise NotFound(f"there is no video {task_id}")
    return task, stored.read(Video, task.params)


def _lock(tx: Session, task_id: str, tenant_id: str) -> Task:
    task = task_store.lock(tx, task_id, tenant_id)
    if task is None or task.kind != KIND:
        raise NotFound(f"there is no video {task_id}")
    return task


def _question(task: Task) -> str | None:
    """What a person is asked, if the task waits for one."""
    waits = task.status == Status.PAUSED and task.error is not None and task.error.code == AWAITS
    return task.error_message if waits else None


def _check_waits(task: Task, what: str, *, done: bool) -> None:
    """Raises IllegalTransition unless the task waits for somebody to approve this."""
    if _question(task) is None or done:
        raise IllegalTransition(
            f"the {what} is edited while the task waits for its approval, and no longer",
            task_status=task.status,
            allowed_actions=allowed_actions(task.status),
        )
