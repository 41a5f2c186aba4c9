"""The HTTP API of a task: submit and steer. Reading it is `read_task`, a function of its own for those who wait."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    IfMatch,
    Prefer,
    Response,
    TaskId,
    also,
    caller,
    keyed_request,
    make_app,
    needs,
    replay_headers,
    respond,
    wait_of,
)
from longhaul.observability import observed
from longhaul.tasks import lifecycle
from longhaul.tasks.submission import submit
from tasks.task_answers import steered_answer, submitted_answer, unchanged
from tasks.wire import ChangeRequest, SubmitRequest, TaskDocument, document

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.Waits,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
    settings.Webhooks,
)

app = make_app()
STEER: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["tasks"]}


@app.post(
    "/api/v1/tasks",
    security=needs("tasks:write"),
    tags=["tasks"],
    summary="Submit a task",
    status_code=202,
    openapi_extensions=also(200),
)
def submit_task(
    request: Annotated[SubmitRequest, Body()], idempotency_key: IdempotencyKey = None, prefer: Prefer = None
) -> Response[TaskDocument]:
    submitted = submit(request.submission(caller(app), idempotency_key))
    return submitted_answer(app, submitted, wait_of(prefer))


@app.post("/api/v1/tasks/<task_id>/cancel", **STEER, summary="Cancel a task")
def cancel_task(task_id: TaskId, idempotency_key: IdempotencyKey = None) -> Response[TaskDocument]:
    return steered_answer(app, lifecycle.cancel, task_id, idempotency_key)


@app.post("/api/v1/tasks/<task_id>/pause", **STEER, summary="Pause a task")
def pause_task(task_id: TaskId, idempotency_key: IdempotencyKey = None) -> Response[TaskDocument]:
    return steered_answer(app, lifecycle.pause, task_id, idempotency_key)


@app.post("/api/v1/tasks/<task_id>/resume", **STEER, summary="Resume a task")
def resume_task(task_id: TaskId, idempotency_key: IdempotencyKey = None) -> Response[TaskDocument]:
    return steered_answer(app, lifecycle.resume, task_id, idempotency_key)


@app.post("/api/v1/tasks/<task_id>/retry", **STEER, summary="Retry a failed task")
def retry_task(task_id: TaskId, idempotency_key: IdempotencyKey = None) -> Response[TaskDocument]:
    return steered_answer(app, lifecycle.retry, task_id, idempotency_key)


@app.patch("/api/v1/tasks/<task_id>", **STEER, summary="Change a task's priority, title or start")
def change_task(
    task_id: TaskId,
    change: Annotated[ChangeRequest, Body()],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[TaskDocument]:
    request = keyed_request(app, idempotency_key, change)
    tenant_id = request.tenant_id
    check = unchanged(task_id, tenant_id, if_match, request)
    task = lifecycle.change(task_id, tenant_id, change.wish(), check=check, request=request)
    return respond(document(task), headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
