"""Takes and serves the material that a tenant's roles are made from."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.errors import NotFound
from longhaul.http import Response, also, caller, conditional, etag_of, make_app, needs, respond
from longhaul.observability import observed
from roles import material
from roles.model import BaseInfo, Material, TalkStyle
from roles.views import KnowledgeItems, MaterialView, Products, material_view

settings.require(settings.Database, settings.Cache, settings.Limits)

app = make_app()
PUT: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["roles"]}

OwnTaskId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        pattern=r"^[^\s/]+$",
        description="What the tenant calls its task: no id of ours.",
        examples=["T-1"],
    ),
]


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
def put_base_info(task_id: OwnTaskId, given: Annotated[BaseInfo, Body()]) -> Response[BaseInfo]:
    material.write_base_info(caller(app).tenant_id, task_id, given)
    return respond(given)


@app.put("/api/v1/role-tasks/<task_id>/talk-style", **PUT, summary="Put a task's talk style")
def put_talk_style(task_id: OwnTaskId, given: Annotated[TalkStyle, Body()]) -> Response[TalkStyle]:
    material.write_talk_style(caller(app).tenant_id, task_id, given)
    return respond(given)


@app.put("/api/v1/role-tasks/<task_id>/products", **PUT, summary="Put a task's products")
def put_products(task_id: OwnTaskId, given: Annotated[Products, Body()]) -> Response[Products]:
    material.write_products(caller(app).tenant_id, task_id, given.items)
    return respond(given)


@app.put("/api/v1/role-tasks/<task_id>/knowledge", **PUT, summary="Put a task's knowledge")
def put_knowledge(task_id: OwnTaskId, given: Annotated[KnowledgeItems, Body()]) -> Response[KnowledgeItems]:
    material.write_knowledge(caller(app).tenant_id, task_id, given.items)
    return respond(given)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
