"""What goes into a prompt when there is too much: whole items, by stated rules."""

import pytest

from roles.material import MAX_CHARACTERS, trim
from roles.model import BaseInfo, Knowledge, Material, Product, TalkStyle

BASE_INFO = BaseInfo(company="晨光口腔", role_name="小晨")
SMALL = 40  # characters of an item below, as JSON, around its text
FEW = len(BASE_INFO.model_dump_json())


def knowledge(*sizes: int) -> list[Knowledge]:
    return [Knowledge(title="t", content="k" * (size - len('{"title":"t","content":""}'))) for size in sizes]


def products(*sizes: int) -> list[Product]:
    empty = len(Product(name="n", description="").model_dump_json())
    return [Product(name="n", description="p" * (size - empty)) for size in sizes]


def test_what_fits_stays_as_it_is() -> None:
    material = Material(base_info=BASE_INFO, products=products(100), knowledge=knowledge(100))
    assert trim(material, FEW + 200) == (material, {})


def test_the_last_knowledge_goes_first_and_whole() -> None:
    material = Material(base_info=BASE_INFO, products=products(100, 100), knowledge=knowledge(100, 100, 100))
    kept, left_out = trim(material, FEW + 399)
    assert left_out == {"knowledge": [2, 3]}
    assert kept.knowledge == material.knowledge[:1]
    assert kept.products == material.products


def test_products_go_when_no_knowledge_is_left_to_go() -> None:
    material = Material(base_info=BASE_INFO, products=products(100, 100, 100), knowledge=knowledge(100))
    kept, left_out = trim(material, FEW + 250)
    assert left_out == {"products": [3], "knowledge": [1]}
    assert kept.products == material.products[:2]


def test_one_that_is_too_large_does_not_hide_those_behind_it() -> None:
    material = Material(base_info=BASE_INFO, knowledge=knowledge(50, 500, 60))
    kept, left_out = trim(material, FEW + 110)
    assert left_out == {"knowledge": [2]}
    assert [item.content[0] for item in kept.knowledge] == ["k", "k"]


def test_base_info_and_talk_style_are_never_touched() -> None:
    style = TalkStyle(tone="好")
    kept, left_out = trim(Material(base_info=BASE_INFO, talk_style=style, knowledge=knowledge(100)), 1)
    assert (kept.base_info, kept.talk_style, kept.knowledge) == (BASE_INFO, style, [])
    assert left_out == {"knowledge": [1]}


@pytest.mark.parametrize("character", ["长", '"', "\\", "\n", "😀"])
def test_the_most_there_can_be_of_base_info_and_talk_style_leaves_room_for_a_product(character: str) -> None:
    """Characters that JSON writes as two count as two."""
    base_info = BaseInfo(
        company="a" * 100,
        role_name="b" * 50,
        industry="c" * 100,
        goal="d" * 500,
        audience="e" * 500,
        introduction="f" + character * 1998 + "f",
    )
    style = TalkStyle(
        tone="a" * 200, phrases=["b" * 100] * 10, avoid=["c" * 100] * 10, sample="d" + character * 998 + "d"
    )
    largest = Product(name="n" * 100, description="p" * 2000, price="¥" * 100, selling_points=["s" * 100] * 10)
    kept, left_out = trim(Material(base_info=base_info, talk_style=style, products=[largest]))
    assert left_out == {}
    assert len(kept.model_dump_json()) <= MAX_CHARACTERS + SMALL * 3


def test_what_is_missing_is_what_nothing_is_there_of() -> None:
    assert Material().missing == ["base_info", "talk_style", "products", "knowledge"]
    assert Material(base_info=BASE_INFO, knowledge=knowledge(50)).missing == ["talk_style", "products"]
