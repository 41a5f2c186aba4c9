"""Takes and serves the material of a tenant's roles."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.errors import NotFound
from longhaul.http import (
    IdempotencyKey,
    Response,
    also,
    caller,
    conditional,
    etag_of,
    keyed_request,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.observability import observed
from longhaul.validation import OwnId
from roles import material
from roles.model import BaseInfo, Material, TalkStyle
from roles.wire import KnowledgeItems, MaterialView, Products, material_view

settings.require(settings.Database, settings.Cache, settings.Limits)

app = make_app()
PUT: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["roles"]}

OwnTaskId = Annotated[OwnId, Path(description="What the tenant calls its task: no id of ours.", examples=["T-1"])]


@app.get(
    "/api/v1/role-tasks/<task_id>",
    security=needs("tasks:read"),
    tags=["roles"],
    summary="Read a task's material",
    openapi_extensions=also(304),
)
def read_material(task_id: OwnTaskId) -> Response[MaterialView]:
    found = material.read(caller(app).tenant_id, task_id)
    if found == Material():
        raise NotFound(f"there is no material for {task_id}")
    return conditional(app, lambda: material_view(task_id, found), etag=etag_of(found))


@app.put("/api/v1/role-tasks/<task_id>/base-info", **PUT, summary="Put a task's base info")
def put_base_info(
    task_id: OwnTaskId, given: Annotated[BaseInfo, Body()], idempotency_key: IdempotencyKey = None
) -> Response[BaseInfo]:
    request = keyed_request(app, idempotency_key, given)
    stored = material.write_base_info(request.tenant_id, task_id, given, request)
    return respond(stored, headers=replay_headers(request.replayed))


@app.put("/api/v1/role-tasks/<task_id>/talk-style", **PUT, summary="Put a task's talk style")
def put_talk_style(
    task_id: OwnTaskId, given: Annotated[TalkStyle, Body()], idempotency_key: IdempotencyKey = None
) -> Response[TalkStyle]:
    request = keyed_request(app, idempotency_key, given)
    stored = material.write_talk_style(request.tenant_id, task_id, given, request)
    return respond(stored, headers=replay_headers(request.replayed))


@app.put("/api/v1/role-tasks/<task_id>/products", **PUT, summary="Put a task's products")
def put_products(
    task_id: OwnTaskId, given: Annotated[Products, Body()], idempotency_key: IdempotencyKey = None
) -> Response[Products]:
    request = keyed_request(app, idempotency_key, given)
    stored = material.write_products(request.tenant_id, task_id, given.items, request)
    return respond(Products(items=stored), headers=replay_headers(request.replayed))


@app.put("/api/v1/role-tasks/<task_id>/knowledge", **PUT, summary="Put a task's knowledge")
def put_knowledge(
    task_id: OwnTaskId, given: Annotated[KnowledgeItems, Body()], idempotency_key: IdempotencyKey = None
) -> Response[KnowledgeItems]:
    request = keyed_request(app, idempotency_key, given)
    stored = material.write_knowledge(request.tenant_id, task_id, given.items, request)
    return respond(KnowledgeItems(items=stored), headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
