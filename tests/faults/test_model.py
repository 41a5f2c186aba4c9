"""A language model that throttles, hangs, breaks its answers, or never has one for a district."""

import pytest

from tests.observation import Observer
from tests.providing import Provider, truth

NINGXIA = "640000"  # 5 cities and 22 districts: a tenth of them is 2.7
XINGQING, XIXIA, JINFENG = "640104", "640105", "640106"
NAMES = {XINGQING: "兴庆区", XIXIA: "西夏区", JINFENG: "金凤区"}


def test_a_model_that_throttles_hangs_and_breaks_its_answers_costs_only_time(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN a model that throttles 30 % of calls, lets 10 % time out and breaks the JSON of 5 %
    provider.control(rates={"429": 0.3, "timeout": 0.1, "broken_json": 0.05})

    # WHEN a province is refreshed
    task_id = observer.submit("宁夏")
    with observer.watching(task_id) as watch:
        task = observer.ended(task_id)

    # THEN all of it is found, though each of these faults was met
    assert (task["status"], task["result"]["failed"]) == ("SUCCEEDED", [])
    met = provider.calls()["by_outcome"]
    assert {fault for fault in ("429", "timeout", "broken_json") if met.get(fault)} == {"429", "timeout", "broken_json"}
    found = observer.sql("SELECT district_code, name FROM hospitals WHERE listed = 1")
    assert {(row["district_code"], row["name"]) for row in found} == {
        (code, hospital.name) for code, here in truth(NINGXIA).items() for hospital in here
    }
    watch.assert_never_back()


def test_a_model_whose_endpoint_refuses_a_schema_and_that_talks_around_its_answers_is_understood(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN an endpoint that takes neither a schema nor a temperature of 0, and a model that fences, thinks and chats
    rates = {"fenced": 0.3, "thinking": 0.3, "chatty": 0.3}
    provider.control(refuses=["json_schema", "temperature"], rates=rates, script=["cut", "html"])

    # WHEN a province is refreshed
    task = observer.refresh("宁夏")

    # THEN all of it is found
    assert (task["status"], task["result"]["failed"]) == ("SUCCEEDED", [])
    assert task["result"]["hospitals"] == sum(map(len, truth(NINGXIA).values()))

    # AND the endpoint refused a few requests only: once for each environment that was there before it was known
    met = provider.calls()["by_outcome"]
    assert 1 <= met["refused json_schema"] <= 15
    assert {"cut", "html", *rates} <= met.keys()


@pytest.mark.parametrize("failing", [[XINGQING], [XINGQING, XIXIA]], ids=len)
def test_districts_that_always_fail_are_named_and_the_others_are_refreshed(
    observer: Observer, provider: Provider, failing: list[str]
) -> None:
    # GIVEN districts about which the model never says anything of use, at most a tenth of all
    provider.control(fail_keys=dict.fromkeys(failing, "wrong_schema"))

    # WHEN their province is refreshed
    task = observer.refresh("宁夏")

    # THEN the task has succeeded and names them, each with the reason
    assert (task["status"], task["progress"], task["error"]) == ("SUCCEEDED", 100, None)
    for named in (task["result"]["failed"], task["statistics"]["failed"]):
        assert [(step["key"], step["name"]) for step in named] == [(f"district/{c}", NAMES[c]) for c in failing]
        assert all("HospitalsAnswer" in step["error"] for step in named)
    steps = observer.steps(task["task_id"])
    assert {key: row["error_code"] for key, row in steps.items() if row["status"] != "SUCCEEDED"} == {
        f"district/{code}": "bad_answer" for code in failing
    }

    # AND each was asked once and once more with the complaint, while all others were refreshed
    assert {provider.calls("hospitals", code)["count"] for code in failing} == {2}
    others = {code: here for code, here in truth(NINGXIA).items() if code not in failing}
    assert observer.done(task["task_id"]) == others.keys()
    assert task["result"]["hospitals"] == sum(map(len, others.values()))
    assert task["result"]["districts"] == len(others)


def test_a_task_more_than_a_tenth_of_which_fails_has_failed_and_says_why(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN three of 27 that always fail
    provider.control(fail_keys=dict.fromkeys(NAMES, "wrong_schema"))

    # WHEN their province is refreshed
    task_id = observer.submit("宁夏")
    with observer.watching(task_id) as watch:
        task = observer.ended(task_id)

    # THEN the task has failed, for good, and names them
    assert (task["status"], task["result"], task["attempt"]) == ("FAILED", None, 1)
    assert task["error"]["code"] == "too_many_failures"
    assert "3 of 22 district steps failed" in task["error"]["message"]
    assert all(name in task["error"]["message"] for name in NAMES.values())
    assert [step["name"] for step in task["statistics"]["failed"]] == list(NAMES.values())
    assert observer.events(task_id) == ["started", "failed"]
    watch.assert_never_back()

    # AND what was found is kept
    assert observer.done(task_id) == truth(NINGXIA).keys() - NAMES.keys()
    assert {row["district_code"] for row in observer.sql("SELECT district_code FROM hospitals")} == (
        truth(NINGXIA).keys() - NAMES.keys()
    )


def test_a_city_that_always_fails_is_named_and_its_districts_are_left_out(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN a city whose districts the model cannot name
    provider.control(fail_keys={"640200": "wrong_schema"})

    # WHEN its province is refreshed
    task = observer.refresh("宁夏")

    # THEN the task has succeeded without it
    assert task["status"] == "SUCCEEDED"
    assert [(step["key"], step["name"]) for step in task["result"]["failed"]] == [("city/640200", "石嘴山市")]
    assert observer.done(task["task_id"]) == {code for code in truth(NINGXIA) if not code.startswith("6402")}
