"""The refresh's functions, one after the other as the state machine calls them, on a database and the stand-in."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from hospitals import district_refresh
from local.providers.llm.hospitals import hospitals_of
from longhaul import cache, database, settings
from longhaul.cache import Namespace, Tier
from longhaul.errors import BadAnswer, ProviderUnavailable, TaskStopped, TooManyFailures
from longhaul.tasks import lifecycle, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.steps import PlannedStep, fail_step, planned_step
from longhaul.tasks.submission import Submission
from tests.calling import Context
from tests.chatting import StandIn
from tests.submitting import submit

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Running = Callable[..., Task]
type Sql = Callable[..., list[dict[str, Any]]]


def call(function: str, event: dict[str, Any]) -> Any:
    module: ModuleType = importlib.import_module(f"hospitals.{function}")
    return module.handler(event, Context())


def refresh(task: Task) -> dict[str, Any]:
    """The whole workflow; steps that fail are recorded as `fail_step` does."""
    attempt = {"task_id": task.task_id, "attempt": task.attempt}
    for province in call("list_provinces", attempt)["provinces"]:
        for city in call("list_cities", attempt | {"code": province["code"]})["cities"]:
            for district in call("list_districts", attempt | {"code": city})["districts"]:
                try:
                    call("refresh_district", attempt | {"code": district})
                except BadAnswer as error:
                    planned = planned_step(task.task_id, f"district/{district}", "district")
                    fail_step(task.task_id, task.attempt, planned, TaskError(error.code, str(error)))
    summary: dict[str, Any] = call("summarise_refresh", attempt)
    return summary


def running_full_refresh() -> Task:
    submitted = submit(Submission("acme", "ada", "hospital_full_refresh", {}))
    dispatch(["hospital_full_refresh"])
    with database.connection() as session:
        task = store.fetch(session, submitted.task_id)
    assert task is not None
    return task


def district_event(task: Task, code: str = "640104", name: str = "兴庆区") -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "attempt": task.attempt,
        "code": code,
        "name": name,
        "within": "宁夏回族自治区银川市",
    }


def test_a_province_is_refreshed_and_a_second_time_nothing_changes(
    model: StandIn, running_task: Running, sql: Sql, sent: Callable[[str], list[dict[str, Any]]]
) -> None:
    first = refresh(running_task(province="宁夏"))
    assert (first["cities"], first["districts"]) == (5, 22)
    assert first["added"] == first["hospitals"] > 22 * 5
    assert (first["changed"], first["unchanged"], first["gone"], first["failed"]) == (0, 0, 0, [])
    labels = [message["label"] for message in sent("progress")]
    assert labels[0] == "正在获取城市数据：宁夏回族自治区"
    assert "正在获取区县数据：兴庆区" in labels
    assert len(labels) == 1 + 5 + 22
    assert [call["outcome"] for call in model.calls("districts")["calls"]] == ["ok"] * 5

    second = refresh(running_task(province="宁夏回族自治区"))
    assert second == {**first, "added": 0, "unchanged": first["hospitals"]}

    model.control(edition=3)
    third = refresh(running_task(province="640000"))
    assert third["added"] > 0
    assert third["changed"] > 0
    assert third["gone"] > 0
    assert third["added"] + third["changed"] + third["unchanged"] == third["hospitals"]
    [counted] = sql("SELECT COUNT(*) AS listed FROM hospitals WHERE listed = 1")
    assert counted["listed"] == third["hospitals"]


@pytest.mark.parametrize(
    ("province", "cities", "districts"),
    [("北京", 1, 16), ("香港", 1, 1), ("台湾", 1, 1)],
)
def test_a_division_without_children_is_its_own(
    model: StandIn, running_task: Running, sql: Sql, province: str, cities: int, districts: int
) -> None:
    summary = refresh(running_task(province=province))
    assert (summary["cities"], summary["districts"]) == (cities, districts)
    [row] = sql("SELECT code, province_code FROM cities")
    assert row["code"] == row["province_code"]


def test_a_full_refresh_is_for_every_province(model: StandIn, sql: Sql) -> None:
    task = running_full_refresh()
    planned = call("list_provinces", {"task_id": task.task_id, "attempt": task.attempt})["provinces"]
    assert [(one["code"], one["name"]) for one in planned][-1] == ("820000", "澳门特别行政区")
    assert len(planned) == 34
    steps = sql("SELECT step_key, label FROM task_steps WHERE level = 'province' ORDER BY step_key")
    assert (len(steps), steps[0]) == (34, {"step_key": "province/110000", "label": "北京市"})


def test_a_district_is_paid_for_once(model: StandIn, running_task: Running) -> None:
    event = district_event(running_task(province="宁夏"))
    first = call("refresh_district", event)
    asked = model.calls("hospitals", "640104")["count"]
    assert asked == -(-first["hospitals"] // 10)
    assert call("refresh_district", event) == first
    assert model.calls("hospitals", "640104")["count"] == asked


@pytest.mark.parametrize("batches", [1, 3])
def test_four_statements_refresh_a_district_and_two_more_each_further_batch(
    model: StandIn, running_task: Running, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setenv("HOSPITALS_BATCH_SIZE", str(-(-len(hospitals_of("640104", 1)) // batches)))
    settings.of.cache_clear()
    task = running_task(province="宁夏")
    call("list_districts", district_event(task, "640100", "银川市"))
    names: list[str] = []
    run = database.Session.run

    def noted(self: database.Session, name: str, *rest: Any, **more: Any) -> Any:
        names.append(name)
        return run(self, name, *rest, **more)

    monkeypatch.setattr(database.Session, "run", noted)
    call("refresh_district", district_event(task))
    further = ["keep_batch", "read_step"] * (batches - 1)
    forgotten = ["forget_batches"] if further else []
    assert names == ["begin_step", "list_batches", *further, "save_hospitals", "list_names", *forgotten, "finish_step"]


def test_the_cache_forgets_a_province_when_it_changed(model: StandIn, running_task: Running) -> None:
    namespace = Namespace("test", 1, Tier.long)

    def hit(province: str) -> bool:
        return cache.read(namespace, province, f"hospitals:{province}", lambda: "page").hit

    task = running_task(province="宁夏")
    assert [hit("640000"), hit("640000"), hit("650000"), hit("650000")] == [False, True, False, True]
    call("refresh_district", district_event(task))
    assert [hit("640000"), hit("650000")] == [False, True]
    call("refresh_district", district_event(running_task(province="宁夏")))
    assert hit("640000")


def test_a_stopped_task_is_asked_for_nothing(model: StandIn, running_task: Running) -> None:
    task = running_task(province="宁夏")
    lifecycle.cancel(task.task_id, "acme")
    for function in ("list_cities", "list_districts", "refresh_district"):
        with pytest.raises(TaskStopped):
            call(function, district_event(task))
    assert model.calls()["count"] == 0


def test_failed_districts_are_named(model: StandIn, running_task: Running) -> None:
    model.control(fail_keys={"640104": "wrong_schema", "640521": "broken_json"})
    summary = refresh(running_task(province="宁夏"))
    assert [(step["key"], step["name"]) for step in summary["failed"]] == [
        ("district/640104", "兴庆区"),
        ("district/640521", "中宁县"),
    ]
    assert "not a HospitalsAnswer" in summary["failed"][0]["error"]
    assert summary["districts"] == 20

    # AND it says how many these are of how many, and how many may fail
    assert (summary["planned_steps"], summary["failed_steps"], summary["tolerance"]) == (28, 2, 0.1)


def test_too_many_failed_districts_fail_the_task(model: StandIn, running_task: Running) -> None:
    model.control(fail_keys={"640104": "wrong_schema", "640105": "wrong_schema", "640521": "wrong_schema"})
    with pytest.raises(TooManyFailures, match="3 of 22 district steps failed, at most 10% may: 兴庆区、西夏区、中宁县"):
        refresh(running_task(province="宁夏"))


def test_a_failed_province_fails_its_refresh(model: StandIn, running_task: Running) -> None:
    task = running_task(province="宁夏")
    attempt = {"task_id": task.task_id, "attempt": task.attempt}
    call("list_provinces", attempt)
    fail_step(task.task_id, 1, PlannedStep("province/640000", "province", "-"), TaskError("bad_answer", "no"))
    with pytest.raises(TooManyFailures, match="1 of 1 province steps failed, at most 10% may: 宁夏回族自治区"):
        call("summarise_refresh", attempt)


def test_an_unreachable_model_is_transient(
    model: StandIn, running_task: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longhaul.llm.client.FIRST_WAIT", 0)
    model.control(fail_keys=["640104"])
    with pytest.raises(ProviderUnavailable):
        call("refresh_district", district_event(running_task(province="宁夏")))


def test_cities_of_another_province_are_not_believed(
    model: StandIn, running_task: Running, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    from hospitals import divisions
    from hospitals.model import DivisionAnswer

    monkeypatch.setattr(divisions, "_ask_cities", lambda _: [DivisionAnswer(code="440100", name="广州市")])
    task = running_task(province="宁夏")
    with pytest.raises(BadAnswer, match="广州市"):
        call("list_cities", district_event(task, "640000", "宁夏回族自治区"))
    assert sql("SELECT * FROM cities") == []


def test_an_empty_answer_takes_nothing_away(
    model: StandIn, running_task: Running, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    before = call("refresh_district", district_event(running_task(province="宁夏")))["hospitals"]
    monkeypatch.setattr(district_refresh, "ask_hospitals", lambda _: ([], False))
    assert call("refresh_district", district_event(running_task(province="宁夏"))) == {"hospitals": 0}
    [counted] = sql("SELECT COUNT(*) AS listed FROM hospitals WHERE listed = 1")
    assert counted["listed"] == before
