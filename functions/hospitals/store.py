"""The rows of the directory, by the statements of queries.sql."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import ValidationError

from hospitals.kinds import OF_COUNTRY, OF_PROVINCE
from hospitals.model import Division, Hospital, HospitalsAnswer, Level
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays, chunks
from longhaul.tasks.filtering import END, MAX_ID

_queries = queries.load(__file__)
_KINDS = (OF_COUNTRY, OF_PROVINCE)


class Place(NamedTuple):
    """The range of a division's codes: its own and those of the districts in it."""

    first_code: str
    last_code: str


COUNTRY = Place("000000", "999999")


class Key(NamedTuple):
    """A hospital's primary key. A slice of a list begins after one."""

    district_code: str
    name: str


FIRST = Key("", "")  # before every hospital


def place_of(province: Division) -> Place:
    return Place(province.code, f"{province.code[:2]}9999")


class Change(StrEnum):
    """What a refresh did to a hospital."""

    added = "added"
    changed = "changed"
    gone = "gone"


@dataclass(frozen=True)
class Changes:
    """How many hospitals a task added, changed and marked gone."""

    added: int
    changed: int
    gone: int


@dataclass(frozen=True)
class ListedHospital:
    """A hospital as the directory shows it. `updated_at` is the time of its last change, in UTC; naive from a row."""

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


@dataclass(frozen=True)
class ChangedHospital:
    """A hospital that a task changed, as it is now; one that is gone as it was."""

    change: Change
    hospital: ListedHospital


class Begun(NamedTuple):
    """A refresh's place among others: when it began (ISO 8601, UTC without a zone), and its row."""

    start: str
    id: int


LAST = Begun(END.isoformat(), MAX_ID)  # behind all


@dataclass(frozen=True)
class Refresh:
    """A task that refreshes a province or the whole country. `id` is its row's; times are UTC, without a zone."""

    id: int
    task_id: str
    kind: str
    title: str
    status: str
    started_at: datetime
    finished_at: datetime | None

    @property
    def begun(self) -> Begun:
        return Begun(self.started_at.isoformat(), self.id)


def save_cities(tx: Session, province_code: str, cities: Sequence[Division]) -> int:
    """Rows changed. `cities` must not be empty."""
    rows = [[city.code, city.name] for city in cities]
    saved = sum(int(_queries.save_cities(tx, province_code=province_code, rows=some)) for some in arrays(rows))
    codes = [city.code for city in cities]
    return saved + int(_queries.unlist_cities(tx, province_code=province_code, codes=codes))


def save_districts(tx: Session, city_code: str, districts: Sequence[Division]) -> int:
    """Rows changed. `districts` must not be empty."""
    rows = [[district.code, district.name] for district in districts]
    saved = sum(int(_queries.save_districts(tx, city_code=city_code, rows=some)) for some in arrays(rows))
    codes = [district.code for district in districts]
    return saved + int(_queries.unlist_districts(tx, city_code=city_code, codes=codes))


def save_hospitals(tx: Session, task_id: str, district_code: str, hospitals: Sequence[Hospital]) -> int:
    """Rows changed. A hospital that is not among these any more is gone. Their names must be unique."""
    where = {"task_id": task_id, "district_code": district_code}
    rows = [[h.name, h.level, h.type, h.address, h.phone, round(h.confidence, 3), h.digest] for h in hospitals]
    written = sum(int(_queries.save_hospitals(tx, **where, rows=some)) for some in arrays(rows))
    listed = {row["name"] for row in _queries.list_names(tx, district_code=district_code)}
    gone = sorted(listed.difference(hospital.name for hospital in hospitals))
    return written + sum(int(_queries.mark_gone(tx, **where, names=some)) for some in chunks(gone))


def list_batches(session: Session, task_id: str, district_code: str) -> list[HospitalsAnswer]:
    """The stored answers for an unfinished district, from its first batch on.

    The list ends before a batch that another version of the code has stored in a form that this one cannot read.
    """
    batches: list[HospitalsAnswer] = []
    for row in _queries.list_batches(session, task_id=task_id, district_code=district_code):
        try:
            batches.append(HospitalsAnswer.model_validate_json(row["answer"]))
        except ValidationError:
            break
    return batches


def keep_batch(session: Session, task_id: str, district_code: str, batch: int, answer: HospitalsAnswer) -> None:
    _queries.keep_batch(
        session, task_id=task_id, district_code=district_code, batch=batch, answer=answer.model_dump_json()
    )


def forget_batches(session: Session, task_id: str, district_code: str) -> None:
    _queries.forget_batches(session, task_id=task_id, district_code=district_code)


def count_changes(session: Session, task_id: str, place: Place) -> Changes:
    row = _queries.count_changes(session, task_id=task_id, first_code=place.first_code, last_code=place.last_code)
    return Changes(added=int(row["added"]), changed=int(row["changed"]), gone=int(row["gone"]))


def list_changes(
    session: Session, task_id: str, place: Place, changes: Collection[Change], *, after: Key = FIRST, limit: int
) -> list[ChangedHospital]:
    """The hospitals that the task changed in one of these ways, by district and name."""
    where = {"task_id": task_id, **place._asdict(), "changes": sorted(changes), **_after(after)}
    rows = _queries.list_changes(session, **where, limit=limit)
    return [ChangedHospital(Change(row.pop("what")), ListedHospital.from_row(row)) for row in rows]


def is_refresh(session: Session, task_id: str, tenant_id: str) -> bool:
    return _queries.fetch_refresh(session, task_id=task_id, tenant_id=tenant_id, kinds=_KINDS) is not None


def list_refreshes(session: Session, province: Division, tenant_id: str, *, before: Begun, limit: int) -> list[Refresh]:
    """The tenant's refreshes of the province that began before that one, the last first."""
    of = {"kinds": _KINDS, "province_kind": OF_PROVINCE, "province": province.name, "tenant_id": tenant_id}
    rows = _queries.list_refreshes(session, **of, before_start=before.start, before_id=before.id, limit=limit)
    return [Refresh(**row) for row in rows]


def list_provinces(session: Session) -> list[Division]:
    return _divisions(_queries.list_provinces(session))


def list_cities(session: Session, province_code: str) -> list[Division] | None:
    """None when there is no such province. Empty until it was refreshed."""
    if _queries.fetch_province(session, code=province_code) is None:
        return None
    return _divisions(_queries.list_cities(session, province_code=province_code))


def list_districts(session: Session, city_code: str) -> list[Division] | None:
    """None when there is no such city."""
    if fetch_city(session, city_code) is None:
        return None
    return _divisions(_queries.list_districts(session, city_code=city_code))


def fetch_city(session: Session, code: str) -> Division | None:
    row = _queries.fetch_city(session, code=code)
    return Division(**row) if row else None


def has_district(session: Session, code: str) -> bool:
    return _queries.fetch_district(session, code=code) is not None


def locate_district(session: Session, code: str) -> tuple[Division, Division] | None:
    """The district, and the city it lies in."""
    row = _queries.locate_district(session, code=code)
    if row is None:
        return None
    return Division(code=row["code"], name=row["name"]), Division(code=row["city_code"], name=row["city_name"])


def list_by_place(
    session: Session, place: Place, *, after: Key = FIRST, limit: int, offset: int
) -> tuple[list[ListedHospital], int]:
    """A slice of a place's hospitals by district and name, and how many there are in all."""
    where = place._asdict()
    rows = _queries.list_by_place(session, **where, **_after(after), limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_place(session, **where))


def list_by_level(
    session: Session, place: Place, level: Level, *, after: Key = FIRST, limit: int, offset: int
) -> tuple[list[ListedHospital], int]:
    """As `list_by_place`, of one level."""
    where = {**place._asdict(), "level": level}
    rows = _queries.list_by_level(session, **where, **_after(after), limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_level(session, **where))


def list_by_name(
    session: Session,
    place: Place,
    beginning: str,
    levels: Sequence[Level],
    *,
    after: Key = FIRST,
    limit: int,
    offset: int,
) -> tuple[list[ListedHospital], int]:
    """As `list_by_place`, of names with this beginning, by name and district."""
    escaped = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    where = {**place._asdict(), "pattern": f"{escaped}%", "levels": list(levels)}
    rows = _queries.list_by_name(session, **where, **_after(after), limit=limit, offset=offset)
    return _hospitals(rows), int(_queries.count_by_name(session, **where))


def _after(key: Key) -> dict[str, str]:
    return {"after_district_code": key.district_code, "after_name": key.name}


def _divisions(rows: Sequence[dict[str, Any]]) -> list[Division]:
    return [Division(**row) for row in rows]


def _hospitals(rows: Sequence[dict[str, Any]]) -> list[ListedHospital]:
    return [ListedHospital.from_row(row) for row in rows]
