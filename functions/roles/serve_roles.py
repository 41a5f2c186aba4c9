"""Serves roles: a tenant's list, a role, and its versions."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    Page,
    PageCursor,
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
from longhaul.validation import OwnId
from roles import library
from roles.store import FIRST_ROLE, FIRST_VERSION, RoleKey
from roles.wire import EXAMPLE_ID, RoleSummary, RoleView, VersionSummary, role_page, role_view, version_page

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["roles"], "openapi_extensions": also(304)}

RoleId = Annotated[
    str,
    Path(
        pattern=r"^role_[0-9a-f]{32}$", description="A role's id, as its task's result gives it.", examples=[EXAMPLE_ID]
    ),
]
StrategyId = Annotated[OwnId | None, Query(description="Only of this strategy.", examples=["S-1"])]
Version = Annotated[
    int | None, Query(ge=1, le=2_000_000_000, description="An earlier version; the latest when left out.", examples=[1])
]


@app.get("/api/v1/roles", **READ, summary="List the roles")
def list_roles(
    strategy_id: StrategyId = None, page: PageNumber = 1, page_size: PageSize = 20, cursor: PageCursor = None
) -> Response[Page[RoleSummary]]:
    tenant_id = caller(app).tenant_id
    of = ["roles", tenant_id, strategy_id]
    params = PageParams.at(of, page, page_size, cursor)
    after = RoleKey(*params.after) if params.after else FIRST_ROLE
    found = library.list_roles(tenant_id, strategy_id, after=after, limit=params.limit, offset=params.offset)
    listed = role_page(found, params, of)
    return conditional(app, lambda: listed, etag=etag_of(listed))


@app.get("/api/v1/roles/<role_id>", **READ, summary="Read a role")
def read_role(role_id: RoleId, version: Version = None) -> Response[RoleView]:
    found = role_view(library.read_role(caller(app).tenant_id, role_id, version))
    return conditional(app, lambda: found, etag=etag_of(found), last_modified=found.created_at)


@app.get("/api/v1/roles/<role_id>/versions", **READ, summary="List a role's versions")
def list_versions(
    role_id: RoleId, page: PageNumber = 1, page_size: PageSize = 20, cursor: PageCursor = None
) -> Response[Page[VersionSummary]]:
    tenant_id = caller(app).tenant_id
    of = ["versions", tenant_id, role_id]
    params = PageParams.at(of, page, page_size, cursor)
    before = params.after[0] if params.after else FIRST_VERSION
    found = library.list_versions(tenant_id, role_id, before=before, limit=params.limit, offset=params.offset)
    listed = version_page(found, params, of)
    return conditional(app, lambda: listed, etag=etag_of(listed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
