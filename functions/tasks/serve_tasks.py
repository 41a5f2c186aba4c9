"""The HTTP API of a task: submit, read, steer."""

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
    make_app,
    needs,
    respond,
    wait_of,
)
from longhaul.observability import observed
from longhaul.tasks import control
from longhaul.tasks.model import Priority
from longhaul.tasks.submission import place
from tasks.documents import ChangeRequest, SubmitRequest, TaskDocument, document
from tasks.preconditions import unchanged
from tasks.statuses import status_answer, submitted_answer
from tasks.submissions import submission

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Limits, settings.DispatchQueue, settings.Live
)

app = make_app()


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
    placed = place(submission(request, caller(app), idempotency_key))
    return submitted_answer(app, placed, wait_of(prefer))


@app.get(
    "/api/v1/tasks/<task_id>",
    security=needs("tasks:read"),
    tags=["tasks"],
    summary="Read a task",
    openapi_extensions=also(304),
)
def get_task(task_id: TaskId, prefer: Prefer = None) -> Response[TaskDocument]:
    return status_answer(app, task_id, wait_of(prefer))


@app.post("/api/v1/tasks/<task_id>/cancel", security=needs("tasks:write"), tags=["tasks"], summary="Cancel a task")
def cancel_task(task_id: TaskId) -> Response[TaskDocument]:
    return respond(document(control.cancel(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/pause", security=needs("tasks:write"), tags=["tasks"], summary="Pause a task")
def pause_task(task_id: TaskId) -> Response[TaskDocument]:
    return respond(document(control.pause(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/resume", security=needs("tasks:write"), tags=["tasks"], summary="Resume a task")
def resume_task(task_id: TaskId) -> Response[TaskDocument]:
    return respond(document(control.resume(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/retry", security=needs("tasks:write"), tags=["tasks"], summary="Retry a failed task")
def retry_task(task_id: TaskId) -> Response[TaskDocument]:
    return respond(document(control.retry(task_id, caller(app).tenant_id)))


@app.patch(
    "/api/v1/tasks/<task_id>",
    security=needs("tasks:write"),
    tags=["tasks"],
    summary="Change a task's priority or title",
)
def change_task(
    task_id: TaskId, request: Annotated[ChangeRequest, Body()], if_match: IfMatch = None
) -> Response[TaskDocument]:
    tenant_id = caller(app).tenant_id
    task = control.change(
        task_id,
        tenant_id,
        priority=Priority[request.priority] if request.priority else None,
        title=request.title,
        check=unchanged(task_id, tenant_id, if_match),
    )
    return respond(document(task))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
