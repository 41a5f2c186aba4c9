"""The rows of the directory, read and written by the statements of queries.sql."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from hospitals.model import Division, Hospital, Level
from longhaul import queries
from longhaul.database import Session

_queries = queries.load(__file__)


class Place(NamedTuple):
    """The range of codes of a division: those of the districts in it, its own included."""

    first_code: str
    last_code: str


COUNTRY = Place("000000", "999999")


def place_of(province: Division) -> Place:
    return Place(province.code, f"{province.code[:2]}9999")


@dataclass(frozen=True)
class Changes:
    """How many hospitals a task added, changed and marked gone."""

    added: int
    changed: int
    gone: int


@dataclass(frozen=True)
class ListedHospital:
    """A hospital as the directory shows it; `updated_at` is when it last was different, UTC without a zone."""

    district_code: str
    district_name: str
    name: str
    level: str
    type: str
    address: str
    phone: str
    confidence: float
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "ListedHospital":
        return cls(**row | {"confidence": float(row["confidence"])})


def save_cities(tx: Session, province_code: str, cities: Sequence[Division]) -> int:
    """Rows changed. `cities` must not be empty."""
    return int(_queries.save_cities(tx, province_code=province_code, **_division_rows(cities)))


def save_districts(tx: Session, city_code: str, districts: Sequence[Division]) -> int:
    """Rows changed. `districts` must not be empty."""
    return int(_queries.save_districts(tx, city_code=city_code, **_division_rows(districts)))


def save_hospitals(tx: Session, task_id: str, district_code: str, hospitals: Sequence[Hospital]) -> int:
    """Rows changed, 0 when the district is as it was. `hospitals` must not be empty, their names unique."""
    rows = [[h.name, h.level, h.type, h.address, h.phone, round(h.confidence, 3), h.digest] for h in hospitals]
    names = [h.name for h in hospitals]
    return int(_queries.save_hospitals(tx, task_id=task_id, district_code=district_code, rows=_json(rows), names=names))


def count_changes(session: Session, task_id: str, place: Place) -> Changes:
    row = _queries.count_changes(session, task_id=task_id, first_code=place.first_code, last_code=place.last_code)
    return Changes(added=int(row["added"]), changed=int(row["changed"]), gone=int(row["gone"]))


def list_provinces(session: Session) -> list[Division]:
    return _divisions(_queries.list_provinces(session))


def list_cities(session: Session, province_code: str) -> list[Division] | None:
    """None when there is no such province; nothing listed until it was refreshed."""
    if _queries.fetch_province(session, code=province_code) is None:
        return None
    return _divisions(_queries.list_cities(session, province_code=province_code))


def list_districts(session: Session, city_code: str) -> list[Division] | None:
    """None when there is no such city."""
    if _queries.fetch_city(session, code=city_code) is None:
        return None
    return _divisions(_queries.list_districts(session, city_code=city_code))


def has_district(session: Session, code: str) -> bool:
    return _queries.fetch_district(session, code=code) is not None


def list_by_place(session: Session, place: Place, *, limit: int, offset: int) -> tuple[list[ListedHospital], int]:
    """A page of a place's hospitals by district and name, and how many there are."""
    where = place._asdict()
    rows = _queries.list_by_place(session, **where, limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_place(session, **where))


def list_by_level(
    session: Session, place: Place, level: Level, *, limit: int, offset: int
) -> tuple[list[ListedHospital], int]:
    where = {**place._asdict(), "level": level}
    rows = _queries.list_by_level(session, **where, limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_level(session, **where))


def list_by_name(
    session: Session, place: Place, beginning: str, levels: Sequence[Level], *, limit: int, offset: int
) -> tuple[list[ListedHospital], int]:
    """A page of the hospitals whose name begins so, by name and district, and how many there are."""
    escaped = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    where = {**place._asdict(), "pattern": f"{escaped}%", "levels": list(levels)}
    rows = _queries.list_by_name(session, **where, limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_name(session, **where))


def _division_rows(divisions: Sequence[Division]) -> dict[str, Any]:
    return {"rows": _json([[d.code, d.name] for d in divisions]), "codes": [d.code for d in divisions]}


def _json(rows: list[list[Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _divisions(rows: Sequence[dict[str, Any]]) -> list[Division]:
    return [Division(**row) for row in rows]


def _hospitals(rows: Sequence[dict[str, Any]]) -> list[ListedHospital]:
    return [ListedHospital.from_row(row) for row in rows]
