"""More leads for a campaign."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from calls import campaigns
from calls.views import Duplicate, LeadsAnswer, LeadsRequest
from longhaul import settings
from longhaul.http import Response, TaskId, caller, make_app, needs, respond
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.AssignQueue,
    settings.DispatchQueue,
    settings.Live,
)

app = make_app()


@app.post(
    "/api/v1/campaigns/<task_id>/leads",
    security=needs("tasks:write"),
    tags=["calls"],
    summary="Add leads to a campaign",
)
def add_leads(task_id: TaskId, request: Annotated[LeadsRequest, Body()]) -> Response[LeadsAnswer]:
    added = campaigns.add_leads(task_id, caller(app).tenant_id, request.leads, last=request.last)
    duplicates = [
        Duplicate(index=index, leads_id=request.leads[index].leads_id, field=field) for index, field in added.duplicates
    ]
    return respond(LeadsAnswer(added=added.added, leads=added.leads, duplicates=duplicates))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
