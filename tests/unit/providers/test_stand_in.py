"""The stand-in's data and faults: real divisions, hospitals that never vary, faults that tests control."""

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from local.providers.faults import Controls, Faults
from local.providers.journal import Call, Journal
from local.providers.llm import divisions
from local.providers.llm.completions import Question
from local.providers.llm.hospitals import hospitals_of, hospitals_page

DISTRICTS = [one.code for found in divisions.districts().values() for one in found]


@pytest.mark.parametrize(
    ("province", "cities", "districts"),
    [("110000", 0, 16), ("440000", 21, None), ("710000", 0, 0), ("810000", 0, 0), ("500000", 0, 37)],
)
def test_provinces_with_and_without_cities(province: str, cities: int, districts: int | None) -> None:
    assert len(divisions.cities()[province]) == cities
    assert divisions.districts().get(province) == (None if districts is None else divisions.districts()[province])
    assert districts is None or len(divisions.districts()[province]) == districts


def test_all_codes_have_six_digits_and_lie_in_their_province() -> None:
    for parent, found in [*divisions.cities().items(), *divisions.districts().items()]:
        for division in found:
            assert len(division.code) == 6
            assert division.code.isdigit()
            assert division.code[:2] == parent[:2]


@pytest.mark.parametrize("city", ["441900", "442000", "460400", "620200", "469001", "419001", "659001"])
def test_cities_without_districts(city: str) -> None:
    assert divisions.districts()[city] == []


def test_the_counts_are_those_of_the_package() -> None:
    assert len(divisions.cities()) == 34
    assert sum(map(len, divisions.cities().values())) == 365
    assert len(DISTRICTS) == len(set(DISTRICTS)) == 2813


@pytest.mark.parametrize("edition", [1, 2, 7])
def test_a_district_has_5_to_40_hospitals_with_names_of_their_own(edition: int) -> None:
    for district in DISTRICTS[::7]:
        names = [hospital.name for hospital in hospitals_of(district, edition)]
        assert 5 <= len(names) <= 40
        assert len(names) == len(set(names))


def test_an_edition_adds_changes_and_takes_away_a_few() -> None:
    seen: Counter[str] = Counter()
    for district in DISTRICTS[:200]:
        before = {hospital.name: hospital for hospital in hospitals_of(district, 1)}
        after = {hospital.name: hospital for hospital in hospitals_of(district, 2)}
        seen["same"] += sum(before[name] == after[name] for name in before.keys() & after.keys())
        seen["changed"] += sum(before[name] != after[name] for name in before.keys() & after.keys())
        seen["added"] += len(after.keys() - before.keys())
        seen["gone"] += len(before.keys() - after.keys())
    assert seen["same"] > 5 * seen["changed"] > 0
    assert seen["added"] > 0
    assert seen["gone"] > 0


def test_batches_are_the_whole() -> None:
    everyone = hospitals_of("440106", 1)
    pages = [hospitals_page("440106", 1, batch, 7) for batch in range(1, -(-len(everyone) // 7) + 1)]
    assert [page["has_more"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert [one["name"] for page in pages for one in page["hospitals"]] == [one.name for one in everyone]
    assert hospitals_page("999999", 1, 1, 7) == {"hospitals": [], "has_more": False}


@pytest.mark.parametrize(
    ("messages", "ask"),
    [
        (['文字\n{"ask": "cities", "province": "440000"}'], "cities"),
        (['{"ask": "cities"}', "坏了", '  {"ask": "districts"}  '], "districts"),
        (['{"ask": "cities"}', '{"ask": broken'], "cities"),
        (["没有"], "other"),
    ],
)
def test_the_latest_question_is_answered(messages: list[str], ask: str) -> None:
    assert Question("m", tuple(messages), None, False, None).fields()["ask"] == ask


def test_faults_come_at_their_rates_and_the_same_every_time() -> None:
    faults = Faults()
    faults.use(Controls(rates={"429": 0.3, "500": 0.1}, seed=7))
    first = [faults.decide_chat("", f"k{n}")[0] for n in range(2000)]
    counts = Counter(first)
    assert counts["429"] == pytest.approx(600, abs=80)
    assert counts["500"] == pytest.approx(200, abs=50)
    faults.use(Controls(rates={"429": 0.3, "500": 0.1}, seed=7))
    assert [faults.decide_chat("", f"k{n}")[0] for n in range(2000)] == first
    faults.use(Controls(rates={"429": 0.3, "500": 0.1}, seed=8))
    assert [faults.decide_chat("", f"k{n}")[0] for n in range(2000)] != first


def test_a_script_comes_first_and_failing_keys_always_fail() -> None:
    faults = Faults()
    faults.use(Controls(script=["429", "ok"], rates={"500": 1}, fail_keys={"440103": "broken_json"}))
    fates = [faults.decide_chat("", key)[0] for key in ("440103", "a", "b", "440103", "c")]
    assert fates == ["broken_json", "429", None, "broken_json", "500"]


def test_latency_is_ordinary_unless_it_is_told() -> None:
    faults = Faults()
    assert all(0.03 <= faults.decide_chat("", f"k{n}")[1] < 0.06 for n in range(50))
    faults.use(Controls(latency_ms=5, slow_keys={"440103": 200}))
    assert (faults.decide_chat("", "440103")[1], faults.decide_chat("", "440104")[1]) == (0.205, 0.005)


@pytest.mark.parametrize(
    "controls", [{"rates": {"429": 0.7, "500": 0.4}}, {"rates": {"418": 0.1}}, {"rate": {}}, {"edition": 0}]
)
def test_controls_that_make_no_sense_are_refused(controls: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Controls.model_validate_json(json.dumps(controls))


def test_the_journal_counts_by_ask_and_key() -> None:
    journal = Journal()
    journal.note(Call("hospitals", "440103", 1, "ok"))
    journal.note(Call("hospitals", "440103", 2, "429"))
    journal.note(Call("hospitals", "440104", 1, "ok"))
    journal.note(Call("cities", "440000", 0, "ok"))
    report = journal.report("hospitals", None)
    assert (report["count"], report["by_key"]) == (3, {"440103": 2, "440104": 1})
    assert journal.report(None, "440103")["by_outcome"] == {"ok": 1, "429": 1}
    assert [call["batch"] for call in journal.report("hospitals", "440103")["calls"]] == [1, 2]
    journal.forget()
    assert journal.report(None, None)["count"] == 0
