"""Too much material for one prompt: what goes in and what stays out.

1. Base info and talk style go in, always and whole.
2. Then the products, then the knowledge, each in the tenant's order: an item goes in whole if there is room for it. One
   for which there is none stays out, and smaller ones behind it may still go in.

So what is dropped first is the knowledge the tenant named last, no text is cut in the middle, and what stays out is
told by its position.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel

from roles.model import Material

MOST_CHARACTERS = 16_000  # of material in a prompt, as JSON; a Chinese character is about one token


class Trimmed(NamedTuple):
    """The material that goes in, and the positions (from 1) of the products and the knowledge that do not."""

    material: Material
    left_out: dict[str, list[int]]


def trim(material: Material, most: int = MOST_CHARACTERS) -> Trimmed:
    """`most` characters of material; base info and talk style are bounded and have room in any case."""
    room = most - sum(_size(part) for part in (material.base_info, material.talk_style) if part)
    products, dropped_products, room = _fitting(material.products, room)
    knowledge, dropped_knowledge, _ = _fitting(material.knowledge, room)
    left_out = {"products": dropped_products, "knowledge": dropped_knowledge}
    kept = material.model_copy(update={"products": products, "knowledge": knowledge})
    return Trimmed(kept, {kind: positions for kind, positions in left_out.items() if positions})


def _fitting[Item: BaseModel](items: Sequence[Item], room: int) -> tuple[list[Item], list[int], int]:
    """Those that fit, the positions of the others, and the room that is left."""
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
