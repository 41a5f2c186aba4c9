"""Which names stand in a text: plain matching, which knows nothing of meaning and cannot be talked into anything."""

import re
from collections.abc import Sequence

from diagnosis.model import folded


def found_in(text: str, names: Sequence[str]) -> list[str]:
    """Those of the names that stand in the text, in the order in which they first do.

    Width and case do not matter. A name that begins or ends with a letter or digit of the Latin alphabet is not found
    inside a longer word (Li not in Like); other scripts put no spaces between words. A name that stands only inside
    longer ones of the names (小鹏 in 小鹏汇天) is not found.
    """
    read = folded(text)
    places: dict[str, int] = {}
    taken: list[tuple[int, int]] = []
    for name in sorted(names, key=lambda name: len(folded(name)), reverse=True):
        spans = [match.span() for match in re.finditer(_pattern(folded(name)), read)]
        own = [span for span in spans if not any(start <= span[0] and span[1] <= end for start, end in taken)]
        if own:
            places[name] = own[0][0]
            taken += own
    return sorted(places, key=lambda name: places[name])


def _pattern(name: str) -> str:
    before = r"(?<![a-z0-9])" if _latin(name[:1]) else ""
    after = r"(?![a-z0-9])" if _latin(name[-1:]) else ""
    return f"{before}{re.escape(name)}{after}"


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
