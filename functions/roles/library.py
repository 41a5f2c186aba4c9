"""Reads a tenant's roles, and each version that was ever written."""

from dataclasses import dataclass

from longhaul import database
from longhaul.errors import NotFound
from roles import store
from roles.store import FIRST_ROLE, FIRST_VERSION, ListedRole, Role, RoleKey, Version


@dataclass(frozen=True)
class Slice[T]:
    """A part of a list. `total` counts the whole list; `more` says that others follow."""

    items: list[T]
    total: int
    more: bool


def list_roles(
    tenant_id: str, strategy_id: str | None, *, after: RoleKey = FIRST_ROLE, limit: int, offset: int = 0
) -> Slice[ListedRole]:
    """The tenant's roles, of one strategy unless None. The role with the newest version comes first."""
    with database.connection() as session:
        found, total = store.list_roles(session, tenant_id, strategy_id, after=after, limit=limit + 1, offset=offset)
    return Slice(found[:limit], total, more=len(found) > limit)


def read_role(tenant_id: str, role_id: str, version: int | None) -> Role:
    """A version of the role, the latest when None. Raises NotFound."""
    with database.connection() as session:
        found = store.fetch_role(session, tenant_id, role_id, version)
    if found is None:
        raise NotFound(f"there is no role {role_id}" + ("" if version is None else f" with a version {version}"))
    return found


def list_versions(
    tenant_id: str, role_id: str, *, before: int = FIRST_VERSION, limit: int, offset: int = 0
) -> Slice[Version]:
    """The role's versions, the latest first. Raises NotFound."""
    with database.connection() as session:
        found, total = store.list_versions(session, tenant_id, role_id, before=before, limit=limit + 1, offset=offset)
    if total == 0:
        raise NotFound(f"there is no role {role_id}")
    return Slice(found[:limit], total, more=len(found) > limit)
