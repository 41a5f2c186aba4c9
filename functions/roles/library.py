"""Reading roles: a tenant's own, and each version that was ever written."""

from longhaul import database
from longhaul.errors import NotFound
from longhaul.http import Page, PageParams, page_of
from roles import store
from roles.views import RoleSummary, RoleView, VersionSummary, role_view, summary, version_summary


def list_roles(tenant_id: str, strategy_id: str | None, params: PageParams) -> Page[RoleSummary]:
    """What was written last comes first."""
    with database.connection() as session:
        found, total = store.list_roles(session, tenant_id, strategy_id, limit=params.limit, offset=params.offset)
    return page_of([summary(role) for role in found], total, params)


def read_role(tenant_id: str, role_id: str, version: int | None) -> RoleView:
    """A version, the latest when None. Raises NotFound."""
    with database.connection() as session:
        row = store.fetch(session, tenant_id, role_id, version)
    if row is None:
        raise NotFound(f"there is no role {role_id}" + ("" if version is None else f" with a version {version}"))
    return role_view(row)


def list_versions(tenant_id: str, role_id: str, params: PageParams) -> Page[VersionSummary]:
    """The latest first. Raises NotFound."""
    with database.connection() as session:
        found, total = store.list_versions(session, tenant_id, role_id, limit=params.limit, offset=params.offset)
    if total == 0:
        raise NotFound(f"there is no role {role_id}")
    return page_of([version_summary(row) for row in found], total, params)
