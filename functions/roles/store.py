"""The rows of roles, their versions and their material, by the statements of queries.sql."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from pydantic import BaseModel

from longhaul import stored
from longhaul.database import Session, queries
from longhaul.database.chunks import chunks, dumps
from longhaul.tasks.model import aware
from roles.model import BaseInfo, Knowledge, Material, Product, RoleDocument, TalkStyle

_queries = queries.load(__file__)


@dataclass(frozen=True)
class NewVersion:
    """A version to be saved, made by the task `made_by`.

    `missing` are the kinds of material without rows, `left_out` the positions of the items without room in the prompt,
    `prompt` is the version of its text. `cost` is in the currency of the model's prices, `seconds` the time that the
    model took; `estimated`: it did not count its tokens.
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
class Version:
    """A version of a role without its content; fields as of `NewVersion`. Times are aware, UTC, here and below."""

    version: int
    made_by: str
    prompt: str
    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    estimated: bool
    created_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {field.name: aware(row[field.name]) for field in fields(cls)}
        return cls(**values | {"seconds": float(row["seconds"]), "estimated": bool(row["estimated"])})


@dataclass(frozen=True)
class Role(Version):
    """A version of a role with its content, and the number of the role's latest version."""

    role_id: str
    task_id: str
    strategy_id: str
    latest_version: int
    content: RoleDocument
    missing: list[str]
    left_out: dict[str, list[int]]


@dataclass(frozen=True)
class ListedRole:
    """A role in a list."""

    role_id: str
    task_id: str
    strategy_id: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{field.name: aware(row[field.name]) for field in fields(cls)})


class RoleKey(NamedTuple):
    """A role's place in a list. The time is UTC, without a zone."""

    updated_at: str
    role_id: str

    @classmethod
    def of(cls, role: ListedRole) -> Self:
        return cls(role.updated_at.replace(tzinfo=None).isoformat(" "), role.role_id)


FIRST_ROLE = RoleKey("9999-12-31 00:00:00", "")  # before every role
FIRST_VERSION = 2**31 - 1  # before every version


def role_id_of(tenant_id: str, task_id: str, strategy_id: str) -> str:
    """`role_` and 32 hex digits of these three: two tasks that make the same role at once make one."""
    named = json.dumps([tenant_id, task_id, strategy_id])
    return f"role_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def save_version(tx: Session, tenant_id: str, task_id: str, strategy_id: str, new: NewVersion) -> tuple[str, int]:
    """The role's id and the new version's number."""
    role_id = role_id_of(tenant_id, task_id, strategy_id)
    _queries.count_up(tx, role_id=role_id, tenant_id=tenant_id, task_id=task_id, strategy_id=strategy_id)
    values = vars(new) | {
        "content": new.content.model_dump_json(),
        "missing": json.dumps(new.missing),
        "left_out": json.dumps(new.left_out),
    }
    _queries.insert_version(tx, role_id=role_id, **values)
    return role_id, int(_queries.fetch_version_number(tx, role_id=role_id))


def fetch_role(session: Session, tenant_id: str, role_id: str, version: int | None) -> Role | None:
    """A version of the role, the latest when `version` is None."""
    row = _queries.fetch_role(session, tenant_id=tenant_id, role_id=role_id, version=version)
    if row is None:
        return None
    decoded = {name: json.loads(row[name]) for name in ("content", "missing", "left_out")}
    return Role.from_row({**row, **decoded, "content": stored.read(RoleDocument, decoded["content"])})


def list_roles(
    session: Session, tenant_id: str, strategy_id: str | None, *, after: RoleKey = FIRST_ROLE, limit: int, offset: int
) -> tuple[list[ListedRole], int]:
    """A slice of the tenant's roles (of one strategy unless None), and how many there are in all."""
    where = {"tenant_id": tenant_id, "any_strategy": strategy_id is None, "strategy_id": strategy_id or ""}
    bounds = {"after_updated_at": after.updated_at, "after_role_id": after.role_id, "limit": limit, "offset": offset}
    rows = _queries.list_roles(session, **where, **bounds)
    return [ListedRole.from_row(row) for row in rows], int(_queries.count_roles(session, **where))


def list_versions(
    session: Session, tenant_id: str, role_id: str, *, before: int = FIRST_VERSION, limit: int, offset: int
) -> tuple[list[Version], int]:
    """A slice of the role's versions, the latest first, and how many there are; 0: there is no such role."""
    where = {"tenant_id": tenant_id, "role_id": role_id}
    rows = _queries.list_versions(session, **where, after_version=before, limit=limit, offset=offset)
    return [Version.from_row(row) for row in rows], int(_queries.count_versions(session, **where))


def fetch_material(session: Session, tenant_id: str, task_id: str) -> Material:
    """All four kinds in one round trip. A kind without rows is empty."""
    rows = _queries.read_material(session, tenant_id=tenant_id, task_id=task_id)
    found: dict[str, list[object]] = {"base_info": [], "talk_style": [], "products": [], "knowledge": []}
    for row in sorted(rows, key=lambda row: int(row["position"])):
        found[row["kind"]].append(json.loads(row["document"]))
    single = {kind: next(iter(found[kind]), None) for kind in ("base_info", "talk_style")}
    return stored.read(Material, found | single)


def save_base_info(tx: Session, tenant_id: str, task_id: str, given: BaseInfo) -> None:
    _queries.save_base_info(tx, tenant_id=tenant_id, task_id=task_id, **given.model_dump())


def save_talk_style(tx: Session, tenant_id: str, task_id: str, given: TalkStyle) -> None:
    lists = {"phrases": dumps(given.phrases), "avoid": dumps(given.avoid)}
    _queries.save_talk_style(tx, tenant_id=tenant_id, task_id=task_id, **given.model_dump() | lists)


def save_products(tx: Session, tenant_id: str, task_id: str, given: Sequence[Product]) -> None:
    """Replaces all products."""
    whose = {"tenant_id": tenant_id, "task_id": task_id}
    skipped = 0
    for some in chunks(_dumped(given)):
        _queries.save_products(tx, **whose, rows=dumps(some), skipped=skipped)
        skipped += len(some)
    _queries.delete_products_after(tx, **whose, last=len(given))


def save_knowledge(tx: Session, tenant_id: str, task_id: str, given: Sequence[Knowledge]) -> None:
    """Replaces all knowledge."""
    whose = {"tenant_id": tenant_id, "task_id": task_id}
    skipped = 0
    for some in chunks(_dumped(given)):
        _queries.save_knowledge(tx, **whose, rows=dumps(some), skipped=skipped)
        skipped += len(some)
    _queries.delete_knowledge_after(tx, **whose, last=len(given))


def _dumped(given: Sequence[BaseModel]) -> list[object]:
    return [item.model_dump() for item in given]
