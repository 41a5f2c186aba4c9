"""The role document: what the language model is asked for, and what is taken."""

from string import Template
from typing import Any

import pytest
from pydantic import ValidationError

from roles.authoring import _prompts as prompts
from roles.kinds import KINDS
from roles.model import RoleDocument

GOOD: dict[str, Any] = {
    "identity": "你是晨光口腔的小晨。",
    "tone": "亲切",
    "opening": "您好",
    "talking_points": ["检查", "优惠"],
    "objections": [{"objection": "太贵", "answer": "可分期"}],
    "taboos": ["不承诺疗效"],
}


def test_a_document_comes_back_as_it_was() -> None:
    assert RoleDocument.model_validate_json(RoleDocument.model_validate(GOOD).model_dump_json()).model_dump() == GOOD


def test_the_schema_asks_for_every_part_and_no_other() -> None:
    schema = RoleDocument.model_json_schema()
    assert schema["required"] == list(GOOD)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Objection"]["required"] == ["objection", "answer"]


@pytest.mark.parametrize("part", list(GOOD))
def test_each_part_is_needed(part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        RoleDocument.model_validate({name: value for name, value in GOOD.items() if name != part})


@pytest.mark.parametrize(
    "wrong",
    [
        {"identity": " "},
        {"opening": "x" * 1001},
        {"talking_points": []},
        {"talking_points": ["x"] * 21},
        {"taboos": ["x"] * 21},
        {"objections": [{"objection": "太贵"}]},
        {"mood": "好"},
    ],
)
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RoleDocument.model_validate(GOOD | wrong)


def test_the_prompts_version_is_that_of_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    version = prompts.version("system", "role")
    assert len(version) == 12
    assert prompts.version("system", "role") == version
    monkeypatch.setattr(prompts, "_template", lambda name: Template(f"{name}, anew"))
    assert prompts.version("system", "role") != version


@pytest.mark.parametrize(
    ("task_id", "strategy_id", "wrong"),
    [("", "S", 1), ("a b", "S", 1), ("a/b", "S", 1), ("x" * 65, "S", 1), ("T", "", 1), ("T\u3000", "S", 1)],
)
def test_ids_that_cannot_be_are_refused(task_id: str, strategy_id: str, wrong: int) -> None:
    with pytest.raises(ValidationError) as refused:
        KINDS[0].params.model_validate({"task_id": task_id, "strategy_id": strategy_id})
    assert refused.value.error_count() == wrong


def test_pairs_of_ids_are_told_apart() -> None:
    (kind,) = KINDS
    assert kind.open_key is not None
    keys = {
        kind.open_key(kind.params.model_validate({"task_id": t, "strategy_id": s}))
        for t, s in [("a", "b"), ("b", "a"), ("a','b", "c"), ("a", "b','c")]
    }
    assert len(keys) == 4
