"""Reads the directory: divisions and lists of hospitals, from the cache or by at most three indexed statements.

The cached pages of a province have one tag, which a refresh forgets when it has changed something there. A search over
the whole country belongs to no province: it may be a minute old.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hospitals import store
from hospitals.model import Division, Level
from hospitals.store import COUNTRY, FIRST, Key, ListedHospital, Place, place_of
from longhaul import cache, database, stored
from longhaul.cache import Namespace, Tier
from longhaul.database import Session
from longhaul.errors import NotFound

_DIVISIONS = Namespace("divisions", 1, Tier.very_long)
_HOSPITALS = Namespace("hospitals", 2, Tier.long)
_SEARCHES = Namespace("hospital_searches", 2, Tier.short)
_SEARCH_TAG = "hospitals:search"  # of every search over the country; nobody forgets it, its entries live a minute


@dataclass(frozen=True)
class Search:
    """Which hospitals: by the beginning of their names, by level, by province. None: any."""

    beginning: str | None = None
    level: Level | None = None
    province: Division | None = None


@dataclass(frozen=True)
class Slice:
    """Which part of a list: `limit` hospitals, without the first `offset` of those after the hospital `after`."""

    limit: int
    offset: int = 0
    after: Key = FIRST

    @property
    def name(self) -> str:
        """Its part of a key of the cache."""
        return f"{self.offset}+{self.limit}" + (f"/{json.dumps(self.after)}" if self.after != FIRST else "")


@dataclass(frozen=True)
class HospitalList:
    """A slice of a list of hospitals. `total` counts the whole list, `last` is the last one's key when more follow."""

    hospitals: list[ListedHospital]
    total: int
    last: Key | None


def forget(*province_codes: str) -> None:
    """Forgets the cached pages of these provinces. Call it after the commit that changed them."""
    cache.invalidate(*map(_tag_of, province_codes))


def list_provinces() -> list[Division]:
    with database.connection() as session:
        return store.list_provinces(session)


def list_cities(province_code: str) -> list[Division]:
    """Raises NotFound. A province that was never refreshed has none yet."""
    return _children(f"cities/{province_code}", province_code, lambda s: store.list_cities(s, province_code))


def list_districts(city_code: str) -> list[Division]:
    """Raises NotFound."""
    return _children(f"districts/{city_code}", city_code, lambda s: store.list_districts(s, city_code))


def list_hospitals(district_code: str, part: Slice) -> HospitalList:
    """A district's hospitals by name. Raises NotFound."""

    def load() -> dict[str, Any]:
        with database.connection() as session:
            if not store.has_district(session, district_code):
                raise NotFound(f"There is no district {district_code}.")
            here = Place(district_code, district_code)
            return _dump_hospitals(store.list_by_place(session, here, **_bounds(part)), part)

    tag = _tag_of(f"{district_code[:2]}0000")
    return cache.read(_HOSPITALS, f"{district_code}/{part.name}", tag, load, parse=_parse_hospitals).value


def search_hospitals(search: Search, part: Slice) -> HospitalList:
    """By name when a beginning of names is given, else by district and name."""
    key = f"{search.beginning or ''}/{search.level or ''}/{part.name}"
    namespace, tag = _SEARCHES, _SEARCH_TAG
    if search.province is not None:
        code = search.province.code
        namespace, tag, key = _HOSPITALS, _tag_of(code), f"{code}/{key}"
    return cache.read(namespace, key, tag, lambda: _search(search, part), parse=_parse_hospitals).value


def _search(search: Search, part: Slice) -> dict[str, Any]:
    place = place_of(search.province) if search.province else COUNTRY
    bounds = _bounds(part)
    with database.connection() as session:
        if search.beginning:
            levels = [search.level] if search.level else list(Level)
            return _dump_hospitals(store.list_by_name(session, place, search.beginning, levels, **bounds), part)
        if search.level:
            return _dump_hospitals(store.list_by_level(session, place, search.level, **bounds), part)
        return _dump_hospitals(store.list_by_place(session, place, **bounds), part)


def _children(key: str, code: str, fetch: Callable[[Session], list[Division] | None]) -> list[Division]:
    def load() -> dict[str, Any]:
        with database.connection() as session:
            found = fetch(session)
        if found is None:
            raise NotFound(f"There is no division {code}.")
        return {"items": [division.model_dump() for division in found], "total": len(found)}

    return cache.read(_DIVISIONS, key, _tag_of(f"{code[:2]}0000"), load, parse=_parse_divisions).value


def _bounds(part: Slice) -> dict[str, Any]:
    """One row more than the slice: it says whether more follow."""
    return {"after": part.after, "limit": part.limit + 1, "offset": part.offset}


def _tag_of(province_code: str) -> str:
    """The cache's tag of all of a province's pages."""
    return f"hospitals:{province_code}"


def _parse_divisions(entry: dict[str, Any]) -> list[Division]:
    return [stored.read(Division, item) for item in entry["items"]]


def _dump_hospitals(found: tuple[list[ListedHospital], int], part: Slice) -> dict[str, Any]:
    """The cache's form of a slice, from one row more than it holds."""
    hospitals, total = found[0][: part.limit], found[1]
    more = len(found[0]) > part.limit
    return {
        "items": [
            vars(one) | {"updated_at": f"{one.updated_at.isoformat(timespec='milliseconds')}Z"} for one in hospitals
        ],
        "total": total,
        "last": [hospitals[-1].district_code, hospitals[-1].name] if more else None,
    }


def _parse_hospitals(entry: dict[str, Any]) -> HospitalList:
    hospitals = [
        ListedHospital(
            **stored.only(item, ListedHospital.__dataclass_fields__)
            | {"updated_at": datetime.fromisoformat(item["updated_at"])}
        )
        for item in entry["items"]
    ]
    last = entry.get("last")
    return HospitalList(hospitals, entry["total"], Key(*last) if last else None)
