"""The HTTP API of tasks: submit, read, list, steer."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    Page,
    PageNumber,
    PageParams,
    PageSize,
    Response,
    caller,
    make_app,
    needs,
    page_of,
    respond,
)
from longhaul.observability import observed
from longhaul.tasks import control, reading
from longhaul.tasks.model import Status
from longhaul.tasks.submission import submit
from tasks.documents import ActiveTasks, SubmitRequest, TaskDocument, document, location, view_document

settings.require(settings.Database, settings.Kinds, settings.Cache, settings.DispatchQueue, settings.Live)

POLL_SECONDS = "2"
ACTIVE_LIMIT = 1000

app = make_app()

Statuses = Annotated[list[Status] | None, Query(description="Only these; every status when left out.")]
KindNames = Annotated[list[str] | None, Query(description="Only these kinds; every kind when left out.")]


@app.post("/api/v1/tasks", security=needs("tasks:write"), tags=["tasks"], summary="Submit a task", status_code=202)
def submit_task(
    request: Annotated[SubmitRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[TaskDocument]:
    task = submit(request.submission(caller(app), idempotency_key))
    return respond(document(task), 202, {"Location": location(task.task_id), "Retry-After": POLL_SECONDS})


@app.get("/api/v1/tasks", security=needs("tasks:read"), tags=["tasks"], summary="List tasks, newest first")
def list_tasks(
    status: Statuses = None,
    kind: KindNames = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[Page[TaskDocument]]:
    params = PageParams(page, page_size)
    tasks, total = reading.list_page(
        caller(app).tenant_id, status or (), kind or (), limit=params.limit, offset=params.offset
    )
    return respond(page_of([document(task) for task in tasks], total, params))


@app.get("/api/v1/tasks/active", security=needs("tasks:read"), tags=["tasks"], summary="List what has not ended")
def list_active_tasks() -> Response[ActiveTasks]:
    tasks = reading.list_active(caller(app).tenant_id, ACTIVE_LIMIT)
    return respond(ActiveTasks(items=[document(task) for task in tasks]))


@app.get("/api/v1/tasks/<task_id>", security=needs("tasks:read"), tags=["tasks"], summary="Read a task")
def get_task(task_id: str) -> Response[TaskDocument]:
    return respond(view_document(reading.read_task(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/cancel", security=needs("tasks:write"), tags=["tasks"], summary="Cancel a task")
def cancel_task(task_id: str) -> Response[TaskDocument]:
    return respond(document(control.cancel(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/pause", security=needs("tasks:write"), tags=["tasks"], summary="Pause a task")
def pause_task(task_id: str) -> Response[TaskDocument]:
    return respond(document(control.pause(task_id, caller(app).tenant_id)))


@app.post("/api/v1/tasks/<task_id>/resume", security=needs("tasks:write"), tags=["tasks"], summary="Resume a task")
def resume_task(task_id: str) -> Response[TaskDocument]:
    return respond(document(control.resume(task_id, caller(app).tenant_id)))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
