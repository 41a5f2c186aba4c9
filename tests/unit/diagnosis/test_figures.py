"""The figures of a report, for any answers: shares are shares, parts add up, what was not answered does not count."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.figures import AnsweredCell, figures, findings, rivals
from diagnosis.model import Extraction

COMPETITORS = ["小鹏", "理想", "问界"]


@st.composite
def extractions(draw: st.DrawFn) -> Extraction:
    named = draw(st.booleans())
    return Extraction(
        named=named,
        rank=draw(st.integers(1, 4)) if named else None,
        sentiment=draw(st.none() | st.floats(-1, 1)) if named else None,
        named_too=draw(st.lists(st.sampled_from(COMPETITORS), unique=True)),
        others=[],
        sources=[],
        disputed=False,
    )


@st.composite
def grids(draw: st.DrawFn) -> list[AnsweredCell]:
    """Some of the cells of four questions and three models."""
    keys = [(f"q0{number}", model) for number in range(1, 5) for model in ("deepseek", "qwen", "kimi")]
    answered = draw(st.lists(st.sampled_from(keys), unique=True))
    return [AnsweredCell(f"{question}/{model}", question, model, draw(extractions())) for question, model in answered]


def answered(
    key: str, *, named: bool, rank: int | None = None, mood: float | None = None, too: list[str] | None = None
) -> AnsweredCell:
    question, model = key.split("/")
    extraction = Extraction(
        named=named, rank=rank, sentiment=mood, named_too=too or [], others=[], sources=[], disputed=False
    )
    return AnsweredCell(key, question, model, extraction)


def test_figures_of_answers_that_are_known() -> None:
    cells = [
        answered("q01/qwen", named=True, rank=1, mood=0.5, too=["小鹏"]),
        answered("q01/kimi", named=True, rank=4, mood=-0.25, too=["小鹏", "理想", "问界"]),
        answered("q02/qwen", named=False, too=["理想"]),
        answered("q02/kimi", named=False),
    ]
    whole = figures(cells)
    assert (whole.mention_rate, whole.share_of_voice) == (0.5, round(2 / 7, 4))
    assert (whole.mean_rank, whole.sentiment) == (2.5, 0.125)
    assert whole.named_in == ["q01/qwen", "q01/kimi"]
    assert [(rival.name, rival.mention_rate, rival.share_of_voice) for rival in rivals(cells, COMPETITORS)] == [
        ("小鹏", 0.5, round(2 / 7, 4)),
        ("理想", 0.5, round(2 / 7, 4)),
        ("问界", 0.25, round(1 / 7, 4)),
    ]
    found = findings(cells, {"q01": "一", "q02": "二", "q03": "三"}, COMPETITORS)
    assert [(one.question, one.mentions, one.ahead) for one in found.strengths] == [("q01", 2, [])]
    assert [(one.question, one.ahead, one.cells) for one in found.gaps] == [("q02", ["理想"], ["q02/qwen", "q02/kimi"])]


def test_of_no_answers_nothing_is_known() -> None:
    assert set(figures([]).model_dump(exclude={"answered", "named_in"}).values()) == {None}
    assert findings([], {"q01": "一"}, COMPETITORS).gaps == []


@given(grids())
def test_shares_are_shares_and_add_up(cells: list[AnsweredCell]) -> None:
    whole, others = figures(cells), rivals(cells, COMPETITORS)
    shares = [whole.share_of_voice, *(rival.share_of_voice for rival in others)]
    if any(cell.extraction.named or cell.extraction.named_too for cell in cells):
        assert sum(share or 0 for share in shares) == pytest.approx(1, abs=1e-3)
    else:
        assert set(shares) == {None}
    for figure, least, most in ((whole.mention_rate, 0, 1), (whole.mean_rank, 1, 4), (whole.sentiment, -1, 1)):
        assert figure is None or least <= figure <= most
    assert set(whole.named_in) <= set(whole.answered) == {cell.key for cell in cells}


@given(grids())
def test_the_whole_is_the_sum_of_its_models_and_of_its_questions(cells: list[AnsweredCell]) -> None:
    whole = figures(cells)
    for part in ("model", "question"):
        parts = [
            figures([cell for cell in cells if getattr(cell, part) == one]) for one in {getattr(c, part) for c in cells}
        ]
        assert sorted(key for one in parts for key in one.answered) == sorted(whole.answered)
        assert sorted(key for one in parts for key in one.named_in) == sorted(whole.named_in)
    if cells:
        assert whole.mention_rate == pytest.approx(float(Fraction(len(whole.named_in), len(cells))), abs=1e-4)


@given(grids(), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(cells: list[AnsweredCell], random: object) -> None:
    shuffled = sorted(cells, key=lambda _: random.random())  # type: ignore[attr-defined]
    one, other = figures(cells), figures(shuffled)
    assert (one.mention_rate, one.share_of_voice) == (other.mention_rate, other.share_of_voice)
    assert one.sentiment == pytest.approx(other.sentiment, abs=2e-4)
    assert sorted(one.named_in) == sorted(other.named_in)


@given(grids())
def test_a_question_is_a_strength_or_a_gap_or_neither(cells: list[AnsweredCell]) -> None:
    found = findings(cells, {f"q0{number}": "" for number in range(1, 5)}, COMPETITORS)
    strong, weak = ({one.question for one in kind} for kind in (found.strengths, found.gaps))
    assert not strong & weak
    assert strong | weak <= {cell.question for cell in cells}
    for question in {cell.question for cell in cells} - weak:
        assert any(cell.extraction.named for cell in cells if cell.question == question)
