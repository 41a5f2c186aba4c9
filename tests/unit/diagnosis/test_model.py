"""What may be asked, the cells it makes, and what may be spent on them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from diagnosis.budget import worst_question, worst_reading
from diagnosis.kinds import KINDS
from diagnosis.model import NOTHING, Budget, Diagnosis, Sum, common_cells
from longhaul.settings import Model

GOOD: dict[str, Any] = {
    "brand": "蔚来",
    "competitors": ["小鹏"],
    "questions": ["一？", "二？"],
    "models": ["qwen", "kimi"],
}


def test_cells_go_question_by_question() -> None:
    cells = Diagnosis(**GOOD).cells()
    assert [cell.key for cell in cells] == ["q01/qwen", "q01/kimi", "q02/qwen", "q02/kimi"]
    assert (cells[2].question, cells[2].text, cells[2].model) == ("q02", "二？", "qwen")
    assert cells[2].label == "qwen · q02 二？"


def test_the_largest_grid_has_500_cells() -> None:
    asked = Diagnosis(brand="X", questions=[f"{n}？" * 100 for n in range(50)], models=[f"m{n}" for n in range(10)])
    assert len({cell.key for cell in asked.cells()}) == 500
    assert max(len(cell.label) for cell in asked.cells()) == 200


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"brand": ""}, "brand"),
        ({"brand": "  "}, "brand"),
        ({"brand": "名" * 201}, "brand"),
        ({"competitors": [str(n) for n in range(11)]}, "competitors"),
        ({"competitors": ["小鹏", "小鹏 "]}, "competitors"),
        ({"questions": []}, "questions"),
        ({"questions": [str(n) for n in range(51)]}, "questions"),
        ({"questions": ["问" * 1001]}, "questions"),
        ({"models": [f"m{n}" for n in range(11)]}, "models"),
        ({"models": ["a/b"]}, "models"),
        ({"models": ["qwen", "QWEN"]}, "models"),
        ({"language": "Klingon!"}, "language"),
        ({"max_cost": 0}, "max_cost"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tokens": 1}, "tokens"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_place(wrong: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Diagnosis(**GOOD | wrong)
    assert refused.value.errors()[0]["loc"][0] == place


def test_a_brand_is_not_its_own_competitor() -> None:
    with pytest.raises(ValidationError, match="among its competitors"):
        Diagnosis(**GOOD | {"competitors": ["蔚来"]})


def test_params_survive_being_stored() -> None:
    asked = Diagnosis(**GOOD, max_cost=2.5, max_tokens=7)
    assert Diagnosis.model_validate(asked.model_dump(mode="json")) == asked


def test_only_cells_asked_alike_are_taken_over() -> None:
    old = Diagnosis(**GOOD)
    assert common_cells(old, Diagnosis(**GOOD | {"questions": ["一？", "三？"]})) == ["q01/qwen", "q01/kimi"]
    assert common_cells(old, Diagnosis(**GOOD | {"questions": ["二？", "一？"]})) == []  # other keys
    assert common_cells(old, Diagnosis(**GOOD | {"models": ["kimi"], "max_cost": 1})) == ["q01/kimi", "q02/kimi"]
    for changed in ({"brand": "问界"}, {"competitors": []}, {"language": "en"}):
        assert common_cells(old, Diagnosis(**GOOD | changed)) == []


def test_the_stages_have_their_public_names() -> None:
    (kind,) = KINDS
    assert (list(kind.weights), kind.final_stage) == (["ai_fetching"], "completed")
    assert kind.title(Diagnosis(**GOOD | {"brand": "名" * 200})).startswith("品牌诊断：名")
    assert len(kind.title(Diagnosis(**GOOD | {"brand": "名" * 200}))) == 200


SUMS = st.builds(Sum, st.integers(0, 10_000), st.decimals(0, 100, places=6))


@given(st.lists(SUMS, max_size=20), st.integers(1, 50_000), st.decimals("0.000001", 500, places=6))
def test_what_fits_never_passes_the_budget(requests: list[Sum], max_tokens: int, max_cost: Decimal) -> None:
    budget, spent = Budget(max_tokens=max_tokens, max_cost=max_cost), NOTHING
    for request in requests:
        if budget.allows(spent + request):
            spent += request
    assert spent.tokens <= max_tokens
    assert spent.cost <= max_cost
    assert Budget().allows(spent + Sum(10**12, Decimal(10**12)))


def test_the_worst_case_is_no_less_than_tokens_can_be() -> None:
    model = Model(
        name="m", base_url="http://x", model="m", secret_arn="s", prompt_price=Decimal(2), completion_price=Decimal(3)
    )
    most = worst_question(model, "问" * 10)
    assert most == Sum(30 + 4096, (30 * Decimal(2) + 4096 * Decimal(3)) / 1_000_000)
    assert worst_reading(model, "问" * 10).tokens > 2 * (30 + 1024)
