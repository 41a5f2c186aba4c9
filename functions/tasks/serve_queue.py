"""The HTTP API of lanes: what waits and runs, and for operators the limits."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    KindName,
    Response,
    caller,
    keyed_request,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.observability import observed
from longhaul.tasks.lanes import LaneChange, change_lane, list_lanes
from tasks.queue_wire import LaneDocument, LaneRequest, Lanes, lane_document

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Limits, settings.DispatchQueue, settings.NoticesQueue
)

app = make_app()


@app.get("/api/v1/queue", security=needs("tasks:read"), tags=["queue"], summary="See what waits and runs")
def read_queue() -> Response[Lanes]:
    who = caller(app)
    lanes = list_lanes(who.tenant_id)
    return respond(Lanes(items=[lane_document(lane, for_operators="ops" in who.scopes) for lane in lanes]))


@app.patch("/api/v1/queue/<kind>", security=needs("ops"), tags=["queue"], summary="Change a lane's limits, or pause it")
def change_queue(
    kind: KindName, change: Annotated[LaneRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[LaneDocument]:
    request = keyed_request(app, idempotency_key, change)
    lane = change_lane(kind, LaneChange(**change.model_dump()), request.tenant_id, request=request)
    return respond(lane_document(lane, for_operators=True), headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
