"""The rows of material, by the statements of queries.sql."""

import json
from collections.abc import Sequence

from pydantic import BaseModel

from longhaul import queries
from longhaul.database import Session
from roles.model import BaseInfo, Knowledge, Material, Product, TalkStyle

_queries = queries.load(__file__)


def fetch(session: Session, tenant_id: str, task_id: str) -> Material:
    """All four kinds in one round trip; what is not there is left out."""
    rows = _queries.read_material(session, tenant_id=tenant_id, task_id=task_id)
    found: dict[str, list[object]] = {"base_info": [], "talk_style": [], "products": [], "knowledge": []}
    for row in sorted(rows, key=lambda row: int(row["position"])):
        found[row["kind"]].append(json.loads(row["document"]))
    single = {kind: next(iter(found[kind]), None) for kind in ("base_info", "talk_style")}
    return Material.model_validate(found | single)


def save_base_info(tx: Session, tenant_id: str, task_id: str, given: BaseInfo) -> None:
    _queries.save_base_info(tx, tenant_id=tenant_id, task_id=task_id, **given.model_dump())


def save_talk_style(tx: Session, tenant_id: str, task_id: str, given: TalkStyle) -> None:
    lists = {"phrases": _json(given.phrases), "avoid": _json(given.avoid)}
    _queries.save_talk_style(tx, tenant_id=tenant_id, task_id=task_id, **given.model_dump() | lists)


def save_products(tx: Session, tenant_id: str, task_id: str, given: Sequence[Product]) -> None:
    """Replaces all of them."""
    whose = {"tenant_id": tenant_id, "task_id": task_id}
    _queries.save_products(tx, **whose, rows=_json(_dumped(given)))
    _queries.delete_products_after(tx, **whose, last=len(given))


def save_knowledge(tx: Session, tenant_id: str, task_id: str, given: Sequence[Knowledge]) -> None:
    """Replaces all of it."""
    whose = {"tenant_id": tenant_id, "task_id": task_id}
    _queries.save_knowledge(tx, **whose, rows=_json(_dumped(given)))
    _queries.delete_knowledge_after(tx, **whose, last=len(given))


def _dumped(given: Sequence[BaseModel]) -> list[object]:
    return [item.model_dump() for item in given]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
