"""The models' stand-ins: their frequencies hold, their prose can be read back, answers fit their schemas."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from local.providers.llm.knowledge import role
from local.providers.llm.models import BRANDS, BY_NAME, PERSONAS, Persona, extract, opinion, prose
from local.providers.llm.schemas import fit
from tests import serving

QUESTIONS = [f"第 {number} 个问题" for number in range(1000)]
KEY = "a-key-of-the-tests"


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_persona_names_each_brand_as_often_as_it_is_told(persona: Persona) -> None:
    opinions = [opinion(persona.name, question) for question in QUESTIONS]
    for brand in BRANDS:
        named = sum(one.of(brand) is not None for one in opinions) / len(QUESTIONS)
        assert named == pytest.approx(persona.frequency, abs=0.05)
    sentiments = [mention.sentiment for one in opinions for mention in one.mentions]
    assert sum(sentiments) / len(sentiments) == pytest.approx(persona.warmth, abs=0.05)
    answered = [one for one in opinions if one.mentions]
    assert sum(bool(one.sources) for one in answered) / len(answered) == pytest.approx(persona.cites, abs=0.05)


def test_what_is_said_of_a_brand_does_not_hang_on_the_others() -> None:
    few, many = opinion("qwen", "问题", ["Lumo", "Vela"]), opinion("qwen", "问题", [*BRANDS, "Lumo"])
    for brand in ("Lumo", "Vela"):
        one, other = few.of(brand), many.of(brand)
        assert (one and one.sentiment) == (other and other.sentiment)
    assert [mention.rank for mention in many.mentions] == list(range(1, len(many.mentions) + 1))


BRAND = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200).map(str.strip)


@given(
    question=st.text(max_size=50),
    brands=st.lists(st.one_of(BRAND, st.sampled_from(['"; DROP TABLE', "🚀", "a: b", "甲：乙"])), max_size=8),
    language=st.sampled_from(["zh", "zh-CN", "en", "ja"]),
    name=st.sampled_from(sorted(BY_NAME)),
)
def test_what_is_said_can_be_read(question: str, brands: list[str], language: str, name: str) -> None:
    brands = [brand for brand in dict.fromkeys(brands) if brand]
    expected = opinion(name, question, brands)
    answer = prose(expected, language)
    for brand in brands:
        reading = extract(answer, brand, [other for other in brands if other != brand])
        mention = expected.of(brand)
        if mention is None:
            assert reading["named"] is False or not expected.mentions
            continue
        assert (reading["named"], reading["rank"]) == (True, mention.rank)
        assert reading["sentiment"] == mention.sentiment
        assert reading["competitors"] == [one.brand for one in expected.mentions if one.brand != brand]
        assert tuple(reading["sources"]) == expected.sources


def test_brands_that_nobody_asked_about_are_read_too() -> None:
    answer = "1. 甲：很好（+0.40）\n2. 乙：一般（-0.10）"
    reading = extract(answer, "乙", [])
    assert (reading["rank"], reading["sentiment"], reading["competitors"]) == (2, -0.1, ["甲"])


def test_an_answer_of_another_hand_is_searched() -> None:
    reading = extract("我推荐 Vela，其次是 Lumo。", "Lumo", ["Vela", "星野"])
    assert reading == {"named": True, "rank": 2, "sentiment": 0.0, "competitors": ["Vela"], "sources": []}
    assert extract("今天天气不错。", "Lumo", ["Vela"])["named"] is False


class Objection(BaseModel):
    concern: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Document(BaseModel):
    identity: str = Field(min_length=5, max_length=30)
    tone: Literal["warm", "cool"]
    talking_points: list[str] = Field(min_length=3, max_length=4)
    objections: list[Objection] = Field(min_length=1)
    taboos: list[str]
    age: int = Field(ge=18)
    nickname: str | None


def test_a_role_is_made_of_the_material_and_fits_its_schema() -> None:
    material = {
        "base_info": {"name": "小远", "company": "远途汽车"},
        "products": ["新款 SUV，续航 800 公里", "x" * 999],
    }
    document = Document.model_validate(fit(Document.model_json_schema(), role(material)))
    assert "小远" in document.identity
    assert "新款 SUV，续航 800 公里" in document.talking_points
    assert document.objections[0].answer
    assert role(material) == role(json.loads(json.dumps(material)))
    assert Document.model_validate(fit(Document.model_json_schema(), role({})))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda part: st.lists(part, max_size=3)
    )
)
def test_any_value_is_made_to_fit(value: Any) -> None:
    Document.model_validate(fit(Document.model_json_schema(), value))


@pytest.fixture(scope="module")
def stand_in() -> Iterator[serving.StandIn]:
    with serving.served(serving.StandIn, api_key=KEY) as served:
        served.control(latency_ms=0)
        yield served


def ask(stand_in: serving.StandIn, model: str, key: str, **more: Any) -> Any:
    prompt = json.dumps({"ask": "question", "question": "哪个好？", "language": "en"}, ensure_ascii=False)
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], **more}
    url, headers = f"{stand_in.url}/models/{model}/v1/chat/completions", {"Authorization": f"Bearer {key}"}
    return stand_in.pool.request("POST", url, json=body, headers=headers)


def test_each_model_has_its_key(stand_in: serving.StandIn) -> None:
    assert ask(stand_in, "kimi", f"{KEY}-kimi").status == 200
    assert ask(stand_in, "kimi", f"{KEY}-qwen").status == 401
    assert ask(stand_in, "gpt", KEY).status == 404


def test_a_stream_says_the_same_in_pieces(stand_in: serving.StandIn) -> None:
    whole = ask(stand_in, "qwen", f"{KEY}-qwen").json()
    stream = ask(stand_in, "qwen", f"{KEY}-qwen", stream=True)
    assert stream.headers["Content-Type"] == "text/event-stream"
    *events, end = [line.removeprefix("data: ") for line in stream.data.decode().split("\n\n") if line]
    assert end == "[DONE]"
    chunks = [json.loads(event) for event in events]
    pieces = [choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"] == prose(opinion("qwen", "哪个好？"), "en")
    assert chunks[-1]["usage"] == whole["usage"]


def test_the_controls_tell_the_brands(stand_in: serving.StandIn) -> None:
    stand_in.control(latency_ms=0, brands=["Alpha", "Beta", "Gamma"])
    content = ask(stand_in, "deepseek", f"{KEY}-deepseek").json()["choices"][0]["message"]["content"]
    assert content == prose(opinion("deepseek", "哪个好？", ["Alpha", "Beta", "Gamma"]), "en")
    stand_in.control(latency_ms=0)


@pytest.mark.parametrize(
    ("plan", "status", "headers"),
    [
        ({"rates": {"429": 1}, "retry_after": 7}, 429, {"Retry-After": "7"}),
        ({"script": ["500"]}, 500, {}),
        ({"fail_keys": {"哪个好？": "500"}}, 500, {}),
    ],
)
def test_one_model_fails_and_the_others_do_not(
    stand_in: serving.StandIn, plan: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    stand_in.control(latency_ms=0, models={"kimi": {"latency_ms": 0, **plan}})
    failed = ask(stand_in, "kimi", f"{KEY}-kimi")
    assert failed.status == status
    assert headers.items() <= dict(failed.headers).items()
    assert ask(stand_in, "qwen", f"{KEY}-qwen").status == 200


@pytest.mark.parametrize(
    ("fault", "starts"), [("off_topic", ["今天天气"]), ("wrong_schema", ['{"answer"']), ("long", ["All in all"])]
)
def test_an_answer_goes_wrong_as_told(stand_in: serving.StandIn, fault: str, starts: Sequence[str]) -> None:
    stand_in.control(latency_ms=0, models={"kimi": {"latency_ms": 0, "rates": {fault: 1}, "long_bytes": 120_000}})
    content = ask(stand_in, "kimi", f"{KEY}-kimi").json()["choices"][0]["message"]["content"]
    assert content.startswith(tuple(starts)) or "It depends" in content
    assert (len(content.encode()) >= 120_000) == (fault == "long")
