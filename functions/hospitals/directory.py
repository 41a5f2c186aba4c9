"""Reading the directory: pages of divisions and hospitals, from the cache or from at most three indexed statements.

A province's pages share a scope, which a refresh forgets when it changed something there. A search over the whole
country has no province to be forgotten with: it may be a minute old.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hospitals import store
from hospitals.model import Division, Level
from hospitals.scopes import SEARCH, scope_of
from hospitals.store import COUNTRY, ListedHospital, Place, place_of
from longhaul import cache, database
from longhaul.cache import Namespace, Tier
from longhaul.database import Session
from longhaul.errors import NotFound
from longhaul.http import PageParams, rfc3339

_DIVISIONS = Namespace("divisions", 1, Tier.very_long)
_HOSPITALS = Namespace("hospitals", 1, Tier.long)
_SEARCHES = Namespace("hospital_searches", 1, Tier.short)

type Rows = dict[str, Any]  # {"items": [...], "total": n}, as it is cached


@dataclass(frozen=True)
class Search:
    """What to look for: names that begin so, of this level, in this province; what is None does not matter."""

    beginning: str | None = None
    level: Level | None = None
    province: Division | None = None


def list_provinces() -> Rows:
    with database.connection() as session:
        return _divisions(store.list_provinces(session))


def list_cities(province_code: str) -> Rows:
    """Raises NotFound. A province that was never refreshed has none yet."""
    return _children(f"cities/{province_code}", province_code, lambda s: store.list_cities(s, province_code))


def list_districts(city_code: str) -> Rows:
    """Raises NotFound."""
    return _children(f"districts/{city_code}", city_code, lambda s: store.list_districts(s, city_code))


def list_hospitals(district_code: str, page: PageParams) -> Rows:
    """A district's hospitals by name. Raises NotFound."""

    def load() -> Rows:
        with database.connection() as session:
            if not store.has_district(session, district_code):
                raise NotFound(f"There is no district {district_code}.")
            here = Place(district_code, district_code)
            return _hospitals(store.list_by_place(session, here, limit=page.limit, offset=page.offset))

    key = f"{district_code}/{page.page}/{page.page_size}"
    return cache.read(_HOSPITALS, key, scope_of(f"{district_code[:2]}0000"), load).value


def search_hospitals(search: Search, page: PageParams) -> Rows:
    """By name when a beginning of names is given, else by district and name."""
    key = f"{search.beginning or ''}/{search.level or ''}/{page.page}/{page.page_size}"
    if search.province is None:
        return cache.read(_SEARCHES, key, SEARCH, lambda: _search(search, page)).value
    code = search.province.code
    return cache.read(_HOSPITALS, f"{code}/{key}", scope_of(code), lambda: _search(search, page)).value


def _search(search: Search, page: PageParams) -> Rows:
    place = place_of(search.province) if search.province else COUNTRY
    bounds = {"limit": page.limit, "offset": page.offset}
    with database.connection() as session:
        if search.beginning:
            levels = [search.level] if search.level else list(Level)
            return _hospitals(store.list_by_name(session, place, search.beginning, levels, **bounds))
        if search.level:
            return _hospitals(store.list_by_level(session, place, search.level, **bounds))
        return _hospitals(store.list_by_place(session, place, **bounds))


def _children(key: str, code: str, fetch: Callable[[Session], list[Division] | None]) -> Rows:
    def load() -> Rows:
        with database.connection() as session:
            found = fetch(session)
        if found is None:
            raise NotFound(f"There is no division {code}.")
        return _divisions(found)

    return cache.read(_DIVISIONS, key, scope_of(f"{code[:2]}0000"), load).value


def _divisions(found: list[Division]) -> Rows:
    return {"items": [division.model_dump() for division in found], "total": len(found)}


def _hospitals(found: tuple[list[ListedHospital], int]) -> Rows:
    hospitals, total = found
    items = [vars(hospital) | {"updated_at": rfc3339(hospital.updated_at)} for hospital in hospitals]
    return {"items": items, "total": total}
