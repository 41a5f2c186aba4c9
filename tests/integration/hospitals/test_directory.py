"""The directory over HTTP: lists, pages, search, what is not there, and what the cache may and may not hold back."""

from collections.abc import Callable
from typing import Any

import pytest

from hospitals import store
from hospitals.model import Division, Hospital, Level
from longhaul import cache
from longhaul.database import connection
from longhaul.http import pages

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Get = Callable[..., Any]


def hospital(name: str, level: Level = Level.THREE_A) -> Hospital:
    return Hospital(name=name, level=level, type="综合医院", address="路1号", phone="0000-20000001", confidence=0.75)


@pytest.fixture(autouse=True)
def directory(database: dict[str, Any]) -> None:
    with connection() as session:
        store.save_cities(
            session, "440000", [Division(code="440100", name="广州市"), Division(code="440300", name="深圳市")]
        )
        store.save_districts(session, "440100", [Division(code="440103", name="荔湾区")])
        store.save_districts(session, "110000", [Division(code="110101", name="东城区")])
        store.save_hospitals(session, "t1", "440103", [hospital("荔湾区人民医院"), hospital("荔湾区中医院", Level.TWO)])
        store.save_hospitals(session, "t1", "110101", [hospital("东城区中医院", Level.TWO), hospital("荔湾区驻京医院")])


def test_provinces_are_always_there(get: Get) -> None:
    answer = get("/api/v1/provinces")
    assert (answer.status, answer.body["total"], answer.body["pages"]) == (200, 34, 1)
    assert answer.body["items"][18] == {"code": "440000", "name": "广东省"}
    last = get("/api/v1/provinces", page="4", page_size="10")
    assert [one["code"] for one in last.body["items"]] == ["650000", "710000", "810000", "820000"]


def test_divisions_below(get: Get) -> None:
    assert get("/api/v1/provinces/440000/cities").body["items"] == [
        {"code": "440100", "name": "广州市"},
        {"code": "440300", "name": "深圳市"},
    ]
    assert get("/api/v1/provinces/450000/cities").body["items"] == []
    assert get("/api/v1/cities/440100/districts").body["items"] == [{"code": "440103", "name": "荔湾区"}]


def test_a_districts_hospitals_by_page(get: Get) -> None:
    first = get("/api/v1/districts/440103/hospitals", page_size="1")
    assert (first.body["total"], first.body["pages"], first.body["page"]) == (2, 2, 1)
    [shown] = first.body["items"]
    assert shown | {"updated_at": ""} == {
        "district_code": "440103",
        "district_name": "荔湾区",
        "name": "荔湾区中医院",
        "level": "二级",
        "type": "综合医院",
        "address": "路1号",
        "phone": "0000-20000001",
        "confidence": 0.75,
        "updated_at": "",
    }
    assert shown["updated_at"].endswith("Z")
    second = get("/api/v1/districts/440103/hospitals", page_size="1", page="2")
    assert [one["name"] for one in second.body["items"]] == ["荔湾区人民医院"]
    assert get("/api/v1/districts/440103/hospitals", page="9").body["items"] == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "荔湾区"}, ["荔湾区中医院", "荔湾区人民医院", "荔湾区驻京医院"]),
        ({"q": "荔湾区", "province": "广东"}, ["荔湾区中医院", "荔湾区人民医院"]),
        ({"q": "荔湾区", "level": "二级"}, ["荔湾区中医院"]),
        ({"level": "二级"}, ["东城区中医院", "荔湾区中医院"]),
        ({"level": "二级", "province": "440000"}, ["荔湾区中医院"]),
        ({"province": "北京市"}, ["东城区中医院", "荔湾区驻京医院"]),
        ({"q": "中医院"}, []),
        ({}, ["东城区中医院", "荔湾区驻京医院", "荔湾区中医院", "荔湾区人民医院"]),
    ],
)
def test_search(get: Get, query: dict[str, str], names: list[str]) -> None:
    answer = get("/api/v1/hospitals", **query)
    assert answer.status == 200
    assert [one["name"] for one in answer.body["items"]] == names
    assert answer.body["total"] == len(names)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/hospitals", {}),
        ("/api/v1/hospitals", {"province": "440000"}),
        ("/api/v1/hospitals", {"q": "荔湾区"}),
        ("/api/v1/hospitals", {"level": "二级"}),
        ("/api/v1/districts/440103/hospitals", {}),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_cursors_walk_a_whole_list_in_its_order(get: Get, path: str, query: dict[str, str], size: int) -> None:
    whole = get(path, **query).body
    assert whole["next_cursor"] is None
    walked: list[Any] = []
    numbers, cursor = [], {}
    while True:
        page = get(path, **query, **cursor, page_size=str(size)).body
        walked += page["items"]
        numbers.append(page["page"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert walked == whole["items"]
    assert numbers == list(range(1, whole["total"] // size + bool(whole["total"] % size) + 1))


def test_a_cursor_continues_behind_a_hospital_that_is_gone(get: Get) -> None:
    page = get("/api/v1/hospitals", page_size="3").body
    assert page["items"][-1]["name"] == "荔湾区中医院"
    with connection() as session:
        store.save_hospitals(session, "t2", "440103", [hospital("荔湾区人民医院")])
    following = get("/api/v1/hospitals", page_size="3", cursor=page["next_cursor"]).body
    assert [one["name"] for one in following["items"]] == ["荔湾区人民医院"]


@pytest.mark.parametrize("query", [{"q": "荔"}, {"level": "二级"}, {"province": "广东"}])
def test_a_cursor_is_for_its_own_list(get: Get, query: dict[str, str]) -> None:
    cursor = get("/api/v1/hospitals", page_size="1").body["next_cursor"]
    refused = get("/api/v1/hospitals", cursor=cursor, **query)
    assert (refused.status, refused.body["code"]) == (400, "invalid_cursor")
    elsewhere = get("/api/v1/districts/440103/hospitals", cursor=cursor)
    assert (elsewhere.status, elsewhere.body["code"]) == (400, "invalid_cursor")


def test_pages_counts_the_pages_that_a_number_reaches(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_OFFSET", 2)
    listed = get("/api/v1/hospitals", page_size="1").body
    assert (listed["total"], listed["pages"]) == (4, 3)
    last = get("/api/v1/hospitals", page_size="1", page="3").body
    assert get("/api/v1/hospitals", page_size="1", page="4").status == 400
    beyond = get("/api/v1/hospitals", page_size="1", cursor=last["next_cursor"])
    assert (beyond.status, beyond.body["page"]) == (200, 4)


@pytest.mark.parametrize(
    ("path", "query", "status", "pointer"),
    [
        ("/api/v1/provinces/990000/cities", {}, 404, None),
        ("/api/v1/cities/440199/districts", {}, 404, None),
        ("/api/v1/districts/440199/hospitals", {}, 404, None),
        ("/api/v1/districts/44/hospitals", {}, 400, "path/code"),
        ("/api/v1/districts/440103/hospitals", {"page_size": "1001"}, 400, "query/page_size"),
        ("/api/v1/districts/440103/hospitals", {"page": "1002", "page_size": "10"}, 400, "query/page"),
        ("/api/v1/hospitals", {"q": ""}, 400, "query/q"),
        ("/api/v1/hospitals", {"level": "四级"}, 400, "query/level"),
        ("/api/v1/hospitals", {"province": "广冬"}, 400, "query/province"),
        ("/api/v1/hospitals", {"name": "x"}, 400, "query/name"),
    ],
)
def test_what_is_wrong_is_said(get: Get, path: str, query: dict[str, str], status: int, pointer: str | None) -> None:
    answer = get(path, **query)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if pointer:
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


def test_the_scope_is_needed(get: Get) -> None:
    assert get("/api/v1/provinces", scope="tasks:read").status == 403


def test_a_page_that_has_not_changed_is_a_304(get: Get) -> None:
    first = get("/api/v1/districts/440103/hospitals")
    again = get("/api/v1/districts/440103/hospitals", headers={"if-none-match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, None)


def test_a_cached_page_is_shown_until_its_province_changes(get: Get) -> None:
    def total() -> int:
        return int(get("/api/v1/districts/440103/hospitals").body["total"])

    assert total() == 2
    with connection() as session:
        store.save_hospitals(session, "t2", "440103", [hospital("荔湾区新医院")])
    assert total() == 2
    cache.invalidate("hospitals:110000")
    assert total() == 2
    cache.invalidate("hospitals:440000")
    assert total() == 1


def test_what_is_not_there_is_not_remembered(get: Get) -> None:
    assert get("/api/v1/cities/440300/districts").body["total"] == 0
    assert get("/api/v1/cities/440400/districts").status == 404
    with connection() as session:
        store.save_cities(session, "440000", [Division(code="440400", name="珠海市")])
    assert get("/api/v1/cities/440400/districts").status == 200
