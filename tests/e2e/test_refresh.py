"""A refresh through the whole chain: what it finds, what it leaves alone, what the API then says."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.observation import Observer
from tests.providing import Provider, Truth, city_codes, district_codes, truth

HAINAN, NINGXIA, BEIJING, HONGKONG = "460000", "640000", "110000", "810000"
NAMES = {HAINAN: "海南省", NINGXIA: "宁夏回族自治区", BEIJING: "北京市", HONGKONG: "香港特别行政区"}


def stored(observer: Observer) -> dict[str, set[tuple[Any, ...]]]:
    """What the directory lists, by district."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for row in observer.sql("SELECT * FROM hospitals WHERE listed = 1"):
        content = tuple(row[name] for name in ("name", "level", "type", "address", "phone"))
        found.setdefault(row["district_code"], set()).add(content)
    return found


def expected(province: Truth) -> dict[str, set[tuple[Any, ...]]]:
    return {code: {(h.name, h.level, h.type, h.address, h.phone) for h in here} for code, here in province.items()}


def size(province: Truth) -> int:
    return sum(map(len, province.values()))


@pytest.mark.parametrize("province", [HAINAN, BEIJING, HONGKONG])
def test_a_refresh_finds_exactly_what_there_is(observer: Observer, province: str) -> None:
    # GIVEN a province with cities without districts (海南), a municipality without cities, a region with neither
    # WHEN it is refreshed
    task = observer.refresh(NAMES[province])

    # THEN the task says so
    assert (task["status"], task["progress"], task["attempt"], task["error"]) == ("SUCCEEDED", 100, 1, None)
    assert task["title"] == f"{NAMES[province]}刷新"
    everything = size(truth(province))
    cities, districts = city_codes(province), district_codes(province)
    assert task["result"] == {
        "added": everything,
        "changed": 0,
        "unchanged": 0,
        "gone": 0,
        "hospitals": everything,
        "cities": len(cities),
        "districts": len(districts),
        "planned_steps": 1 + len(cities) + len(districts),
        "failed_steps": 0,
        "tolerance": 0.1,
        "failed": [],
    }
    assert task["statistics"] == {
        "provinces_processed": 1,
        "provinces_failed": 0,
        "cities_processed": len(cities),
        "cities_failed": 0,
        "districts_processed": len(districts),
        "districts_failed": 0,
        "hospitals_found": everything,
    }

    # AND the directory holds that and nothing else
    assert stored(observer) == expected(truth(province))
    assert observer.done(task["task_id"], "city") == set(cities)
    assert observer.done(task["task_id"], "district") == set(districts)
    assert observer.events(task["task_id"]) == ["started", "succeeded"]


def test_the_directory_agrees_with_the_result(observer: Observer) -> None:
    # GIVEN a refreshed province
    result = observer.refresh("宁夏")["result"]

    # WHEN it is walked over the API, from the province down
    cities = observer.get(f"/api/v1/provinces/{NINGXIA}/cities")
    districts = [d for c in cities["items"] for d in observer.get(f"/api/v1/cities/{c['code']}/districts")["items"]]
    pages = {
        d["code"]: observer.get(f"/api/v1/districts/{d['code']}/hospitals?page_size=1000")["items"] for d in districts
    }

    # THEN each level has what the result counted, and each page what there is
    assert (cities["total"], len(districts)) == (result["cities"], result["districts"])
    assert sum(map(len, pages.values())) == result["hospitals"]
    assert {code: {h["name"] for h in page} for code, page in pages.items()} == {
        code: {h.name for h in here} for code, here in truth(NINGXIA).items()
    }
    assert observer.get(f"/api/v1/hospitals?province={quote('宁夏')}&page_size=1")["total"] == result["hospitals"]

    # AND a name is found by its beginning, on pages that add up
    beginning = quote("兴庆区")
    first = observer.get(f"/api/v1/hospitals?q={beginning}&page_size=5")
    second = observer.get(f"/api/v1/hospitals?q={beginning}&page_size=5&page=2")
    names = [h["name"] for h in first["items"] + second["items"]]
    assert first["total"] == len(truth(NINGXIA)["640104"])
    assert names == sorted({h.name for h in truth(NINGXIA)["640104"]}, key=str.encode)[:10]


def test_a_second_refresh_changes_nothing(observer: Observer) -> None:
    # GIVEN a refreshed province
    observer.refresh(NAMES[HAINAN])
    tables = ("cities", "districts", "hospitals")
    before = {table: observer.sql(f"SELECT * FROM {table}") for table in tables}

    # WHEN it is refreshed again and nothing has changed
    result = observer.refresh(NAMES[HAINAN])["result"]

    # THEN no row was touched, not even its time
    assert (result["added"], result["changed"], result["gone"]) == (0, 0, 0)
    assert result["unchanged"] == result["hospitals"] == size(truth(HAINAN))
    assert {table: observer.sql(f"SELECT * FROM {table}") for table in tables} == before


def test_a_later_edition_adds_changes_and_marks_as_gone(observer: Observer, provider: Provider) -> None:
    # GIVEN a refreshed province
    observer.refresh(NAMES[HAINAN])
    old, new = expected(truth(HAINAN)), expected(truth(HAINAN, edition=2))
    before = {(row["district_code"], row["name"]) for row in observer.sql("SELECT * FROM hospitals")}

    # WHEN the world has moved on and it is refreshed again
    provider.control(edition=2)
    task = observer.refresh(NAMES[HAINAN])

    # THEN the result counts exactly the differences
    was = {(code, h[0]): h for code, here in old.items() for h in here}
    now = {(code, h[0]): h for code, here in new.items() for h in here}
    added, gone = now.keys() - was.keys(), was.keys() - now.keys()
    changed = {key for key in now.keys() & was.keys() if now[key] != was[key]}
    result = task["result"]
    assert (result["added"], result["changed"], result["gone"]) == (len(added), len(changed), len(gone))
    assert min(len(added), len(changed), len(gone)) > 0

    # AND the directory lists the new edition, while the rows of what is gone are kept
    assert stored(observer) == new
    after = {(row["district_code"], row["name"]): row for row in observer.sql("SELECT * FROM hospitals")}
    assert after.keys() == before | added
    assert {key for key, row in after.items() if not row["listed"]} == gone
    code, name = next(iter(gone))
    page = observer.get(f"/api/v1/districts/{code}/hospitals?page_size=1000")
    assert name not in {h["name"] for h in page["items"]}
