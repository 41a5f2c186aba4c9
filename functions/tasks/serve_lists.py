"""The HTTP API of lists: a tenant's tasks by page and by cursor, and the steps and the history of one."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Page, PageNumber, PageParams, PageSize, Response, TaskId, also, caller, make_app, needs
from longhaul.observability import observed
from longhaul.tasks.finding.model import Order, Sort
from longhaul.tasks.model import StepStatus
from tasks.answers import active_answer, cursor_answer, events_answer, page_answer, steps_answer
from tasks.documents import TaskDocument, document
from tasks.filters import (
    CreatedAfter,
    CreatedBefore,
    Cursor,
    Kinds,
    Limit,
    Priorities,
    SortBy,
    SortOrder,
    Statuses,
    TitleText,
    question,
)
from tasks.views import ActiveTasks, CursorPage, EventDocument, StepDocument, TaskSummary, summary

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
LIST: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["tasks"], "openapi_extensions": also(304)}

Level = Annotated[
    str | None, Query(min_length=1, max_length=32, description="Only those of this level.", examples=["district"])
]
StepState = Annotated[StepStatus | None, Query(description="Only those that stand so.", examples=["SUCCEEDED"])]


@app.get("/api/v1/tasks", **LIST, summary="List tasks, a page by its number")
def list_tasks(
    status: Statuses = None,
    kind: Kinds = None,
    priority: Priorities = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    title: TitleText = None,
    sort_by: SortBy = Sort.created_at,
    sort_order: SortOrder = Order.desc,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[Page[TaskDocument]]:
    tenant_id, filters = caller(app).tenant_id, (status, kind, priority, created_after, created_before, title)
    asked = question(tenant_id, *filters, sort_by, sort_order)
    return page_answer(app, asked, PageParams(page, page_size), document)


@app.get("/api/v1/tasks/summary", **LIST, summary="List tasks with their small fields only")
def list_summaries(
    status: Statuses = None,
    kind: Kinds = None,
    priority: Priorities = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    title: TitleText = None,
    sort_by: SortBy = Sort.created_at,
    sort_order: SortOrder = Order.desc,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[Page[TaskSummary]]:
    tenant_id, filters = caller(app).tenant_id, (status, kind, priority, created_after, created_before, title)
    asked = question(tenant_id, *filters, sort_by, sort_order)
    return page_answer(app, asked, PageParams(page, page_size), summary)


@app.get("/api/v1/tasks/cursor", **LIST, summary="List tasks, each page after the one before")
def list_tasks_after(
    status: Statuses = None,
    kind: Kinds = None,
    priority: Priorities = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    title: TitleText = None,
    sort_by: SortBy = Sort.created_at,
    sort_order: SortOrder = Order.desc,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response[CursorPage[TaskDocument]]:
    tenant_id, filters = caller(app).tenant_id, (status, kind, priority, created_after, created_before, title)
    asked = question(tenant_id, *filters, sort_by, sort_order)
    return cursor_answer(app, asked, cursor, limit)


@app.get("/api/v1/tasks/active", **LIST, summary="List what has not ended, the newest 1,000")
def list_active_tasks() -> Response[ActiveTasks]:
    return active_answer(app, caller(app).tenant_id)


@app.get("/api/v1/tasks/<task_id>/steps", **LIST, summary="List a task's steps by their keys")
def list_steps(
    task_id: TaskId, level: Level = None, status: StepState = None, cursor: Cursor = None, limit: Limit = 20
) -> Response[CursorPage[StepDocument]]:
    return steps_answer(app, task_id, caller(app).tenant_id, level, status, cursor, limit)


@app.get("/api/v1/tasks/<task_id>/events", **LIST, summary="List a task's history, oldest first")
def list_events(task_id: TaskId, cursor: Cursor = None, limit: Limit = 20) -> Response[CursorPage[EventDocument]]:
    return events_answer(app, task_id, caller(app).tenant_id, cursor, limit)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
