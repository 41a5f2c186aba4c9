"""The HTTP API of many tasks at once: submit, change, act on all that match, delete what ended long ago."""

from functools import partial
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    Response,
    also,
    caller,
    keyed_request,
    limited,
    make_app,
    needs,
    replay_headers,
    respond,
    waiting,
)
from longhaul.observability import observed
from longhaul.tasks.batches import change_many, submit_many
from longhaul.tasks.bulk import count_matching
from longhaul.tasks.model import TERMINAL, Status
from longhaul.tasks.purging import purge
from tasks.batch_wire import (
    ActionRequest,
    BatchAnswer,
    ChangeMany,
    EndedStatus,
    Matched,
    PurgeAnswer,
    SubmitMany,
    answer,
    start_action,
    written_answer,
)
from tasks.wire import TaskDocument, document, location

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

POLL_SECONDS = "2"
PURGE_SECONDS, BRIEF_SECONDS = 10.0, 1.0  # the second where too many are at work
FUNCTION_SECONDS = 25.0  # the function's timeout: nobody is at work for longer

app = make_app()

Days = Annotated[int, Query(ge=0, le=3650, description="Only what ended so many days ago.", examples=[7])]
Ended = Annotated[
    list[EndedStatus] | None,
    Query(description="Only these; every task that has ended when left out.", examples=[["SUCCEEDED"]]),
]


def bulk(summary: str, **more: Any) -> dict[str, Any]:
    """What is the same for every route here."""
    return {
        "security": needs("tasks:write"),
        "tags": ["tasks"],
        "summary": summary,
        "openapi_extensions": limited("bulk") | more,
    }


@app.post("/api/v1/tasks/batch", **bulk("Submit up to 100 tasks"))
def submit_tasks(request: Annotated[SubmitMany, Body()]) -> Response[BatchAnswer]:
    return respond(answer(app, submit_many(request.submissions(caller(app))), 202))


@app.patch("/api/v1/tasks/batch", **bulk("Change up to 100 tasks"))
def change_tasks(
    changes: Annotated[ChangeMany, Body()], idempotency_key: IdempotencyKey = None
) -> Response[BatchAnswer]:
    request = keyed_request(app, idempotency_key, changes)
    written = partial(written_answer, app, status=200)
    answers = change_many(request.tenant_id, changes.changes(), request=request, written=written)
    return respond(request.answer if request.replayed else written(answers), headers=replay_headers(request.replayed))


@app.post("/api/v1/tasks/actions", status_code=202, **bulk("Act on all tasks that match", **also(200)))
def act_on_matching(
    request: Annotated[ActionRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[TaskDocument | Matched]:
    """Starts a task that does it, to be followed, paused and cancelled as any. With `dry_run`: only how many match."""
    if request.dry_run:
        return respond(Matched(matched=count_matching(caller(app).tenant_id, request.filter)))
    submitted = start_action(request, caller(app), idempotency_key)
    task = submitted.task
    headers = {"Location": location(task.task_id), "Retry-After": POLL_SECONDS, **replay_headers(submitted.replayed)}
    return respond(document(task), 200 if submitted.replayed else 202, headers)


@app.delete("/api/v1/tasks", **bulk("Delete what ended long ago"))
def delete_tasks(
    older_than_days: Days = 7, status: Ended = None, idempotency_key: IdempotencyKey = None
) -> Response[PurgeAnswer]:
    statuses = [Status(name) for name in status or TERMINAL]
    request = keyed_request(app, idempotency_key)
    with waiting.place(
        request.tenant_id, FUNCTION_SECONDS
    ) as held:  # while it works it is in the way like one who waits
        seconds = PURGE_SECONDS if held else BRIEF_SECONDS
        purged = purge(older_than_days, statuses, tenant_id=request.tenant_id, seconds=seconds, request=request)
    answer = PurgeAnswer(deleted=purged.deleted, more=purged.more)
    return respond(answer, headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
