"""Adds leads to a campaign."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from calls import campaigns
from calls.wire import LeadsAnswer, LeadsRequest, leads_answer
from longhaul import settings
from longhaul.http import IdempotencyKey, Response, TaskId, keyed_request, make_app, needs, replay_headers, respond
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.AssignQueue,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
)

app = make_app()


@app.post(
    "/api/v1/campaigns/<task_id>/leads",
    security=needs("tasks:write"),
    tags=["calls"],
    summary="Add leads to a campaign",
)
def add_leads(
    task_id: TaskId, page: Annotated[LeadsRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[LeadsAnswer]:
    request = keyed_request(app, idempotency_key, page)
    added = campaigns.add_leads(task_id, request.tenant_id, page.leads, last=page.last, request=request)
    return respond(leads_answer(page.leads, added), headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
