"""Finding the answer in what a model writes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from longhaul.errors import AnswerCut, BadAnswer
from longhaul.llm import parsing
from longhaul.llm.endpoint import Completion, End
from longhaul.llm.parsing import Unusable


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    inner: list[Inner]


TRUE = Answer(text="好", inner=[Inner(code="1"), Inner(code="2")])
WRITTEN = TRUE.model_dump_json()
DRAFT = Answer(text="草稿", inner=[]).model_dump_json()


def read(content: str, end: End = End.whole) -> Answer:
    return parsing.read(Completion(content, None, end), Answer)


@pytest.mark.parametrize(
    "content",
    [
        WRITTEN,
        f"\ufeff{WRITTEN}\n",
        f"```json\n{WRITTEN}\n```",
        f"```\n{WRITTEN}```\n以上。",
        f"好的，{{稍等}} :-{{\n\n{WRITTEN}\n\n还有问题吗？}}",
        f"<think>\n先写 {DRAFT}，再改。\n</think>\n{WRITTEN}",
        f"先写 {DRAFT}，再改。\n</think>\n{WRITTEN}",  # the opening mark is in some models' prompt
        f'<Thinking>{{"半</Thinking>{WRITTEN}',
        f'格式如 {{"示例": true}}：{WRITTEN}',
        f'{WRITTEN}\n说明：{{"note": "无"}}',
        f"{DRAFT}\n更正：\n{WRITTEN}",
        f'{{"坏": [1, }}, "里": {DRAFT}}} {WRITTEN}',  # what lies in a broken object is a part of it
        WRITTEN.replace("好", "好\n"),
    ],
)
def test_the_answer_is_the_outermost_object_that_fits(content: str) -> None:
    assert read(content) == TRUE.model_copy(update={"text": read(content).text})
    assert read(content).text.strip() == "好"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "今天天气不错。",
        WRITTEN[:-1],
        f'{{"answers": [{WRITTEN}, {WRITTEN}',  # whole objects in one that has no end
        f'{{"answers": {WRITTEN}}}',
        f"<think>{WRITTEN}",  # thoughts without an end: broken off
        f"<think>{WRITTEN}</think>",
        WRITTEN.replace('"1"', "NaN"),
        "[" + WRITTEN[1:],
        '{"a":' * 100_000,
        '{"' * 100_000,
        '{"}' * 100_000,
    ],
)
def test_there_is_no_answer_in_it(content: str) -> None:
    with pytest.raises(Unusable) as raised:
        read(content)
    assert raised.value.complaint
    error = raised.value.error()
    assert type(error) is BadAnswer
    assert "not a Answer" in str(error)


@pytest.mark.parametrize("end", [End.cut, End.withheld])
def test_what_did_not_end_as_it_should_is_no_answer_however_whole_it_looks(end: End) -> None:
    with pytest.raises(Unusable) as raised:
        read(WRITTEN, end)
    assert (type(raised.value.error()) is AnswerCut) == (end == End.cut)
    assert bool(raised.value.complaint) == (end == End.cut), "who withholds an answer does so again"
    with pytest.raises(Unusable):
        parsing.read_text(Completion("一段话", None, end))


prose = st.text(st.characters(exclude_characters='{}<>"', exclude_categories=["Cs"]), max_size=40)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["</think>", "<think>", "```", '{"text": 1}', "}", "{", "\\", '"']
)
whole = st.builds(Answer, text=texts, inner=st.lists(st.builds(Inner, code=texts), max_size=3))


@given(whole, prose, prose, st.booleans(), st.booleans(), st.sampled_from([None, 2]))
def test_whatever_stands_around_it(
    answer: Answer, before: str, after: str, fenced: bool, thinks: bool, indent: int | None
) -> None:
    written = json.dumps(answer.model_dump(), ensure_ascii=False, indent=indent)
    content = f"```json\n{written}\n```" if fenced else written
    thoughts = f"<think>{before}{DRAFT}</think>" if thinks else ""
    assert read(f"{thoughts}{before}{content}{after}") == answer


@given(whole, st.data())
def test_a_part_of_an_answer_is_none(answer: Answer, data: Any) -> None:
    written = json.dumps(answer.model_dump(), ensure_ascii=False)
    end = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(Unusable):
        read(written[:end])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("  一段话 \n", "一段话"),
        ("\ufeff一段话", "一段话"),
        ("<think>星野？\n</think>\n\n一段话", "一段话"),
        ("星野？</think>一段话", "一段话"),
        ("一段话，讲 <think> 这个标记", "一段话，讲 <think> 这个标记"),
    ],
)
def test_thoughts_are_no_part_of_a_text(content: str, text: str) -> None:
    assert parsing.read_text(Completion(content, None)) == text


@pytest.mark.parametrize("content", ["", " \n", "<think>一直想", "<think>想</think> "])
def test_a_text_of_thoughts_alone_is_empty(content: str) -> None:
    with pytest.raises(Unusable, match="empty") as raised:
        parsing.read_text(Completion(content, None))
    assert type(raised.value.error()) is BadAnswer
