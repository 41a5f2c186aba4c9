"""The HTTP API of many tasks at once: submit, change, act on all that match, delete what ended long ago."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import IdempotencyKey, Response, also, caller, limited, make_app, needs, respond
from longhaul.observability import observed
from longhaul.tasks.bulk import planning
from longhaul.tasks.bulk.changing import change_many
from longhaul.tasks.bulk.purging import purge
from longhaul.tasks.bulk.selection import KIND, Selection
from longhaul.tasks.bulk.submitting import submit_many
from longhaul.tasks.model import TERMINAL, Status
from longhaul.tasks.submission import Submission, submit
from tasks.batches import (
    ActionRequest,
    BatchAnswer,
    ChangeMany,
    EndedStatus,
    Matched,
    PurgeAnswer,
    SubmitMany,
    answer,
    key_of_action,
)
from tasks.documents import TaskDocument, document, location

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Limits, settings.DispatchQueue, settings.Live
)

POLL_SECONDS = "2"
PURGE_SECONDS = 10.0

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
def change_tasks(request: Annotated[ChangeMany, Body()]) -> Response[BatchAnswer]:
    return respond(answer(app, change_many(caller(app).tenant_id, request.changes()), 200))


@app.post("/api/v1/tasks/actions", status_code=202, **bulk("Act on all tasks that match", **also(200)))
def act_on_matching(
    request: Annotated[ActionRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[TaskDocument | Matched]:
    """Starts a task that does it, to be followed, paused and cancelled as any. With `dry_run`: only how many match."""
    who = caller(app)
    matched = planning.count(Selection(who.tenant_id, request.filter))
    if request.dry_run:
        return respond(Matched(matched=matched))
    key = key_of_action(idempotency_key)
    task = submit(Submission(who.tenant_id, who.user_id, KIND, request.params(), idempotency_key=key))
    return respond(document(task), 202, {"Location": location(task.task_id), "Retry-After": POLL_SECONDS})


@app.delete("/api/v1/tasks", **bulk("Delete what ended long ago"))
def delete_tasks(older_than_days: Days = 7, status: Ended = None) -> Response[PurgeAnswer]:
    statuses = [Status(name) for name in status or TERMINAL]
    purged = purge(older_than_days, statuses, tenant_id=caller(app).tenant_id, seconds=PURGE_SECONDS)
    return respond(PurgeAnswer(deleted=purged.deleted, more=purged.more))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
