"""Serves roles: a tenant's list, a role, and its versions."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    Page,
    PageNumber,
    PageParams,
    PageSize,
    Response,
    also,
    caller,
    conditional,
    etag_of,
    make_app,
    needs,
)
from longhaul.observability import observed
from roles import library
from roles.views import EXAMPLE_ID, RoleSummary, RoleView, VersionSummary

settings.require(settings.Database, settings.Cache, settings.Limits)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["roles"], "openapi_extensions": also(304)}

RoleId = Annotated[
    str,
    Path(
        pattern=r"^role_[0-9a-f]{32}$", description="A role's id, as its task's result gives it.", examples=[EXAMPLE_ID]
    ),
]
StrategyId = Annotated[
    str | None, Query(min_length=1, max_length=64, description="Only of this strategy.", examples=["S-1"])
]
Version = Annotated[
    int | None, Query(ge=1, le=2_000_000_000, description="An earlier version; the latest when left out.", examples=[1])
]


@app.get("/api/v1/roles", **READ, summary="List the roles")
def list_roles(
    strategy_id: StrategyId = None, page: PageNumber = 1, page_size: PageSize = 20
) -> Response[Page[RoleSummary]]:
    found = library.list_roles(caller(app).tenant_id, strategy_id, PageParams(page, page_size))
    return conditional(app, lambda: found, etag=etag_of(found))


@app.get("/api/v1/roles/<role_id>", **READ, summary="Read a role")
def read_role(role_id: RoleId, version: Version = None) -> Response[RoleView]:
    found = library.read_role(caller(app).tenant_id, role_id, version)
    return conditional(app, lambda: found, etag=etag_of(found), last_modified=found.created_at)


@app.get("/api/v1/roles/<role_id>/versions", **READ, summary="List a role's versions")
def list_versions(role_id: RoleId, page: PageNumber = 1, page_size: PageSize = 20) -> Response[Page[VersionSummary]]:
    found = library.list_versions(caller(app).tenant_id, role_id, PageParams(page, page_size))
    return conditional(app, lambda: found, etag=etag_of(found))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
