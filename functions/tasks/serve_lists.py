"""The HTTP API of lists: a tenant's tasks by page and by cursor, and the steps and the history of one."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Page, Response, TaskId, also, caller, make_app, needs
from longhaul.http.pages import Cursor, Limit
from longhaul.observability import observed
from longhaul.tasks.model import StepStatus
from tasks.page_answers import active_answer, cursor_answer, events_answer, page_answer, results_answer, steps_answer
from tasks.page_wire import (
    ActiveTasks,
    CursorPage,
    CursorQuery,
    EventDocument,
    PageQuery,
    ResultDocument,
    StepDocument,
    TaskSummary,
    summary,
)
from tasks.wire import TaskDocument, document

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
LIST: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["tasks"], "openapi_extensions": also(304)}

Level = Annotated[
    str | None, Query(min_length=1, max_length=32, description="Only those of this level.", examples=["district"])
]
StageName = Annotated[
    str | None, Query(min_length=1, max_length=32, description="Only those of this stage.", examples=["summarise"])
]
StepState = Annotated[StepStatus | None, Query(description="Only those that stand so.", examples=["SUCCEEDED"])]


@app.get("/api/v1/tasks", **LIST, summary="List tasks, a page by its number")
def list_tasks(query: Annotated[PageQuery, Query()]) -> Response[Page[TaskDocument]]:
    return page_answer(app, query.question(caller(app).tenant_id), query, document, TaskDocument)


@app.get("/api/v1/tasks/summary", **LIST, summary="List tasks with their small fields only")
def list_summaries(query: Annotated[PageQuery, Query()]) -> Response[Page[TaskSummary]]:
    return page_answer(app, query.question(caller(app).tenant_id), query, summary, TaskSummary)


@app.get("/api/v1/tasks/cursor", **LIST, summary="List tasks, each page after the one before")
def list_tasks_after(query: Annotated[CursorQuery, Query()]) -> Response[CursorPage[TaskDocument]]:
    return cursor_answer(app, query.question(caller(app).tenant_id), query.cursor, query.limit)


@app.get("/api/v1/tasks/active", **LIST, summary="List what has not ended, the newest 1,000")
def list_active_tasks() -> Response[ActiveTasks]:
    return active_answer(app, caller(app).tenant_id)


@app.get("/api/v1/tasks/<task_id>/steps", **LIST, summary="List a task's steps by their keys")
def list_steps(
    task_id: TaskId, level: Level = None, status: StepState = None, cursor: Cursor = None, limit: Limit = 20
) -> Response[CursorPage[StepDocument]]:
    return steps_answer(app, task_id, caller(app).tenant_id, level, status, cursor, limit)


@app.get("/api/v1/tasks/<task_id>/results", **LIST, summary="List what a task's items came to, in their order")
def list_results(
    task_id: TaskId, stage: StageName = None, status: StepState = None, cursor: Cursor = None, limit: Limit = 20
) -> Response[CursorPage[ResultDocument]]:
    return results_answer(app, task_id, caller(app).tenant_id, stage, status, cursor, limit)


@app.get("/api/v1/tasks/<task_id>/events", **LIST, summary="List a task's history, oldest first")
def list_events(task_id: TaskId, cursor: Cursor = None, limit: Limit = 20) -> Response[CursorPage[EventDocument]]:
    return events_answer(app, task_id, caller(app).tenant_id, cursor, limit)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
