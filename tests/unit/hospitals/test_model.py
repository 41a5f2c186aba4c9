"""What may be stored, what makes a hospital different, and what the model is asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from hospitals import district_refresh, divisions
from hospitals.divisions import DivisionStep
from hospitals.model import (
    CitiesAnswer,
    Division,
    DivisionAnswer,
    Hospital,
    HospitalAnswer,
    HospitalsAnswer,
    Level,
)
from longhaul.errors import BadAnswer

GUANGDONG = Division(code="440000", name="广东省")


def said(**changes: Any) -> HospitalAnswer:
    values = {
        "name": "荔湾区人民医院",
        "level": "三级甲等",
        "type": "综合医院",
        "address": "人民路1号",
        "phone": "0000-20000001",
        "confidence": 0.75,
    }
    return HospitalAnswer.model_validate(values | changes)


def stored(**changes: Any) -> Hospital:
    return Hospital.model_validate(said(**changes).model_dump())


def batch(*hospitals: HospitalAnswer, has_more: bool = False) -> HospitalsAnswer:
    return HospitalsAnswer(hospitals=list(hospitals), has_more=has_more)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "院"},
        {"name": "长" * 101},
        {"level": "四级甲等"},
        {"type": ""},
        {"address": "路" * 201},
        {"phone": "拨打总机"},
        {"phone": "1" * 31},
        {"confidence": 1.01},
        {"confidence": -0.01},
    ],
)
def test_a_wrong_row_is_left_out(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        stored(**changes)
    assert district_refresh.valid_hospitals([said(**changes), said()]) == [stored()]


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        ({"level": "二级"}, True),
        ({"type": "专科医院"}, True),
        ({"address": "人民路2号"}, True),
        ({"phone": ""}, True),
        ({"confidence": 0.5}, False),
        ({"address": " 人民路1号 "}, False),
    ],
)
def test_what_makes_a_hospital_different(changes: dict[str, Any], different: bool) -> None:
    assert (stored(**changes).digest != stored().digest) is different


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[HospitalsAnswer]:
    """The model's answers, in order; the last one for ever. What is stored of them is the integration tests' matter."""
    answers: list[HospitalsAnswer] = []

    def asked(*_: Any) -> Iterator[HospitalsAnswer]:
        return (answers[min(number, len(answers) - 1)] for number in range(district_refresh.MAX_BATCHES))

    monkeypatch.setattr(district_refresh, "_batches", asked)
    monkeypatch.setattr(district_refresh, "_bad_batches", lambda _, reason: BadAnswer(reason))
    return answers


DISTRICT = DivisionStep(task_id="t", attempt=1, code="440103", name="荔湾区", within="广东省广州市")


def test_batches_are_one_list_without_repetitions(batches: list[HospitalsAnswer]) -> None:
    batches += [
        batch(said(name="甲医院"), said(name="乙医院"), has_more=True),
        batch(said(name="乙医院", phone=""), said(name="丙医院")),
    ]
    hospitals, stored_too = district_refresh.ask_hospitals(DISTRICT)
    assert stored_too
    assert [one.name for one in hospitals] == ["甲医院", "乙医院", "丙医院"]
    assert hospitals[1].phone == "0000-20000001"


def test_a_model_that_repeats_itself_has_no_more(batches: list[HospitalsAnswer]) -> None:
    batches += [batch(said(), has_more=True)]
    assert [one.name for one in district_refresh.ask_hospitals(DISTRICT)[0]] == ["荔湾区人民医院"]


def test_a_model_that_never_ends_is_given_up(batches: list[HospitalsAnswer]) -> None:
    batches += [batch(said(name=f"第{n}医院"), has_more=True) for n in range(district_refresh.MAX_BATCHES)]
    with pytest.raises(BadAnswer, match="50 batches"):
        district_refresh.ask_hospitals(DISTRICT)


@pytest.mark.parametrize(("right", "wrong", "taken"), [(4, 1, True), (8, 2, True), (3, 1, False), (0, 1, False)])
def test_a_fifth_of_the_rows_may_be_wrong(batches: list[HospitalsAnswer], right: int, wrong: int, taken: bool) -> None:
    batches += [batch(*(said(name=f"第{n}医院") for n in range(right)), *[said(level="?")] * wrong)]
    if taken:
        hospitals, stored_too = district_refresh.ask_hospitals(DISTRICT)
        assert (len(hospitals), stored_too) == (right, False)
    else:
        with pytest.raises(BadAnswer, match=f"{wrong} of {right + wrong} hospitals of 荔湾区"):
            district_refresh.ask_hospitals(DISTRICT)


def test_divisions_come_once_and_in_order() -> None:
    answer = [DivisionAnswer(code=code, name=name) for code, name in [("440300", "深圳市"), ("440100", "广州市")] * 2]
    assert [division.name for division in divisions.checked(answer, GUANGDONG)] == ["广州市", "深圳市"]


@pytest.mark.parametrize(
    ("code", "name"),
    [("450100", "南宁市"), ("4401", "广州市"), ("资料暂缺", "台湾省"), ("440100", "穗"), ("040100", "某市")],
)
def test_a_wrong_division_spoils_the_answer(code: str, name: str) -> None:
    with pytest.raises(BadAnswer):
        divisions.checked([DivisionAnswer(code=code, name=name)], GUANGDONG)


@pytest.mark.parametrize(
    ("within", "name", "place"),
    [("广东省广州市", "荔湾区", "广东省广州市荔湾区"), ("北京市", "北京市", "北京市"), ("", "广东省", "广东省")],
)
def test_a_place_is_named_in_full_and_once(within: str, name: str, place: str) -> None:
    assert DISTRICT.model_copy(update={"within": within, "name": name}).place == place


def test_a_prompt_says_it_for_people_and_for_programs() -> None:
    prompts = divisions._prompts
    prompt = prompts.render("cities", {"province": "440000"}, place="广东省", code="440000")
    assert "列出广东省（代码 440000）" in prompt
    assert prompt.splitlines()[-1] == '{"ask": "cities", "province": "440000"}'
    assert "$" not in prompt
    with pytest.raises(KeyError):
        prompts.render("cities", {}, place="广东省")
    assert "JSON Schema" in prompts.system()


def test_the_schema_tells_the_levels_and_forbids_the_rest() -> None:
    schema = HospitalsAnswer.model_json_schema()
    hospital = schema["$defs"]["HospitalAnswer"]
    assert hospital["properties"]["level"]["enum"] == list(Level)
    assert sorted(hospital["required"]) == sorted(hospital["properties"])
    assert hospital["additionalProperties"] is False
    assert CitiesAnswer.model_json_schema()["additionalProperties"] is False
