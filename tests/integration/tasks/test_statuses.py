"""A task's status over HTTP: from the cache until it changes, conditional, and held for those who wait. (read_task)"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from longhaul import cache
from longhaul import settings as longhaul_settings
from longhaul.aws import dynamodb
from longhaul.http import prefer, waiting
from longhaul.tasks import lifecycle, live, model
from longhaul.tasks.model import Task
from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]

TASKS = "/api/v1/tasks"
SUBMIT = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}}
SUCCEED = "UPDATE tasks SET status = 'SUCCEEDED', progress = 100, finished_at = UTC_TIMESTAMP(6)"


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api()


def place_of(task: Task) -> str:
    return f"{TASKS}/{quote(task.task_id)}"


@pytest.mark.parametrize("ended", [False, True])
def test_a_task_that_has_not_changed_is_304_without_the_database(
    api: Api, running_task: Callable[..., Task], sql: Sql, statements: list[str], ended: bool
) -> None:
    task = running_task()
    if ended:
        lifecycle.cancel(task.task_id, "acme")
    first = api("GET", place_of(task))
    assert {"ETag", "Last-Modified"} <= first.headers.keys()
    assert first.headers["Vary"] == "Authorization, Accept-Encoding, Prefer"
    statements.clear()
    again = api("GET", place_of(task), if_none_match=first.headers["ETag"])
    assert (again.status, again.headers["ETag"], again.headers["Vary"]) == (
        304,
        first.headers["ETag"],
        first.headers["Vary"],
    )
    assert api("GET", place_of(task)).body == first.body
    assert statements == []


def test_the_place_in_the_queue_never_comes_from_the_cache(api: Api, statements: list[str]) -> None:
    first, second = (api("POST", TASKS, SUBMIT).headers["Location"] for _ in range(2))
    before = api("GET", second)
    api("POST", f"{first}/cancel")
    statements.clear()
    after = api("GET", second, if_none_match=before.headers["ETag"])
    assert (before.body["queue_position"], after.status, after.body["queue_position"]) == (2, 200, 1)
    assert statements == ["find_position"]
    assert api("GET", second, if_none_match=after.headers["ETag"]).status == 304


def test_another_tenant_does_not_see_it_in_the_cache(api: Api, running_task: Callable[..., Task]) -> None:
    task = running_task()
    assert api("GET", place_of(task)).status == 200
    for reader, path in ((Api("other"), place_of(task)), (api, f"{place_of(task)}%20")):
        assert reader("GET", path).status == 404


def test_steps_are_seen_at_once_though_the_row_is_cached(
    api: Api, running_task: Callable[..., Task], statements: list[str]
) -> None:
    task = running_task()
    before = api.get(place_of(task))
    statements.clear()
    # WHEN steps finish, of which the row will be told later
    live.write(replace(live.item_of(task), progress=30, steps_done=3, current_step="正在获取区县数据：越秀区"))
    after = api.get(place_of(task))
    assert (before["progress"], after["progress"], after["current_step"]) == (0, 30, "正在获取区县数据：越秀区")
    assert (after["cache_sync_status"], statements) == ("synced", [])


def test_a_cached_row_that_is_behind_repairs_nothing(
    api: Api, running_task: Callable[..., Task], sql: Sql, warnings: list[str]
) -> None:
    """The live item is of steps that the row has counted, but not the row in the cache: nobody told it."""
    task = running_task()
    api.get(place_of(task))
    item = replace(live.item_of(task), progress=60, steps_done=40)
    live.overwrite([item])
    sql("UPDATE tasks SET progress = 60, steps_done = 40")
    seen = api.get(place_of(task))
    assert (seen["progress"], seen["cache_sync_status"], warnings) == (60, "synced", [])
    assert live.read(task.task_id) == item


def test_a_row_that_is_behind_is_out_of_sync_whether_it_was_cached_or_not(
    api: Api, running_task: Callable[..., Task], warnings: list[str]
) -> None:
    task = running_task()
    for _ in range(2):  # from the database, and from the cache
        live.overwrite([replace(live.item_of(task), progress=60, steps_done=40)])
        assert api.get(place_of(task))["cache_sync_status"] == "out_of_sync"
        repaired = live.read(task.task_id)
        assert (repaired and repaired.progress, warnings.pop(), warnings) == (0, "live item out of sync", [])


def test_without_dynamodb_the_row_is_all_there_is(
    api: Api, running_task: Callable[..., Task], warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    with_cache = api.get(place_of(task))
    monkeypatch.setattr(cache, "_table", lambda: "no-such-table")
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    monkeypatch.setattr(live, "read", lambda task_id: None)
    assert api.get(place_of(task)) == with_cache | {"cache_sync_status": "cache_miss"}
    assert warnings == ["cache not read"]


# ------------------------------------------------------------------------------------------------------------ waiting


@contextmanager
def meanwhile(seconds: float, work: Callable[[], object]) -> Iterator[None]:
    """Do the work after so long, beside what the block does."""
    timer = threading.Timer(seconds, work)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefer, "LOOK_EVERY", 0.05)


def end(sql: Sql, task: Task) -> None:
    sql(SUCCEED)
    lifecycle.after_change([task])


@pytest.mark.usefixtures("quick")
def test_who_waits_hears_of_the_end(
    api: Api, running_task: Callable[..., Task], sql: Sql, statements: list[str]
) -> None:
    task = running_task()
    api.get(place_of(task))
    statements.clear()
    with meanwhile(0.3, lambda: end(sql, task)):
        answer = api("GET", place_of(task), prefer="respond-async, wait=15")
    assert (answer.status, answer.body["status"]) == (200, "SUCCEEDED")
    assert answer.headers["Preference-Applied"] == "wait=15"
    # Who ends the task and who waits for it run side by side, so their statements come in either order.
    assert sorted(statements) == ["fetch_task_to_show", "find_unsent"], "while nothing changes nothing is read"


def test_a_wait_that_is_over_says_how_the_task_stands(api: Api, running_task: Callable[..., Task]) -> None:
    task = running_task()
    started = time.monotonic()
    answer = api("GET", place_of(task), prefer="wait=1")
    assert (answer.status, answer.body["status"], answer.headers["Preference-Applied"]) == (200, "RUNNING", "wait=1")
    assert time.monotonic() - started >= 1
    # AND who has that version already is told that there is no other
    tag = api("GET", place_of(task)).headers["ETag"]
    again = api("GET", place_of(task), if_none_match=tag, prefer="wait=1")
    assert (again.status, again.headers["Preference-Applied"]) == (304, "wait=1")


@pytest.mark.usefixtures("quick")
def test_who_has_a_version_hears_of_the_next(api: Api, running_task: Callable[..., Task]) -> None:
    task = running_task()
    tag = api("GET", place_of(task)).headers["ETag"]
    item = replace(live.item_of(task), progress=20, steps_done=2)
    with meanwhile(0.3, lambda: live.write(item)):
        answer = api("GET", place_of(task), if_none_match=tag, prefer="wait=15")
    assert (answer.status, answer.body["progress"], answer.body["status"]) == (200, 20, "RUNNING")


@pytest.mark.parametrize("asked", ["wait=x", "respond-async", "wait=-1"])
def test_a_preference_that_is_not_understood_is_ignored(
    api: Api, running_task: Callable[..., Task], asked: str
) -> None:
    answer = api("GET", place_of(running_task()), prefer=asked)
    assert (answer.status, "Preference-Applied" in answer.headers) == (200, False)
    assert "Prefer" in answer.headers["Vary"]


@pytest.mark.usefixtures("quick")
def test_who_submits_may_wait_for_the_end(api: Api, sql: Sql) -> None:
    def end_it() -> None:
        (row,) = sql("SELECT task_id FROM tasks")
        sql(SUCCEED)
        cache.invalidate(model.task_tag(row["task_id"]))

    with meanwhile(0.5, end_it):
        answer = api("POST", TASKS, SUBMIT, prefer="wait=15")
    assert (answer.status, answer.body["status"], answer.body["progress"]) == (200, "SUCCEEDED", 100)
    assert answer.headers["Location"] == f"{TASKS}/{quote(answer.body['task_id'])}"
    assert (answer.headers["Preference-Applied"], "Retry-After" in answer.headers) == ("wait=15", False)


def test_who_waited_in_vain_has_submitted_all_the_same(api: Api) -> None:
    for asked, applied in (("wait=1", "wait=1"), ("wait=0", "wait=0"), ("soon", None)):
        answer = api("POST", TASKS, SUBMIT, prefer=asked)
        assert (answer.status, answer.body["status"], answer.headers["Retry-After"]) == (202, "PENDING", "2")
        assert answer.headers.get("Preference-Applied") == applied
        assert "Prefer" in answer.headers["Vary"]


@pytest.fixture
def no_place(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many requests of the tenant's wait as may."""
    monkeypatch.setenv("WAITS_PER_TENANT", "1")
    monkeypatch.setattr(waiting._Memory, "full_until", {})
    longhaul_settings.of.cache_clear()
    assert waiting._take("acme", 60)
    yield
    longhaul_settings.of.cache_clear()


@pytest.mark.usefixtures("no_place")
def test_where_no_more_may_wait_the_answer_comes_at_once(api: Api, running_task: Callable[..., Task]) -> None:
    task = running_task()
    tag = api("GET", place_of(task)).headers["ETag"]
    started = time.monotonic()
    for headers, status in (({}, 200), ({"if_none_match": tag}, 304)):
        answer = api("GET", place_of(task), prefer="wait=20", **headers)
        assert (answer.status, "Preference-Applied" in answer.headers) == (status, False)
        assert "Prefer" in answer.headers["Vary"]
    submitted = api("POST", TASKS, SUBMIT, prefer="wait=20")
    assert (submitted.status, submitted.body["status"], submitted.headers["Retry-After"]) == (202, "PENDING", "2")
    assert "Preference-Applied" not in submitted.headers
    assert time.monotonic() - started < 10
    # AND what needs no wait is told as what was waited for
    lifecycle.cancel(task.task_id, "acme")
    assert api("GET", place_of(task), prefer="wait=20").headers["Preference-Applied"] == "wait=20"


@pytest.mark.usefixtures("no_place")
def test_another_tenant_waits_all_the_same(running_task: Callable[..., Task]) -> None:
    task = running_task(tenant_id="beta")
    answer = Api("beta")("GET", place_of(task), prefer="wait=1")
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=1")
