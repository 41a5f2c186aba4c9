"""A district of many batches: each is paid for once, whatever stops the worker between them."""

from typing import Any

import pytest

from hospitals import district_refresh
from local.providers.llm.hospitals import hospitals_of
from longhaul import lifetime, settings
from longhaul.errors import BadAnswer, OutOfTime, ProviderUnavailable, TaskStopped
from longhaul.tasks import lifecycle, steps
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Task
from tests.chatting import StandIn
from tests.integration.hospitals.test_refresh import Running, Sql, call, district_event

XINGQING = "640104"
SIZE = 1


@pytest.fixture
def batches(model: StandIn, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many batches the district has: many, as each has one hospital."""
    monkeypatch.setenv("HOSPITALS_BATCH_SIZE", str(SIZE))
    monkeypatch.setattr("longhaul.llm.client.FIRST_WAIT", 0)
    settings.of.cache_clear()
    number = -(-len(hospitals_of(XINGQING, 1)) // SIZE)
    assert number > 6
    return number


def paid(model: StandIn) -> list[int]:
    """The batches that were answered."""
    return [asked["batch"] for asked in model.calls("hospitals", XINGQING)["calls"] if asked["outcome"] == "ok"]


def test_a_call_that_is_nearly_over_leaves_the_rest_to_the_next(
    model: StandIn, running_task: Running, batches: int, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN calls that have time for three answers each
    task, event, begun, calls = (task := running_task(province="宁夏")), district_event(task), 0, 0
    monkeypatch.setattr(lifetime, "seconds_left", lambda: 60.0 if len(paid(model)) < begun + 3 else 10.0)
    heard: list[Any] = []
    monkeypatch.setattr(steps, "beat", heard.append)

    # WHEN the district is refreshed, called again whenever a call was nearly over
    while True:
        calls, begun = calls + 1, len(paid(model))
        try:
            refreshed = call("refresh_district", event)
            break
        except OutOfTime:
            assert sql("SELECT COUNT(*) AS kept FROM district_batches") == [{"kept": len(paid(model))}]

    # THEN each batch was paid for once, and all of it is found
    assert calls == -(-batches // 3)
    assert paid(model) == list(range(1, batches + 1))
    assert refreshed == {"hospitals": len(hospitals_of(XINGQING, 1))}

    # AND the task was heard of after each call, and nothing is kept
    assert heard == [[task.task_id]] * (calls - 1)
    assert sql("SELECT * FROM district_batches") == []


def test_a_worker_that_dies_leaves_its_batches_to_the_next(
    model: StandIn, running_task: Running, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = district_event(running_task(province="宁夏"))
    model.control(script=["ok"] * 4 + ["drop"] * 4)
    with pytest.raises(ProviderUnavailable):
        call("refresh_district", event)
    model.control()
    call("refresh_district", event)
    assert paid(model) == list(range(1, batches + 1))


def test_a_task_that_is_paused_between_two_batches_asks_for_no_more_and_goes_on_when_resumed(
    model: StandIn, running_task: Running, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task(province="宁夏")
    ask = district_refresh._ask_batch

    def pause_meanwhile(district: Any, batch: int, known: Any) -> Any:
        if batch == 3:
            lifecycle.pause(task.task_id, "acme")
        return ask(district, batch, known)

    monkeypatch.setattr(district_refresh, "_ask_batch", pause_meanwhile)
    with pytest.raises(TaskStopped):
        call("refresh_district", district_event(task))
    assert paid(model) == [1, 2, 3]
    monkeypatch.setattr(district_refresh, "_ask_batch", ask)
    lifecycle.resume(task.task_id, "acme")
    dispatch(["hospital_province_refresh"])
    call("refresh_district", district_event(task) | {"attempt": 2})
    assert paid(model) == list(range(1, batches + 1))


@pytest.mark.parametrize("bound", ["MAX_MALFORMED", "MAX_BATCHES"])
def test_batches_that_are_bad_together_are_asked_for_again(
    model: StandIn, running_task: Running, batches: int, sql: Sql, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    event = district_event(running_task(province="宁夏"))
    monkeypatch.setattr(district_refresh, bound, {"MAX_MALFORMED": -1, "MAX_BATCHES": 4}[bound])
    for _ in range(2):
        asked = len(paid(model))
        with pytest.raises(BadAnswer, match=r"malformed|still has more"):
            call("refresh_district", event)
        assert len(paid(model)) - asked == {"MAX_MALFORMED": batches, "MAX_BATCHES": 4}[bound]
        assert sql("SELECT * FROM district_batches") == []


def test_one_batch_that_is_bad_takes_none_of_the_others_with_it(
    model: StandIn, running_task: Running, batches: int
) -> None:
    event = district_event(running_task(province="宁夏"))
    model.control(script=["ok", "ok", "broken_json", "broken_json"])
    with pytest.raises(BadAnswer, match="HospitalsAnswer"):
        call("refresh_district", event)
    call("refresh_district", event)
    assert paid(model) == list(range(1, batches + 1))


def test_a_batch_of_another_versions_shape_is_asked_for_again(
    model: StandIn, running_task: Running, batches: int, sql: Sql
) -> None:
    task: Task = running_task(province="宁夏")
    statement = "INSERT INTO district_batches VALUES (%s, %s, 1, %s, UTC_TIMESTAMP(6))"
    sql(statement, task.task_id, XINGQING, '{"clinics": []}')
    assert call("refresh_district", district_event(task)) == {"hospitals": len(hospitals_of(XINGQING, 1))}
    assert paid(model) == list(range(1, batches + 1))
    assert sql("SELECT * FROM district_batches") == []


def test_an_answer_of_any_district_is_within_its_limit(model: StandIn) -> None:
    """By the stand-in's count, where a character is a token."""
    from hospitals.model import HospitalAnswer, HospitalsAnswer
    from local.providers.llm import divisions

    codes = [district.code for here in divisions.districts().values() for district in here]
    longest = max((hospital for code in codes for hospital in hospitals_of(code, 1)), key=lambda h: len(str(h)))
    answer = HospitalsAnswer(hospitals=[HospitalAnswer(**vars_of(longest))] * 20, has_more=True)
    assert len(answer.model_dump_json()) < district_refresh.TOKENS_BESIDE + 20 * district_refresh.TOKENS_PER_HOSPITAL


def vars_of(hospital: Any) -> dict[str, Any]:
    return {name: getattr(hospital, name) for name in hospital.__slots__}
