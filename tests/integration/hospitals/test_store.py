"""The directory's rows on a real engine: what a refresh adds, changes, marks gone and lists again."""

from collections.abc import Callable
from typing import Any

import pytest

from hospitals import store
from hospitals.model import Division, Hospital, Level
from hospitals.store import COUNTRY, Changes, Place
from longhaul.database import connection

type Sql = Callable[..., list[dict[str, Any]]]

LIWAN, YUEXIU = "440103", "440104"


def hospital(name: str, **changes: Any) -> Hospital:
    values: dict[str, Any] = {
        "level": "三级甲等",
        "type": "综合医院",
        "address": "路1号",
        "phone": "0000-20000001",
        "confidence": 0.75,
    }
    return Hospital(name=name, **(values | changes))


def save(task_id: str, *hospitals: Hospital, district: str = LIWAN) -> int:
    with connection() as session:
        return store.save_hospitals(session, task_id, district, hospitals)


def changes(task_id: str, place: Place = COUNTRY) -> Changes:
    with connection() as session:
        return store.count_changes(session, task_id, place)


def listed(district: str = LIWAN) -> list[str]:
    with connection() as session:
        found, total = store.list_by_place(session, Place(district, district), limit=100, offset=0)
    assert total == len(found)
    return [one.name for one in found]


@pytest.fixture(autouse=True)
def districts(database: dict[str, Any]) -> None:
    with connection() as session:
        store.save_districts(
            session, "440100", [Division(code=LIWAN, name="荔湾区"), Division(code=YUEXIU, name="越秀区")]
        )


def test_the_same_again_writes_nothing() -> None:
    hospitals = [
        hospital("甲医院", confidence=0.123),
        hospital("乙\"医\\院'", phone=""),
        hospital("丙医院", address=""),
    ]
    assert save("t1", *hospitals) == 3
    assert save("t2", *hospitals) == 0
    assert changes("t1") == Changes(added=3, changed=0, gone=0)
    assert changes("t2") == Changes(added=0, changed=0, gone=0)


def test_what_is_different_is_told_apart(sql: Sql) -> None:
    save("t1", hospital("甲医院"), hospital("乙医院"), hospital("丙医院"))
    assert save("t2", hospital("甲医院"), hospital("乙医院", level="二级"), hospital("丁医院")) == 1 + 2 + 1
    assert changes("t2") == Changes(added=1, changed=1, gone=1)
    rows = {row["name"]: row for row in sql("SELECT * FROM hospitals")}
    assert rows["甲医院"]["created_at"] == rows["甲医院"]["updated_at"]
    assert rows["乙医院"]["created_at"] < rows["乙医院"]["updated_at"]
    assert (rows["丙医院"]["listed"], rows["丙医院"]["gone_by"], rows["丙医院"]["added_by"]) == (0, "t2", "t1")
    assert rows["乙医院"]["level"] == "二级"
    assert sorted(listed()) == ["丁医院", "乙医院", "甲医院"]


def test_what_comes_back_is_listed_again_and_counts_as_changed(sql: Sql) -> None:
    save("t1", hospital("甲医院"), hospital("乙医院"))
    save("t2", hospital("甲医院"))
    assert save("t2", hospital("甲医院")) == 0
    save("t3", hospital("甲医院"), hospital("乙医院"))
    assert changes("t3") == Changes(added=0, changed=1, gone=0)
    assert changes("t2") == Changes(added=0, changed=0, gone=0)
    assert listed() == ["乙医院", "甲医院"]


def test_a_wavering_confidence_is_kept_but_is_no_change(sql: Sql) -> None:
    save("t1", hospital("甲医院", confidence=0.5))
    assert save("t2", hospital("甲医院", confidence=0.625)) == 2
    assert changes("t2") == Changes(added=0, changed=0, gone=0)
    [row] = sql("SELECT confidence, created_at = updated_at AS untouched FROM hospitals")
    assert (float(row["confidence"]), row["untouched"]) == (0.625, 1)


def test_a_district_leaves_the_others_alone() -> None:
    save("t1", hospital("甲医院"))
    save("t1", hospital("甲医院", phone="0000-20000002"), hospital("乙医院"), district=YUEXIU)
    save("t2", hospital("丙医院"), district=YUEXIU)
    assert listed() == ["甲医院"]
    assert changes("t2", Place(LIWAN, LIWAN)) == Changes(added=0, changed=0, gone=0)
    assert changes("t2", Place("440000", "449999")) == Changes(added=1, changed=0, gone=2)
    assert changes("t2", Place("450000", "459999")) == Changes(added=0, changed=0, gone=0)


def test_names_differ_by_case_and_width() -> None:
    save("t1", hospital("ABC医院"), hospital("abc医院"), hospital("ＡＢＣ医院"))
    assert len(listed()) == 3


@pytest.mark.parametrize(
    ("beginning", "level", "names"),
    [
        ("甲", None, ["甲乙医院", "甲医院"]),
        ("甲", Level.TWO, ["甲医院"]),
        ("甲乙医院", None, ["甲乙医院"]),
        ("医院", None, []),
        ("%", None, []),
        ("100%", None, ["100%医院"]),
        ("_", None, []),
        ("\\", None, []),
    ],
)
def test_search_by_the_beginning_of_names(beginning: str, level: Level | None, names: list[str]) -> None:
    save("t1", hospital("甲医院", level="二级"), hospital("甲乙医院"), hospital("乙甲医院"), hospital("100%医院"))
    save("t1", hospital("甲丙医院"), district="450101")
    levels = [level] if level else list(Level)
    with connection() as session:
        found, total = store.list_by_name(session, Place("440000", "449999"), beginning, levels, limit=10, offset=0)
    assert [one.name for one in found] == names
    assert total == len(names)


def test_search_by_level_pages() -> None:
    save("t1", hospital("甲医院", level="二级"), hospital("乙医院", level="二级"), hospital("丙医院"))
    save("t1", hospital("丁医院", level="二级"), district=YUEXIU)
    seen = []
    with connection() as session:
        for offset in range(4):
            found, total = store.list_by_level(session, COUNTRY, Level.TWO, limit=1, offset=offset)
            assert total == 3
            seen += [(one.district_name, one.name) for one in found]
    assert seen == [("荔湾区", "乙医院"), ("荔湾区", "甲医院"), ("越秀区", "丁医院")]


def test_divisions_that_are_not_named_any_more_are_not_listed() -> None:
    with connection() as session:
        liwan, yuexiu = Division(code=LIWAN, name="荔湾区"), Division(code=YUEXIU, name="越秀区")
        assert store.save_districts(session, "440100", [liwan, yuexiu]) == 0
        assert store.save_districts(session, "440100", [yuexiu]) == 1
        assert store.list_districts(session, "440199") is None
        assert store.save_cities(session, "440000", [Division(code="440100", name="广州市")]) == 1
        assert store.list_districts(session, "440100") == [yuexiu]
        assert store.has_district(session, LIWAN)
        assert store.list_cities(session, "440000") == [Division(code="440100", name="广州市")]
        assert store.list_cities(session, "450000") == []
        assert store.list_cities(session, "990000") is None


def test_the_country_has_its_34_provinces(database: dict[str, Any]) -> None:
    from hospitals.provinces import PROVINCES

    with connection() as session:
        assert store.list_provinces(session) == list(PROVINCES)
