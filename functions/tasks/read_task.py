"""The HTTP API of one task to be read.

Callers may wait here for its end. So this function does nothing else: those who wait share it with no writer.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Prefer, Response, TaskId, also, make_app, needs, wait_of
from longhaul.observability import observed
from tasks.task_answers import status_answer
from tasks.wire import TaskDocument

settings.require(settings.Database, settings.Cache, settings.Limits, settings.Waits, settings.Live)

app = make_app()


@app.get(
    "/api/v1/tasks/<task_id>",
    security=needs("tasks:read"),
    tags=["tasks"],
    summary="Read a task",
    openapi_extensions=also(304),
)
def get_task(task_id: TaskId, prefer: Prefer = None) -> Response[TaskDocument]:
    return status_answer(app, task_id, wait_of(prefer))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
