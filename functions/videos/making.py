"""From a storyboard to a film: frames, clips, parts, film. For a whole video, and for one scene that is made anew."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

from longhaul import database
from longhaul.database import Session
from longhaul.errors import BadAnswer, PermanentError, TooManyFailures
from longhaul.tasks.model import StepStatus
from longhaul.workloads import Item, StepContext, TaskContext, Workload
from longhaul.workloads.counting import count_stages
from longhaul.workloads.stages import Share
from videos import files, film, jobs, store, writing
from videos.footage import BadFootage, measure_clip, measure_frame
from videos.model import Look, Measures, Part, Resource, Scene, Script, Versioned, Video
from videos.subtitles import webvtt

STEPS, FILMS = "RunVideoStep", "AssembleFilm"  # the functions
FRAMES, CLIPS, PARTS, FILM = "frames", "clips", "parts", "film"  # the stages
PART_SCENES = 10  # that one call joins: a film of more is joined in parts


class SceneSkipped(PermanentError):
    """The scene could not be made earlier, and the film goes on without it."""

    code = "scene_skipped"


@dataclass(frozen=True)
class Subject:
    """The video that a task works on, as it was `wanted`. `only`: the one scene that is made anew, with another
    `prompt` if given."""

    video_id: str
    tenant_id: str
    look: Look
    wanted: Video
    only: int | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Footage:
    """What there is of a video: its script, its scenes, and the latest of its files."""

    script: Script
    scenes: dict[int, Versioned[Scene]]
    files: dict[tuple[int, Part], Resource]

    def next_version(self, sequence_number: int, kind: Part) -> int:
        there = self.files.get((sequence_number, kind))
        return there.version + 1 if there else 1

    @property
    def clips(self) -> list[Resource]:
        """Of the scenes that have one, in order."""
        return [self.files[number, Part.clip] for number in self.scenes if (number, Part.clip) in self.files]

    def narration(self, clip: Resource) -> str:
        return self.scenes[clip.sequence_number].content.narration


def add_stages[P: Look](
    workload: Workload[P], subject: Callable[[TaskContext[P]], Subject], *, tolerate: Share[P] = 0.0
) -> None:
    """The stages that turn a storyboard into a film."""

    @workload.stage(name=FRAMES, weight=2, tolerate=tolerate)
    def frames(task: TaskContext[P]) -> Iterator[Item]:
        return plan_frames(subject(task))

    @frames.step(timeout=120, retries=2, function=STEPS)
    def frame(step: StepContext[P]) -> dict[str, Any]:
        with jobs.patience(step):
            return make_frame(step, subject(step))

    @workload.stage(name=CLIPS, weight=5, tolerate=tolerate)
    def clips(task: TaskContext[P]) -> Iterator[Item]:
        return plan_clips(task, subject(task))

    @clips.step(timeout=420, retries=2, function=STEPS)
    def clip(step: StepContext[P]) -> dict[str, Any]:
        with jobs.patience(step):
            return make_clip(step, subject(step))

    @workload.stage(name=PARTS, weight=1)
    def parts(task: TaskContext[P]) -> Iterator[Item]:
        return plan_parts(subject(task))

    @parts.step(timeout=840, retries=2, function=FILMS)
    def part(step: StepContext[P]) -> dict[str, Any]:
        with jobs.patience(step):
            return make_part(step, subject(step))

    @workload.step(name=FILM, weight=1, timeout=840, retries=2, function=FILMS)
    def whole(step: StepContext[P]) -> dict[str, Any]:
        with jobs.patience(step):
            return make_film(step, subject(step))


def find_footage(video_id: str) -> Footage:
    with database.connection() as session:
        script = store.fetch_script(session, video_id)
        scenes = store.list_scenes(session, video_id)
        resources = store.list_resources(session, video_id)
    if script is None or not scenes:
        raise BadAnswer("the video has no script and no scenes")
    return Footage(script.content, scenes, store.latest(resources))


def plan_frames(subject: Subject) -> Iterator[Item]:
    """A frame for each scene; none for a model that begins with the text alone."""
    if not subject.look.clips.from_frame:
        return
    there = find_footage(subject.video_id)
    for number, scene in _wanted(there, subject):
        prompt = writing.picture_prompt(subject.wanted.style, there.script, scene, subject.look.images.prompt_length)
        version = there.next_version(number, Part.frame)
        yield _item(number, Part.frame, scene, {"prompt": prompt, "version": version})


def make_frame(step: StepContext[Any], subject: Subject) -> dict[str, Any]:
    _check_in_time(step, CLIPS)
    order = jobs.frame_order(subject.look, step.input["prompt"])
    link = jobs.link_of(step, order)
    with files.folder() as folder:
        measures = _fetched(step, link, Part.frame, folder / "frame", measure_frame)
        made = _stored(step, subject, step.input["scene"], Part.frame, folder / "frame", measures, order.price)
    step.save(lambda tx: store.save_resource(tx, subject.video_id, made))
    return {"scene": made.sequence_number, "key": made.object_key}


def plan_clips(task: TaskContext[Any], subject: Subject) -> Iterator[Item]:
    """A clip for each scene that has the frame it begins with."""
    there, starts = find_footage(subject.video_id), subject.look.clips.from_frame
    frames = {one.output["scene"]: one.output["key"] for one in task.outputs(FRAMES) if one.output}
    for number, scene in _wanted(there, subject):
        if starts and number not in frames:
            continue
        prompt = writing.clip_prompt(subject.wanted.style, there.script, scene, subject.look.clips.prompt_length)
        more = {"frame": frames[number]} if starts else {}
        if subject.prompt is not None:
            more["scene_version"] = there.scenes[number].version + 1
        version = there.next_version(number, Part.clip)
        yield _item(number, Part.clip, scene, {"prompt": prompt, "version": version, **more})


def make_clip(step: StepContext[Any], subject: Subject) -> dict[str, Any]:
    _check_in_time(step, PARTS)
    look, frame, number = subject.look, step.input.get("frame"), step.input["scene"]
    order = jobs.clip_order(look, step.input["prompt"], files.link_to(frame) if frame else None)
    link = jobs.link_of(step, order)
    with files.folder() as folder:
        measure = partial(measure_clip, seconds=look.scene_seconds)
        measures = _fetched(step, link, Part.clip, folder / "clip", measure)
        made = _stored(step, subject, number, Part.clip, folder / "clip", measures, order.price)
    step.save(lambda tx: store.save_resource(tx, subject.video_id, made))
    if version := step.input.get("scene_version"):
        step.save(partial(_save_prompt, step=step, subject=subject, number=number, version=version))
    return {"scene": number, "key": made.object_key, "seconds": measures.seconds, "has_audio": measures.has_audio}


def plan_parts(subject: Subject) -> Iterator[Item]:
    """Parts of a film that one call does not join. Raises TooManyFailures for a film without a scene."""
    there = find_footage(subject.video_id)
    if not there.clips:
        raise TooManyFailures("no scene could be made: there is nothing to join")
    if len(there.clips) <= PART_SCENES:
        return
    version = there.next_version(0, Part.film)
    for number, some in enumerate(batched(there.clips, PART_SCENES, strict=False), 1):
        keys = [clip.object_key for clip in some]
        yield Item(f"part/{number:03d}", f"part {number}", {"number": number, "keys": keys, "version": version})


def make_part(step: StepContext[Any], subject: Subject) -> dict[str, Any]:
    """A part's key has the film's version and its number in one: parts are no files of a scene."""
    number, version, keys = (step.input[name] for name in ("number", "version", "keys"))
    words = _words(subject, find_footage(subject.video_id), keys, begins=number == 1)
    key = files.key_of(subject.tenant_id, subject.video_id, 0, Part.part, 1000 * version + number)
    with files.folder() as folder:
        film.join(_read(keys, folder), folder / "part.mp4", words=words, report=step.report)
        files.upload(folder / "part.mp4", key, Part.part)
    return {"key": key}


def make_film(step: StepContext[Any], subject: Subject) -> dict[str, Any]:
    """The film, its subtitles, a picture of it and its beginning."""
    there = find_footage(subject.video_id)
    parts = [one.output["key"] for one in step.outputs(PARTS)]
    keys, version = parts or [clip.object_key for clip in there.clips], there.next_version(0, Part.film)
    words = None if parts else _words(subject, there, keys)
    spoken = [(float(film.TITLE_SECONDS), "")] if subject.wanted.title_card else []
    spoken += [(clip.measures.seconds or 0.0, there.narration(clip)) for clip in there.clips]
    with files.folder() as folder:
        paths = {part: folder / part for part in (Part.film, Part.subtitles, Part.thumbnail, Part.preview)}
        sources = _read(keys, folder)
        measures = {
            Part.film: film.join(sources, paths[Part.film], words=words, sound_is_even=bool(parts), report=step.report),
            Part.thumbnail: film.thumbnail(paths[Part.film], paths[Part.thumbnail]),
            Part.preview: film.preview(paths[Part.film], paths[Part.preview]),
        }
        paths[Part.subtitles].write_text(webvtt(spoken), encoding="utf-8")
        measures[Part.subtitles] = Measures(paths[Part.subtitles].stat().st_size)
        made = [_stored(step, subject, 0, part, path, measures[part], version=version) for part, path in paths.items()]
    for resource in made:
        step.save(partial(store.save_resource, video_id=subject.video_id, resource=resource))
    whole = measures[Part.film]
    return {"seconds": whole.seconds, "bytes": whole.bytes, "scenes": len(there.clips), "version": version}


def _words(subject: Subject, there: Footage, keys: list[str], *, begins: bool = True) -> film.Words | None:
    """What is written into these clips. Where the film has words, parts without any are encoded like the others."""
    wanted = subject.wanted
    if not (wanted.title_card or wanted.burn_subtitles):
        return None
    clips = {clip.object_key: clip for clip in there.clips}
    spoken = [there.narration(clips[key]) for key in keys] if wanted.burn_subtitles else []
    return film.Words(there.script.title if wanted.title_card and begins else None, spoken)


def result_of(task: TaskContext[Any], video_id: str) -> dict[str, Any]:
    """What a task that made a film came to."""
    (whole,) = (one.output for one in task.outputs(FILM))
    failed = [
        {"item": one.label, "reason": one.error.message if one.error else ""}
        for stage in (FRAMES, CLIPS)
        for one in task.outputs(stage)
        if one.status == StepStatus.FAILED
    ]
    with database.connection() as session:
        resources = store.list_resources(session, video_id)
    cost = sum((one.cost for one in resources if one.made_by == task.task_id), start=jobs.NOTHING)
    return {**whole, "missing": failed, "cost": f"{cost:.2f}", "video_id": video_id}


def _wanted(there: Footage, subject: Subject) -> Iterator[tuple[int, Scene]]:
    for number, scene in there.scenes.items():
        if subject.only in (None, number):
            changes = {} if subject.prompt is None else {"prompt": subject.prompt}
            yield number, scene.content.model_copy(update=changes)


def _item(number: int, kind: Part, scene: Scene, given: dict[str, Any]) -> Item:
    return Item(f"{kind}/{number:03d}", f"{kind} {number}: {scene.title}"[:200], {"scene": number, **given})


def _check_in_time(step: StepContext[Any], following: str) -> None:
    """Raises SceneSkipped when the following stage is planned: nothing would use what is paid for now."""
    with database.connection() as session:
        stage = count_stages(session, step.task_id).get(following)
    if stage and stage.is_planned:
        raise SceneSkipped


def _fetched(
    step: StepContext[Any], link: str, kind: Part, path: Path, measure: Callable[[Path], Measures]
) -> Measures:
    """Download and check. What is of no use is forgotten, so that a retry of the task has another made."""
    try:
        files.fetch(link, kind, path)
        return measure(path)
    except (BadAnswer, BadFootage):
        jobs.forget(step)
        raise


def _stored(
    step: StepContext[Any],
    subject: Subject,
    number: int,
    kind: Part,
    path: Path,
    measures: Measures,
    cost: Any = jobs.NOTHING,
    version: int | None = None,
) -> Resource:
    """The file in the bucket. Its row is written when the step is finished."""
    version = version or step.input["version"]
    key = files.key_of(subject.tenant_id, subject.video_id, number, kind, version)
    files.upload(path, key, kind)
    return Resource(number, kind, version, key, measures, made_by=step.task_id, cost=cost)


def _save_prompt(tx: Session, *, step: StepContext[Any], subject: Subject, number: int, version: int) -> None:
    """The scene as it was made anew, as its next version."""
    scene = store.list_scenes(tx, subject.video_id)[number].content
    changed = scene.model_copy(update={"prompt": subject.prompt})
    store.save_scenes(tx, subject.video_id, [(number, version, changed)], step.user_id)


def _read(keys: list[str], folder: Path) -> list[Path]:
    paths = [folder / f"{number:03d}.mp4" for number in range(len(keys))]
    for key, path in zip(keys, paths, strict=True):
        files.read_into(key, path)
    return paths
