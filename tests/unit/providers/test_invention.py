"""What nobody taught the stand-in: any schema is satisfied, in the prompt's words, the same each time."""

import json
import random
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, create_model

from local.providers.llm.invention import invent, reply
from local.providers.llm.patterns import matching
from longhaul.llm.client import schema_words

ENGLISH = "Summarise this text in two sentences.\n\nThe tide rises twice a day. The moon pulls the sea. Harbours fill."
CHINESE = "请总结下面的文字。\n\n潮水一天涨两次，因为月亮牵引着大海，港口因此被注满。渔船出海，市场开张。"


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Node(Strict):
    label: str = Field(min_length=1, max_length=20)
    children: list["Node"] = Field(max_length=3)
    parent: "Node | None" = None


class Cat(Strict):
    sort: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(Strict):
    sort: Literal["dog"]
    tricks: list[str] = Field(min_length=1)


class Everything(Strict):
    summary: str = Field(min_length=10, max_length=60)
    colour: Colour
    version: Literal[3]
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-\d{4}(-(a|b)[^\W_]?)?$", max_length=9)]
    count: int = Field(ge=3, lt=9, multiple_of=2)
    below: int = Field(lt=-5)
    confidence: float = Field(gt=0, lt=1)
    price: Decimal
    agreed: bool
    tags: set[Annotated[str, StringConstraints(min_length=1, max_length=12)]] = Field(min_length=2, max_length=4)
    pair: tuple[int, str]
    pet: Cat | Dog = Field(discriminator="sort")
    tree: Node
    note: str | None
    day: date
    at: datetime
    hour: time
    length: timedelta
    page: HttpUrl
    id: UUID
    by_name: dict[str, int]
    by_colour: dict[Colour, float] = Field(min_length=1, max_length=2)
    anything: Any
    long: str = Field(min_length=500)


@pytest.mark.parametrize("prompt", [ENGLISH, CHINESE, "", "x", '{"ask": "summary", "text": "The tide rises."}'])
def test_what_pydantic_declares_is_satisfied(prompt: str) -> None:
    schema = Everything.model_json_schema()
    made = invent(schema, prompt)
    jsonschema.validate(made, schema)
    Everything.model_validate_json(json.dumps(made))
    assert made == invent(schema, prompt), "the same prompt has the same answer"


def test_texts_are_the_prompts_words_in_its_language() -> None:
    class Summary(BaseModel):
        summary: str
        points: list[str]

    schema = Summary.model_json_schema()
    english, chinese = (Summary.model_validate(invent(schema, prompt)) for prompt in (ENGLISH, CHINESE))
    assert english.summary == "The tide rises twice a day."
    assert english.points
    assert all(point in ENGLISH for point in english.points)
    assert chinese.summary in CHINESE
    assert chinese.summary.startswith("潮水一天涨两次")
    assert invent(schema, ENGLISH.replace("tide", "price")) != english.model_dump()


def test_a_reply_without_a_schema_is_a_sentence_in_the_prompts_language() -> None:
    assert "The tide rises twice a day" in reply(ENGLISH)
    assert "潮水一天涨两次" in reply(CHINESE)
    assert reply("") == reply("")
    assert reply("")


def test_a_schema_in_the_prompt_is_no_part_of_what_the_prompt_is_about() -> None:
    made = invent(Node.model_json_schema(), f"{ENGLISH}\n{schema_words(Node)}")
    assert made["label"].split()[0] in ENGLISH


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "array", "items": {"enum": [1, 2]}, "minItems": 3, "uniqueItems": True},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "["},
        {"$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
         "$ref": "#/$defs/N"},
    ],
)  # fmt: skip
def test_what_cannot_be_satisfied_is_refused(schema: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        invent(schema, ENGLISH)


@pytest.mark.parametrize(
    "pattern",
    [r"^\d{3,}$", "^[^a-y]+$", r"[\w.-]+@[a-z]+\.(com|org)", "^(?:ab?c*){2}$", r"\S\s\D\W?", "a|b", "", "^.{5}$"],
)
def test_texts_match_patterns(pattern: str) -> None:
    for seed in range(50):
        chance = random.Random(seed)
        assert re.fullmatch(pattern, matching(pattern, chance.randrange)), pattern


# -------------------------------------------------------------------------------------------------- any schema at all

TEXTS = st.builds(
    lambda least, more, pattern: {"type": "string"} | ({"pattern": pattern} if pattern else {"minLength": least,
                                                                                           "maxLength": least + more}),
    st.integers(0, 30), st.integers(0, 30), st.sampled_from([None, r"^\d{4}$", "^[a-f]+x?$"]),
)  # fmt: skip
FORMATS = st.sampled_from(
    ["date", "date-time", "uuid", "email", "uri", "ipv4", "ipv6", "hostname", "duration", "unknown"]
).map(lambda name: {"type": "string", "format": name})
NUMBERS = st.builds(
    lambda kind, low, span: {"type": kind, "minimum": low, "maximum": low + span},
    st.sampled_from(["integer", "number"]), st.integers(-1000, 1000), st.integers(0, 50),
)  # fmt: skip
FIXED = st.sampled_from(
    [
        {"type": "boolean"},
        {"const": "c"},
        {"enum": [1, "two", None]},
        {"type": "null"},
        {"type": ["string", "null"]},
        {},
    ]
)
NAMES = st.sampled_from(["summary", "score", "名称", "a", "b"])


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.builds(
        lambda properties, rest: {
            "type": "object",
            "properties": properties,
            "required": sorted(properties),
            "additionalProperties": rest,
        },
        st.dictionaries(NAMES, inner, max_size=4),
        st.booleans(),
    )
    lists = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        inner, st.integers(0, 4), st.integers(0, 4),
    )  # fmt: skip
    options = st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": [*some, {"type": "null"}]})
    named = inner.map(lambda schema: {"allOf": [schema], "description": "of that"})
    return st.one_of(objects, lists, options, named)


@given(
    schema=st.recursive(st.one_of(TEXTS, FORMATS, NUMBERS, FIXED), nested, max_leaves=12), prompt=st.text(max_size=80)
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_schema_is_satisfied(schema: dict[str, Any], prompt: str) -> None:
    made = invent(schema, prompt)
    jsonschema.validate(made, schema, format_checker=jsonschema.FormatChecker())
    assert made == invent(schema, prompt)


FIELDS: list[Any] = [
    str, int, float, bool, date, datetime, UUID, Decimal, Colour, Node, Cat, Literal["a", 2], str | None, list[Node],
    dict[str, Cat], set[int], tuple[str, ...], Annotated[int, Field(gt=10, le=12)],
    Annotated[list[str], Field(min_length=5)],
]  # fmt: skip


@given(fields=st.dictionaries(NAMES, st.sampled_from(FIELDS), min_size=1), prompt=st.sampled_from([ENGLISH, CHINESE]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_model_reads_its_answer(fields: dict[str, Any], prompt: str) -> None:
    given_fields: dict[str, Any] = {name: (kind, ...) for name, kind in fields.items()}
    model = create_model("Answer", **given_fields)
    model.model_validate_json(json.dumps(invent(model.model_json_schema(), prompt)))
