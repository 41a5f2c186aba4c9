"""The rows of roles and of their versions, by the statements of queries.sql."""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from longhaul import queries
from longhaul.database import Session
from longhaul.tasks.model import aware
from roles.model import RoleDocument

_queries = queries.load(__file__)


@dataclass(frozen=True)
class Written:
    """A role as it was written: by which task of ours, from what, by which model, and what that took.

    `missing` are the kinds of material that were not there, `left_out` the positions of what there was no room for;
    `cost` is in the currency of the model's prices, `seconds` is how long the model was asked, `estimated` says
    that it did not count its tokens.
    """

    made_by: str
    content: RoleDocument
    missing: list[str]
    left_out: dict[str, list[int]]
    prompt: str
    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    estimated: bool


@dataclass(frozen=True)
class Listed:
    """A role in a list. Times are aware, UTC."""

    role_id: str
    task_id: str
    strategy_id: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{field.name: aware(row[field.name]) for field in fields(cls)})


def role_id_of(tenant_id: str, task_id: str, strategy_id: str) -> str:
    """`role_` and 32 hex digits: the same for the same role, so that two who make it at once make one."""
    named = json.dumps([tenant_id, task_id, strategy_id])
    return f"role_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def save(tx: Session, tenant_id: str, task_id: str, strategy_id: str, written: Written) -> tuple[str, int]:
    """The id of the role and the number of the version that this is."""
    role_id = role_id_of(tenant_id, task_id, strategy_id)
    _queries.count_up(tx, role_id=role_id, tenant_id=tenant_id, task_id=task_id, strategy_id=strategy_id)
    told = vars(written) | {
        "content": written.content.model_dump_json(),
        "missing": json.dumps(written.missing),
        "left_out": json.dumps(written.left_out),
    }
    _queries.insert_version(tx, role_id=role_id, **told)
    return role_id, int(_queries.fetch_version_number(tx, role_id=role_id))


def fetch(session: Session, tenant_id: str, role_id: str, version: int | None) -> dict[str, Any] | None:
    """A version, the latest when None: what `Written` holds, with the role's ids, its latest version and the time."""
    row = _queries.fetch_role(session, tenant_id=tenant_id, role_id=role_id, version=version)
    if row is None:
        return None
    decoded = {name: json.loads(row[name]) for name in ("content", "missing", "left_out")}
    return row | decoded | {"created_at": aware(row["created_at"])}


def list_roles(
    session: Session, tenant_id: str, strategy_id: str | None, *, limit: int, offset: int
) -> tuple[list[Listed], int]:
    """A page of the tenant's roles (of one strategy unless None), and how many there are."""
    where = {"tenant_id": tenant_id, "any_strategy": strategy_id is None, "strategy_id": strategy_id or ""}
    rows = _queries.list_roles(session, **where, limit=limit, offset=offset)
    return [Listed.from_row(row) for row in rows], int(_queries.count_roles(session, **where))


def list_versions(
    session: Session, tenant_id: str, role_id: str, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of the role's versions, the latest first, without what they say; and how many there are: 0, no role."""
    where = {"tenant_id": tenant_id, "role_id": role_id}
    rows = _queries.list_versions(session, **where, limit=limit, offset=offset)
    return [row | {"created_at": aware(row["created_at"])} for row in rows], int(
        _queries.count_versions(session, **where)
    )
