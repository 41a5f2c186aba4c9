"""Serves videos: estimates, lists, one with all that it is made of, edits before an approval, and scenes anew."""

import time
from functools import partial
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    IfMatch,
    PageCursor,
    PageSize,
    Response,
    TaskId,
    also,
    caller,
    check_match,
    conditional,
    dumps,
    etag_of,
    keyed_request,
    limited,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.observability import observed
from longhaul.tasks.model import Status
from videos import money_wire, videos, wire
from videos.files import ERA_SECONDS, known_link
from videos.model import MAX_SCENES, Scene, Script, Video
from videos.money_wire import SpendingView, VideoBudget, VideoEstimate
from videos.wire import (
    DeletedVideo,
    RemakeRequest,
    RemakeView,
    ScriptEdit,
    ScriptView,
    StoryboardEdit,
    StoryboardView,
    VideoPage,
    VideoView,
    cursor_of,
    place_of,
)

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Live,
    settings.Cursors,
    settings.Limits,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Videos,
)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["videos"]}
WRITE: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["videos"]}
POLL_SECONDS = "2"

Statuses = Annotated[
    list[Status] | None, Query(description="Only these; every status when left out.", examples=[["SUCCEEDED"]])
]
SceneNumber = Annotated[int, Path(ge=1, le=MAX_SCENES, description="A scene's place, from 1.", examples=[1])]


@app.post("/api/v1/videos/estimate", **READ, summary="Estimate a video")
def estimate_video(request: Annotated[Video, Body()]) -> Response[VideoEstimate]:
    return respond(money_wire.estimate(request))


@app.get("/api/v1/videos", **READ, summary="List videos, the newest first", openapi_extensions=also(304))
def list_videos(status: Statuses = None, cursor: PageCursor = None, limit: PageSize = 20) -> Response[VideoPage]:
    question = videos.question_of(caller(app).tenant_id, status or [])
    found = videos.list_videos(question, place_of(question, cursor), limit)
    following, era = cursor_of(question, found.following), _era()
    return conditional(
        app,
        lambda: dumps(wire.video_page(found, following, partial(known_link, era=era))),
        etag=etag_of([one.state for one in found.items], following, era),
    )


@app.get("/api/v1/videos/<task_id>", **READ, summary="Read a video", openapi_extensions=also(304))
def get_video(task_id: TaskId) -> Response[VideoView]:
    found = videos.read(task_id, caller(app).tenant_id)
    era = _era()
    return conditional(
        app,
        lambda: dumps(wire.video_view(found, partial(known_link, era=era))),
        etag=etag_of(found.state, era),
    )


@app.patch("/api/v1/videos/<task_id>", **WRITE, summary="Change the budget of a video, or of a scene made anew")
def change_video(
    task_id: TaskId, given: Annotated[VideoBudget, Body()], idempotency_key: IdempotencyKey = None
) -> Response[SpendingView]:
    request = keyed_request(app, idempotency_key, given)
    spending = videos.change_budget(task_id, given.max_cost, request=request)
    return respond(money_wire.spending_view(spending), headers=replay_headers(request.replayed))


@app.delete(
    "/api/v1/videos/<task_id>",
    **WRITE,
    summary="Delete a video that has ended, with its files",
    openapi_extensions=limited("bulk"),
)
def delete_video(task_id: TaskId) -> Response[DeletedVideo]:
    return respond(DeletedVideo(files=videos.delete(task_id, caller(app).tenant_id)))


@app.get("/api/v1/videos/<task_id>/script", **READ, summary="Read a video's script", openapi_extensions=also(304))
def get_script(task_id: TaskId) -> Response[ScriptView]:
    view = wire.script_view(videos.read_script(task_id, caller(app).tenant_id))
    return conditional(app, lambda: view, etag=etag_of(view))


@app.put("/api/v1/videos/<task_id>/script", **WRITE, summary="Edit a script before it is approved")
def put_script(
    task_id: TaskId,
    given: Annotated[ScriptEdit, Body()],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[ScriptView]:
    request = keyed_request(app, idempotency_key, given)

    def check(current: ScriptView) -> None:
        if if_match is not None:
            check_match(if_match, etag_of(current))

    edited = videos.edit_script(
        task_id,
        caller(app).user_id,
        Script(**given.model_dump()),
        request=request,
        check=lambda current: check(wire.script_view(current)),
    )
    view = wire.script_view(edited)
    return respond(view, headers=replay_headers(request.replayed))


@app.get("/api/v1/videos/<task_id>/storyboard", **READ, summary="Read a storyboard", openapi_extensions=also(304))
def get_storyboard(task_id: TaskId) -> Response[StoryboardView]:
    view = wire.storyboard_view(videos.read_storyboard(task_id, caller(app).tenant_id))
    return conditional(app, lambda: view, etag=etag_of(view))


@app.put("/api/v1/videos/<task_id>/storyboard", **WRITE, summary="Edit a storyboard before it is approved")
def put_storyboard(
    task_id: TaskId,
    given: Annotated[StoryboardEdit, Body()],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[StoryboardView]:
    request = keyed_request(app, idempotency_key, given)

    def check(current: StoryboardView) -> None:
        if if_match is not None:
            check_match(if_match, etag_of(current))

    edited = videos.edit_storyboard(
        task_id,
        caller(app).user_id,
        [Scene(**scene.model_dump()) for scene in given.scenes],
        request=request,
        check=lambda current: check(wire.storyboard_view(current)),
    )
    view = wire.storyboard_view(edited)
    return respond(view, headers=replay_headers(request.replayed))


@app.post(
    "/api/v1/videos/<task_id>/scenes/<number>/regenerate",
    **WRITE,
    summary="Make a scene of a film anew",
    status_code=202,
    openapi_extensions=also(200),
)
def regenerate_scene(
    task_id: TaskId,
    number: SceneNumber,
    given: Annotated[RemakeRequest, Body()],
    idempotency_key: IdempotencyKey = None,
) -> Response[RemakeView]:
    who = caller(app)
    changes = given.model_dump(mode="json", exclude_none=True)
    task, replayed = videos.remake_scene(task_id, who.tenant_id, who.user_id, number, changes, key=idempotency_key)
    headers = {"Location": f"/api/v1/tasks/{task.task_id}", "Retry-After": POLL_SECONDS, **replay_headers(replayed)}
    view = RemakeView(task_id=task.task_id, video_id=task_id, sequence_number=number)
    return respond(view, 200 if replayed else 202, headers)


def _era() -> int:
    """Which five minutes these are: answers of the same ones have the same links, and an ETag changes with them."""
    return int(time.time() // ERA_SECONDS)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
