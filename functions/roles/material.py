"""A tenant's material: read together and cached, since it changes seldom; whoever writes it has it forgotten."""

import json
from collections.abc import Callable

from longhaul import cache, database
from longhaul.cache import Namespace, Tier
from longhaul.database import Session
from roles import material_store
from roles.model import BaseInfo, Knowledge, Material, Product, TalkStyle
from roles.scopes import scope_of_material

_MATERIAL = Namespace("role_material", 1, Tier.long)


def read(tenant_id: str, task_id: str) -> Material:
    """From the cache, else by one statement. What is not there is empty. Raises DatabaseUnavailable."""

    def load() -> object:
        with database.connection() as session:
            return material_store.fetch(session, tenant_id, task_id).model_dump()

    key = json.dumps([tenant_id, task_id], ensure_ascii=False)
    return Material.model_validate(cache.read(_MATERIAL, key, scope_of_material(tenant_id, task_id), load).value)


def write_base_info(tenant_id: str, task_id: str, given: BaseInfo) -> None:
    """Here and below: what was there before is replaced, and to write the same twice is to write it once."""
    _write(tenant_id, task_id, lambda tx: material_store.save_base_info(tx, tenant_id, task_id, given))


def write_talk_style(tenant_id: str, task_id: str, given: TalkStyle) -> None:
    _write(tenant_id, task_id, lambda tx: material_store.save_talk_style(tx, tenant_id, task_id, given))


def write_products(tenant_id: str, task_id: str, given: list[Product]) -> None:
    _write(tenant_id, task_id, lambda tx: material_store.save_products(tx, tenant_id, task_id, given))


def write_knowledge(tenant_id: str, task_id: str, given: list[Knowledge]) -> None:
    _write(tenant_id, task_id, lambda tx: material_store.save_knowledge(tx, tenant_id, task_id, given))


def _write(tenant_id: str, task_id: str, save: Callable[[Session], None]) -> None:
    database.run_transaction(save)
    cache.invalidate(scope_of_material(tenant_id, task_id))
