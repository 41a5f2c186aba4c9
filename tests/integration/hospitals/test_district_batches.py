"""A batch of districts in one call of the function: each is asked for once, and ends by itself."""

from typing import Any

import pytest

from local.providers.llm.hospitals import hospitals_of
from longhaul import lifetime
from longhaul.errors import OutOfTime, ProviderUnavailable, TaskStopped
from longhaul.tasks import lifecycle
from longhaul.tasks.model import Task
from tests.calling import sample
from tests.chatting import StandIn
from tests.integration.hospitals.test_refresh import Running, Sql, call, district_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

YINCHUAN = "640100"


@pytest.fixture
def task(model: StandIn, running_task: Running) -> Task:
    """A task whose districts of one city are planned."""
    task = running_task(province="宁夏")
    call("list_cities", {"task_id": task.task_id, "attempt": 1, "code": "640000"})
    return task


@pytest.fixture
def batch(task: Task) -> dict[str, Any]:
    codes = call("list_districts", {"task_id": task.task_id, "attempt": 1, "code": YINCHUAN})["districts"]
    return sample("hospitals", "refresh_district") | {"task_id": task.task_id, "codes": codes, "at_once": 3}


def states(sql: Sql) -> dict[str, str]:
    rows = sql("SELECT step_key, status FROM task_steps WHERE level = 'district'")
    return {row["step_key"].removeprefix("district/"): row["status"] for row in rows}


def asked(model: StandIn) -> dict[str, int]:
    """How often each district's first batch of hospitals was asked for."""
    calls = [call["key"] for call in model.calls("hospitals")["calls"] if call["batch"] == 1]
    return {code: calls.count(code) for code in calls}


def test_every_district_of_a_batch_is_refreshed_once(model: StandIn, batch: dict[str, Any], sql: Sql) -> None:
    for _ in range(2):  # the message may come twice
        assert call("refresh_district", batch) == {}
        assert states(sql) == dict.fromkeys(batch["codes"], "SUCCEEDED")
        assert asked(model) == dict.fromkeys(batch["codes"], 1)
    [row] = sql("SELECT COUNT(*) AS listed FROM hospitals")
    assert row["listed"] == sum(len(hospitals_of(code, 1)) for code in batch["codes"])


def test_a_district_that_is_not_believed_fails_alone(model: StandIn, batch: dict[str, Any], sql: Sql) -> None:
    bad, *good = batch["codes"]
    model.control(fail_keys={bad: "wrong_schema"})
    call("refresh_district", batch)
    assert states(sql) == {bad: "FAILED", **dict.fromkeys(good, "SUCCEEDED")}
    [row] = sql("SELECT error_code FROM task_steps WHERE status = 'FAILED'")
    assert row["error_code"] == "bad_answer"


def test_a_provider_that_is_away_for_one_leaves_that_one(
    model: StandIn, batch: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a district that the provider drops
    monkeypatch.setattr("longhaul.llm.client.FIRST_WAIT", 0)
    away, *others = batch["codes"]
    model.control(fail_keys=[away])
    with pytest.raises(ProviderUnavailable):
        call("refresh_district", batch)
    assert states(sql) == {away: "PENDING", **dict.fromkeys(others, "SUCCEEDED")}

    # WHEN the state machine calls again, THEN only that one is asked for
    model.control()
    before = asked(model)
    call("refresh_district", batch)
    assert states(sql) == dict.fromkeys(batch["codes"], "SUCCEEDED")
    assert asked(model) == before | {away: before[away] + 1}


def test_a_cancel_in_the_middle_of_a_batch_asks_for_no_more(
    model: StandIn, task: Task, batch: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hospitals import district_refresh

    ask = district_refresh.ask_hospitals

    def cancel_meanwhile(district: Any) -> Any:
        if len(asked(model)) == 2:
            lifecycle.cancel(task.task_id, "acme")
        return ask(district)

    monkeypatch.setattr(district_refresh, "ask_hospitals", cancel_meanwhile)
    with pytest.raises(TaskStopped):
        call("refresh_district", batch | {"at_once": 1})
    assert len(asked(model)) == 3 < len(batch["codes"])
    assert list(states(sql).values()).count("SUCCEEDED") == 2


def test_a_call_that_is_nearly_over_leaves_the_rest_of_its_batch(
    model: StandIn, batch: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a call with time for two districts
    with monkeypatch.context() as late:
        late.setattr(
            lifetime, "seconds_left", lambda: 60.0 if list(states(sql).values()).count("SUCCEEDED") < 2 else 9.0
        )

        # WHEN it takes a batch, THEN it ends before a third is asked for
        with pytest.raises(OutOfTime):
            call("refresh_district", batch | {"at_once": 1})
    assert len(asked(model)) == 2

    # AND the next call asks for the others alone
    call("refresh_district", batch)
    assert asked(model) == dict.fromkeys(batch["codes"], 1)
    assert set(states(sql).values()) == {"SUCCEEDED"}


def test_one_district_by_itself_is_what_an_older_execution_asks_for(
    model: StandIn, task: Task, batch: dict[str, Any], sql: Sql
) -> None:
    event = {"task_id": task.task_id, "attempt": 1, "code": batch["codes"][0]}
    assert call("refresh_district", event) == {"hospitals": len(hospitals_of(batch["codes"][0], 1))}
    assert call("refresh_district", district_event(task, batch["codes"][0])) == call("refresh_district", event)
