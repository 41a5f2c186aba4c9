"""Videos on the wire: what a caller sends, and what is read. Links work for 15 minutes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import Timestamp
from longhaul.http.cursors import cursor_after, key_of
from longhaul.tasks.listing import Place, Question
from longhaul.tasks.model import Status
from longhaul.validation import Cost
from videos.model import CONTENT_TYPES, Part, Resource, Scene, Script, Versioned, Video
from videos.money_wire import Price, SpendingView, spending_view
from videos.videos import ReadVideo, VideoSlice

EXAMPLE_ID = "video_generation_20261130_143052_1a2b3c4d"

type Linker = Callable[[str], str]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileView(_View):
    """A file of a video. `url` works for 15 minutes: read the video again for another."""

    url: str = Field(examples=["https://videos.s3.eu-central-1.amazonaws.com/acme/..."])
    content_type: str = Field(examples=["video/mp4"])
    version: int = Field(description="From 1; every version is kept.", examples=[1])
    bytes: int = Field(examples=[1_048_576])
    seconds: float | None = Field(examples=[5.0])
    width: int | None = Field(examples=[1280])
    height: int | None = Field(examples=[720])
    has_audio: bool
    cost: Price = Field(description="What the provider was paid for it, in yuan.", examples=["3.00"])
    created_at: Timestamp


class ScriptView(_View):
    """The script as it is now."""

    version: int = Field(examples=[1])
    content: Script
    edited_by: str | None = Field(description="The user who wrote this version; null: the language model.")
    created_at: Timestamp


class SceneView(_View):
    """A scene as it is now, with its latest files; `versions` are all of its clips, the latest first."""

    sequence_number: int = Field(examples=[1])
    version: int = Field(examples=[1])
    content: Scene
    edited_by: str | None
    created_at: Timestamp
    frame: FileView | None
    clip: FileView | None
    versions: list[FileView]


class VideoView(_View):
    """A video with all that it is made of. What is not made yet is null."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    title: str
    status: Status
    progress: int = Field(examples=[100])
    waits_for: str | None = Field(description="What a person is asked, of a task that waits for an approval.")
    params: Video
    cost: Price = Field(description="What its frames and clips have cost, in yuan.", examples=["18.84"])
    spending: SpendingView
    script: ScriptView | None
    scenes: list[SceneView]
    film: FileView | None
    subtitles: FileView | None
    thumbnail: FileView | None
    preview: FileView | None
    created_at: Timestamp
    updated_at: Timestamp


class VideoSummary(_View):
    """A video in a list."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    title: str
    status: Status
    progress: int = Field(examples=[100])
    seconds: float | None = Field(description="How long the film is; null until it is made.", examples=[30.0])
    thumbnail: FileView | None
    preview: FileView | None
    created_at: Timestamp
    updated_at: Timestamp


class VideoPage(_View):
    """A part of the tenant's videos, the newest first."""

    items: list[VideoSummary]
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")


class ScriptEdit(BaseModel):
    """Another script."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"title": "Ebb and flood", "summary": "The sea rises and falls."}]},
    )

    title: str = Field(min_length=1, max_length=120)
    summary: str = Field(min_length=1, max_length=1_000)
    look: str = Field("", max_length=400)


class SceneEdit(BaseModel):
    """A scene of another storyboard."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"title": "Low water", "narration": "It falls.", "prompt": "a harbour at low water"}]
        },
    )

    title: str = Field(min_length=1, max_length=120)
    narration: str = Field(max_length=400)
    prompt: str = Field(min_length=1, max_length=800)
    motion: str = Field("", max_length=400)


class StoryboardEdit(BaseModel):
    """All scenes of the storyboard, in order: as many as there are."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"scenes": [{"title": "Low water", "narration": "It falls.", "prompt": "a harbour at low water"}]}
            ]
        },
    )

    scenes: list[SceneEdit] = Field(min_length=1, max_length=36)


class StoryboardView(_View):
    """The scenes as they are now, without their files."""

    scenes: list[SceneView]


class RemakeRequest(BaseModel):
    """How a scene is made anew. What is left out is as the video's."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"prompt": "a lighthouse in fog", "max_cost": "5"}]},
    )

    prompt: str | None = Field(None, min_length=1, max_length=800, description="What its picture shows now.")
    max_cost: Cost | None = Field(None, description="What it may cost at most, in yuan; null for no limit.")


class RemakeView(_View):
    """The task that makes the scene anew, and the film with it."""

    task_id: str = Field(examples=["video_scene_regeneration_20261130_143052_1a2b3c4d"])
    video_id: str = Field(examples=[EXAMPLE_ID])
    sequence_number: int = Field(examples=[2])


class DeletedVideo(_View):
    """The video is gone, with so many files."""

    files: int = Field(examples=[16])


def script_view(script: Versioned[Script]) -> ScriptView:
    return ScriptView.model_validate(vars(script))


def place_of(question: Question, cursor: str | None) -> Place | None:
    """Where the cursor points; None for the beginning. InvalidCursor when it was made for another list."""
    if cursor is None:
        return None
    value, row = key_of(_list(question), cursor)
    return Place(datetime.fromisoformat(value), row)


def cursor_of(question: Question, place: Place | None) -> str | None:
    """Where the next page begins; None at the end."""
    key = place and [place.value.isoformat() if isinstance(place.value, datetime) else place.value, place.id]
    return cursor_after(_list(question), key)


def _list(question: Question) -> list[object]:
    # A filter that is not used is left out, so that cursors outlive a release that brings another.
    used = question.filter.model_dump(mode="json", exclude={} if question.filter.error_code else {"error_code"})
    return ["videos", question.tenant_id, used]


def storyboard_view(scenes: Mapping[int, Versioned[Scene]]) -> StoryboardView:
    return StoryboardView(scenes=[_scene_view(number, scene, [], str) for number, scene in scenes.items()])


def video_view(read: ReadVideo, link: Linker) -> VideoView:
    """`link` makes the link to a key."""
    by_scene: dict[int, list[Resource]] = {}
    for resource in read.resources:
        by_scene.setdefault(resource.sequence_number, []).append(resource)
    of_film = by_scene.get(0, [])
    return VideoView(
        task_id=read.task.task_id,
        title=read.task.title,
        status=read.task.status,
        progress=read.task.progress,
        waits_for=read.waits_for,
        params=read.params,
        cost=read.cost,
        spending=spending_view(read.spending),
        script=script_view(read.script) if read.script else None,
        scenes=[_scene_view(number, scene, by_scene.get(number, []), link) for number, scene in read.scenes.items()],
        created_at=read.task.created_at,
        updated_at=read.task.updated_at,
        **{kind: _latest(of_film, kind, link) for kind in (Part.film, Part.subtitles, Part.thumbnail, Part.preview)},
    )


def video_page(found: VideoSlice, cursor: str | None, link: Linker) -> VideoPage:
    items = [
        VideoSummary(
            task_id=one.task.task_id,
            title=one.task.title,
            status=one.task.status,
            progress=one.task.progress,
            seconds=one.film.measures.seconds if one.film else None,
            thumbnail=_file_view(one.thumbnail, link) if one.thumbnail else None,
            preview=_file_view(one.preview, link) if one.preview else None,
            created_at=one.task.created_at,
            updated_at=one.task.updated_at,
        )
        for one in found.items
    ]
    return VideoPage(items=items, next_cursor=cursor)


def _scene_view(number: int, scene: Versioned[Scene], files: Sequence[Resource], link: Linker) -> SceneView:
    return SceneView(
        sequence_number=number,
        frame=_latest(files, Part.frame, link),
        clip=_latest(files, Part.clip, link),
        versions=[_file_view(one, link) for one in files if one.kind == Part.clip],
        **vars(scene),
    )


def _latest(files: Sequence[Resource], kind: Part, link: Linker) -> FileView | None:
    """The files are listed with their latest version first."""
    return next((_file_view(one, link) for one in files if one.kind == kind), None)


def _file_view(file: Resource, link: Linker) -> FileView:
    return FileView.model_validate(
        vars(file.measures)
        | {
            "url": link(file.object_key),
            "content_type": CONTENT_TYPES[file.kind],
            "version": file.version,
            "cost": file.cost,
            "created_at": file.created_at,
        }
    )
