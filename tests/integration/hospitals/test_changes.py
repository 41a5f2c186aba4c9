"""What a refresh changed, over HTTP: added, changed, gone; page by page, by place; and nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest

from hospitals import store
from hospitals.kinds import OF_COUNTRY, OF_PROVINCE
from hospitals.model import Division
from longhaul.database import connection
from longhaul.tasks.model import Task
from tests.integration.hospitals.test_directory import hospital

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

BOTH = "directory:read tasks:read"
LIWAN, YUEXIU, DONGCHENG = "440103", "440104", "110101"
HOSPITALS = ("甲医院", "乙医院", "丙医院", "丁医院")

type Get = Callable[..., Any]
type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


@pytest.fixture(autouse=True)
def districts(database: dict[str, Any]) -> None:
    with connection() as session:
        store.save_districts(
            session, "440100", [Division(code=LIWAN, name="荔湾区"), Division(code=YUEXIU, name="越秀区")]
        )
        store.save_districts(session, "110000", [Division(code=DONGCHENG, name="东城区")])


def save(task: Task | str, district: str, *names: str, **changes: Any) -> None:
    task_id = task if isinstance(task, str) else task.task_id
    with connection() as session:
        store.save_hospitals(session, task_id, district, [hospital(name).model_copy(update=changes) for name in names])


def refresh(running_task: Running, province: str = "", **given: Any) -> Task:
    params = {"province": province} if province else {}
    return running_task(kind=OF_PROVINCE if province else OF_COUNTRY, **params, **given)


def path_of(task: Task) -> str:
    return f"/api/v1/refreshes/{task.task_id}/changes"


def told(answer: Any) -> list[tuple[str, str, str]]:
    assert answer.status == 200, answer.body
    return [(one["district_code"], one["name"], one["change"]) for one in answer.body["items"]]


def test_what_a_refresh_added_changed_and_found_gone(get: Get, running_task: Running) -> None:
    # GIVEN hospitals of an earlier refresh
    save("earlier", LIWAN, "甲医院", "乙医院", "丙医院")
    save("earlier", YUEXIU, "甲医院")

    # WHEN one finds a new one, one with another address, and one not at all
    task = refresh(running_task, "广东省")
    save(task, LIWAN, "甲医院", "丁医院")
    save(task, YUEXIU, "甲医院", address="路2号")

    # THEN each is told with what happened to it, and as it is now
    answer = get(path_of(task), scope=BOTH)
    assert sorted(told(answer)) == [
        (LIWAN, "丁医院", "added"), (LIWAN, "丙医院", "gone"), (LIWAN, "乙医院", "gone"), (YUEXIU, "甲医院", "changed"),
    ]  # fmt: skip
    assert answer.body["counts"] == {"added": 1, "changed": 1, "gone": 2}
    [changed] = [one for one in answer.body["items"] if one["change"] == "changed"]
    assert (changed["district_name"], changed["address"], changed["level"]) == ("越秀区", "路2号", "三级甲等")

    # AND each kind of change and each place alone; the counts are of the place
    assert told(get(path_of(task), scope=BOTH, change="added")) == [(LIWAN, "丁医院", "added")]
    assert {one[1] for one in told(get(path_of(task), scope=BOTH, change="gone"))} == {"乙医院", "丙医院"}
    there = get(path_of(task), scope=BOTH, district=YUEXIU)
    assert (told(there), there.body["counts"]) == (
        [(YUEXIU, "甲医院", "changed")],
        {"added": 0, "changed": 1, "gone": 0},
    )


def test_a_refresh_of_the_country_is_narrowed_to_a_province(get: Get, running_task: Running) -> None:
    task = refresh(running_task)
    save(task, LIWAN, "甲医院")
    save(task, DONGCHENG, "乙医院")
    assert len(told(get(path_of(task), scope=BOTH))) == 2
    assert told(get(path_of(task), scope=BOTH, province="北京")) == [(DONGCHENG, "乙医院", "added")]


def test_what_another_refresh_has_changed_since_is_told_by_that_one(get: Get, running_task: Running) -> None:
    first, second = refresh(running_task, "广东省"), refresh(running_task, "广东省")
    save(first, LIWAN, "甲医院", "乙医院")
    save(second, LIWAN, "甲医院")
    assert told(get(path_of(first), scope=BOTH)) == [(LIWAN, "甲医院", "added")]
    assert told(get(path_of(second), scope=BOTH)) == [(LIWAN, "乙医院", "gone")]


@pytest.mark.parametrize("limit", ["1", "2", "3"])
def test_a_cursor_walks_all_changes_each_once(get: Get, running_task: Running, limit: str) -> None:
    # GIVEN all three changes in two districts, mixed within the order of names
    save("earlier", LIWAN, *HOSPITALS)
    save("earlier", YUEXIU, *HOSPITALS)
    task = refresh(running_task, "广东省")
    save(task, LIWAN, *HOSPITALS[:2], "戊医院", address="路2号")
    save(task, YUEXIU, "戊医院")
    whole = get(path_of(task), scope=BOTH, limit="100")
    assert (len(told(whole)), whole.body["next_cursor"]) == (10, None)

    # WHEN they are read a few at a time
    walked, cursor = [], {}
    while True:
        page = get(path_of(task), scope=BOTH, limit=limit, **cursor)
        walked += told(page)
        assert page.body["counts"] == {"added": 2, "changed": 2, "gone": 6}
        if page.body["next_cursor"] is None:
            break
        cursor = {"cursor": page.body["next_cursor"]}

    # THEN none is missing and none comes twice
    assert walked == told(whole)
    other = get(path_of(task), scope=BOTH, limit=limit, change="gone", **cursor)
    assert (other.status, other.body["code"]) == (400, "invalid_cursor")


def test_a_refresh_that_has_changed_nothing_yet(get: Get, running_task: Running) -> None:
    answer = get(path_of(refresh(running_task, "广东省")), scope=BOTH)
    assert answer.body == {"items": [], "counts": {"added": 0, "changed": 0, "gone": 0}, "next_cursor": None}
    again = get(path_of(refresh(running_task, "广东省")), {"if-none-match": answer.headers["ETag"]}, scope=BOTH)
    assert again.status == 304


def test_nobody_reads_what_a_refresh_of_another_tenant_changed(get: Get, running_task: Running) -> None:
    theirs = refresh(running_task, "广东省", tenant_id="theirs")
    save(theirs, LIWAN, "甲医院")
    assert get(path_of(theirs), scope=BOTH).status == 404
    assert get("/api/v1/provinces/440000/refreshes", scope=BOTH).body["items"] == []
    assert get("/api/v1/refreshes/nothing/changes", scope=BOTH).status == 404
    assert len(told(get(path_of(theirs), scope=BOTH, tenant="theirs"))) == 1


def test_a_task_of_another_kind_is_no_refresh(get: Get, running_task: Running) -> None:
    other = running_task(kind="role_creation", task_id="T-1", strategy_id="S-1")
    assert get(path_of(other), scope=BOTH).status == 404


def test_the_refreshes_of_a_province_the_last_begun_first(get: Get, running_task: Running, sql: Sql) -> None:
    path = "/api/v1/provinces/440000/refreshes"
    assert get(path, scope=BOTH).body == {"items": [], "next_cursor": None}

    # GIVEN refreshes of the province, of another, and of the whole country
    first = refresh(running_task, "广东省")
    refresh(running_task, "北京市")
    country = refresh(running_task)
    last = refresh(running_task, "广东")
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(DAY, 1, started_at) WHERE task_id = %s", country.task_id)

    # THEN those of the province and of the country are there, by pages too
    answer = get(path, scope=BOTH)
    assert [one["task_id"] for one in answer.body["items"]] == [country.task_id, last.task_id, first.task_id]
    assert answer.body["items"][1] == {
        "task_id": last.task_id,
        "kind": OF_PROVINCE,
        "title": last.title,
        "status": "RUNNING",
        "started_at": answer.body["items"][1]["started_at"],
        "finished_at": None,
    }
    page = get(path, scope=BOTH, limit="2").body
    rest = get(path, scope=BOTH, limit="2", cursor=page["next_cursor"]).body
    assert [one["task_id"] for one in rest["items"]] == [first.task_id]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/v1/provinces/990000/refreshes", {}, 404),
        ("/api/v1/provinces/44/refreshes", {}, 400),
        ("/api/v1/refreshes/x/changes", {"change": "moved"}, 400),
        ("/api/v1/refreshes/x/changes", {"district": "44"}, 400),
        ("/api/v1/refreshes/x/changes", {"province": "广冬"}, 400),
        ("/api/v1/refreshes/x/changes", {"limit": "1001"}, 400),
    ],
)
def test_what_is_wrong_is_said(get: Get, path: str, query: dict[str, str], status: int) -> None:
    assert get(path, scope=BOTH, **query).status == status


@pytest.mark.parametrize("scope", ["directory:read", "tasks:read"])
def test_both_scopes_are_needed(get: Get, scope: str) -> None:
    assert get("/api/v1/provinces/440000/refreshes", scope=scope).status == 403
    assert get("/api/v1/refreshes/x/changes", scope=scope).status == 403
