"""A tenant's material for its roles: read together, cached, and trimmed to what a prompt holds.

It changes seldom, so a cached one is read until somebody writes it. Too much material for one prompt is trimmed:

1. Base info and talk style go in, always and whole.
2. Then the products, then the knowledge, each in the tenant's order: an item goes in whole if there is room for it. A
   smaller item behind one that stays out may still go in.

So the tenant's last knowledge is dropped first, no text is cut in the middle, and the positions of what stays out are
known.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from longhaul import cache, database, stored
from longhaul.cache import Namespace, Tier
from longhaul.database import Session
from longhaul.idempotency import KeyedRequest, claim
from roles import store
from roles.model import BaseInfo, Knowledge, Material, Product, TalkStyle

MAX_CHARACTERS = 16_000  # of material in a prompt, as JSON; a Chinese character is about one token

_MATERIAL = Namespace("role_material", 1, Tier.long)


class Trimmed(NamedTuple):
    """The material that goes in, and the positions (from 1) of the products and the knowledge that stay out."""

    material: Material
    left_out: dict[str, list[int]]


def read(tenant_id: str, task_id: str) -> Material:
    """From the cache, else by one statement. A kind without rows is empty. Raises DatabaseUnavailable."""

    def load() -> object:
        with database.connection() as session:
            return store.fetch_material(session, tenant_id, task_id).model_dump()

    key, tag = json.dumps([tenant_id, task_id], ensure_ascii=False), _tag_of(tenant_id, task_id)
    return cache.read(_MATERIAL, key, tag, load, parse=lambda value: stored.read(Material, value)).value


def write_base_info(tenant_id: str, task_id: str, given: BaseInfo, request: KeyedRequest | None = None) -> BaseInfo:
    """Here and below: replaces what is stored, and returns what is stored then.

    A request that was carried out before replaces nothing: somebody may have written since. Raises DatabaseUnavailable,
    KeyReused.
    """
    found = _write(tenant_id, task_id, request, lambda tx: store.save_base_info(tx, tenant_id, task_id, given))
    return found.base_info or given if found else given


def write_talk_style(tenant_id: str, task_id: str, given: TalkStyle, request: KeyedRequest | None = None) -> TalkStyle:
    found = _write(tenant_id, task_id, request, lambda tx: store.save_talk_style(tx, tenant_id, task_id, given))
    return found.talk_style or given if found else given


def write_products(
    tenant_id: str, task_id: str, given: list[Product], request: KeyedRequest | None = None
) -> list[Product]:
    found = _write(tenant_id, task_id, request, lambda tx: store.save_products(tx, tenant_id, task_id, given))
    return found.products if found else given


def write_knowledge(
    tenant_id: str, task_id: str, given: list[Knowledge], request: KeyedRequest | None = None
) -> list[Knowledge]:
    found = _write(tenant_id, task_id, request, lambda tx: store.save_knowledge(tx, tenant_id, task_id, given))
    return found.knowledge if found else given


def trim(material: Material, max_characters: int = MAX_CHARACTERS) -> Trimmed:
    """Base info and talk style are bounded, and have room in any case."""
    room = max_characters - sum(_size(part) for part in (material.base_info, material.talk_style) if part)
    products, dropped_products, room = _fitting(material.products, room)
    knowledge, dropped_knowledge, _ = _fitting(material.knowledge, room)
    left_out = {"products": dropped_products, "knowledge": dropped_knowledge}
    kept = material.model_copy(update={"products": products, "knowledge": knowledge})
    return Trimmed(kept, {kind: positions for kind, positions in left_out.items() if positions})


def _write(
    tenant_id: str, task_id: str, request: KeyedRequest | None, save: Callable[[Session], None]
) -> Material | None:
    """None after a write. The stored material when the request was carried out before."""

    def write(tx: Session) -> Material | None:
        if not claim(tx, request):
            return store.fetch_material(tx, tenant_id, task_id)
        save(tx)
        return None

    found = database.run_transaction(write)
    cache.invalidate(_tag_of(tenant_id, task_id))
    return found


def _tag_of(tenant_id: str, task_id: str) -> str:
    """The cache's tag of the material of one of the tenant's tasks."""
    return "role_material:" + json.dumps([tenant_id, task_id])


def _fitting[Item: BaseModel](items: Sequence[Item], room: int) -> tuple[list[Item], list[int], int]:
    """The items that fit, the positions of the others, and the room that is left."""
    kept: list[Item] = []
    dropped: list[int] = []
    for position, item in enumerate(items, 1):
        size = _size(item)
        if size <= room:
            kept.append(item)
            room -= size
        else:
            dropped.append(position)
    return kept, dropped, room


def _size(part: BaseModel) -> int:
    return len(part.model_dump_json())
