"""The rows of videos, by the statements of queries.sql."""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from longhaul import stored
from longhaul.database import Session, queries
from longhaul.database.chunks import chunks, dumps
from longhaul.tasks.model import aware
from videos.model import CONTENT_TYPES, Measures, Part, Resource, Scene, Script, Versioned

_queries = queries.load(__file__)


def save_script(tx: Session, video_id: str, script: Script, version: int, edited_by: str | None = None) -> bool:
    """Whether it was saved: False when this version is there already."""
    content = script.model_dump_json()
    saved = _queries.insert_script(tx, task_id=video_id, version=version, content=content, edited_by=edited_by)
    return bool(saved)


def fetch_script(session: Session, video_id: str) -> Versioned[Script] | None:
    row = _queries.fetch_script(session, task_id=video_id)
    return _versioned(Script, row) if row else None


def save_scenes(
    tx: Session, video_id: str, scenes: Sequence[tuple[int, int, Scene]], edited_by: str | None = None
) -> int:
    """Save scenes as (sequence number, version, scene); how many were new."""
    rows = [
        {"sequence_number": number, "version": version, "content": scene.model_dump(mode="json")}
        for number, version, scene in scenes
    ]
    return sum(
        int(_queries.insert_scenes(tx, task_id=video_id, rows=dumps(some), edited_by=edited_by))
        for some in chunks(rows)
    )


def list_scenes(session: Session, video_id: str) -> dict[int, Versioned[Scene]]:
    """The scenes by their sequence numbers, in order."""
    rows = _queries.list_scenes(session, task_id=video_id)
    return {int(row["sequence_number"]): _versioned(Scene, row) for row in rows}


def save_resource(tx: Session, video_id: str, resource: Resource) -> None:
    _queries.save_resource(
        tx,
        task_id=video_id,
        sequence_number=resource.sequence_number,
        kind=resource.kind,
        version=resource.version,
        object_key=resource.object_key,
        content_type=CONTENT_TYPES[resource.kind],
        made_by=resource.made_by,
        cost=resource.cost,
        **vars(resource.measures),
    )


def list_resources(session: Session, video_id: str) -> list[Resource]:
    """Every version of every file; the latest of each kind of a scene first."""
    return [_resource(row) for row in _queries.list_resources(session, task_id=video_id)]


def list_films(session: Session, video_ids: Collection[str]) -> dict[tuple[str, Part], Resource]:
    """The latest file of each kind that is one of the whole film, by video and kind."""
    found: dict[tuple[str, Part], Resource] = {}
    for some in chunks(sorted(video_ids)):
        for row in _queries.list_films(session, task_ids=list(some)):
            resource = _resource(row | {"sequence_number": 0})
            found.setdefault((row["task_id"], resource.kind), resource)
    return found


def latest(resources: Sequence[Resource]) -> dict[tuple[int, Part], Resource]:
    """The highest version of each file, by its place and its kind."""
    by_place: dict[tuple[int, Part], list[Resource]] = defaultdict(list)
    for resource in resources:
        by_place[resource.sequence_number, resource.kind].append(resource)
    return {place: max(versions, key=lambda one: one.version) for place, versions in by_place.items()}


def claim_job(session: Session, job_id: str, task_id: str, step_key: str) -> bool:
    """Whether the job is this step's now: False when it was another's."""
    return bool(_queries.claim_job(session, job_id=job_id, task_id=task_id, step_key=step_key))


def begin_create(session: Session, fingerprint: str, task_id: str, step_key: str, seconds: float) -> bool:
    """Whether the step may create what has this fingerprint now: False while another step's create is under way, or
    unclear, for so many seconds."""
    of: dict[str, Any] = {"fingerprint": fingerprint, "task_id": task_id, "step_key": step_key}
    return bool(
        _queries.take_over_create(session, seconds=math.ceil(seconds), **of) or _queries.begin_create(session, **of)
    )


def end_create(session: Session, fingerprint: str, task_id: str, step_key: str) -> None:
    """The step's create is clear: another may ask for the same."""
    _queries.end_create(session, fingerprint=fingerprint, task_id=task_id, step_key=step_key)


def end_job(session: Session, job_id: str) -> bool:
    """Whether the job ends now: False when it had."""
    return bool(_queries.end_job(session, job_id=job_id))


def abandon_job(session: Session, job_id: str) -> None:
    """Nobody waits for the job now; the step that it belongs to may settle it later."""
    _queries.abandon_job(session, job_id=job_id)


def find_open_job(session: Session, task_id: str, step_key: str) -> str | None:
    """The job that was this step's before it remembered it."""
    found: str | None = _queries.fetch_open_job(session, task_id=task_id, step_key=step_key)
    return found


def unknown_jobs(session: Session, job_ids: Sequence[str]) -> list[str]:
    """Those of these jobs that no step has, in their order."""
    known = {row["job_id"] for some in chunks(job_ids) for row in _queries.list_known_jobs(session, job_ids=list(some))}
    return [job_id for job_id in job_ids if job_id not in known]


def list_abandoned_jobs(session: Session, limit: int) -> list[str]:
    """Jobs of tasks that have ended without them."""
    return [row["job_id"] for row in _queries.list_abandoned_jobs(session, limit=limit)]


def which_are_there(session: Session, task_ids: Collection[str]) -> set[str]:
    """Those of these tasks that have not been purged."""
    return {
        row["task_id"]
        for some in chunks(sorted(task_ids))
        for row in _queries.list_videos_there(session, task_ids=list(some))
    }


def _versioned[M: BaseModel](model: type[M], row: dict[str, Any]) -> Versioned[M]:
    content = stored.read(model, json.loads(row["content"]))
    return Versioned(int(row["version"]), content, row["edited_by"], aware(row["created_at"]))


def _resource(row: dict[str, Any]) -> Resource:
    return Resource(
        sequence_number=int(row["sequence_number"]),
        kind=Part(row["kind"]),
        version=int(row["version"]),
        object_key=row["object_key"],
        measures=Measures(
            int(row["bytes"]), row["seconds"], row["width"], row["height"], has_audio=bool(row["has_audio"])
        ),
        made_by=row["made_by"],
        cost=Decimal(row["cost"]),
        created_at=aware(row["created_at"]),
    )
