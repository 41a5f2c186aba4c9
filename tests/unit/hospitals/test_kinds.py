"""What a refresh's parameters may be, and what its task is called."""

import pytest
from pydantic import ValidationError

from hospitals.kinds import KINDS, FullRefresh, ProvinceRefresh
from hospitals.provinces import PROVINCES, find_province, province_of, short_name
from local.providers.llm import divisions

PROVINCE, FULL = KINDS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("广东省", "广东省"),
        (" 广东 ", "广东省"),
        ("440000", "广东省"),
        ("北京", "北京市"),
        ("上海市", "上海市"),
        ("内蒙古", "内蒙古自治区"),
        ("广西", "广西壮族自治区"),
        ("广西自治区", "广西壮族自治区"),
        ("宁夏", "宁夏回族自治区"),
        ("新疆", "新疆维吾尔自治区"),
        ("香港", "香港特别行政区"),
        ("台湾", "台湾省"),
        ("吉林", "吉林省"),
    ],
)
def test_a_province_goes_by_many_names(text: str, name: str) -> None:
    assert ProvinceRefresh(province=text).province == name


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("广冬省", "广东省"),
        ("四川生", "四川省"),
        ("山洞", "山东省"),
        ("黑龙江市区", "黑龙江省"),
        ("990000", "give a name"),
        ("440100", "give a name"),
        ("xyz", "give a name"),
    ],
)
def test_an_unknown_province_is_answered_with_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(ValidationError, match=nearest):
        ProvinceRefresh(province=text)


def test_nothing_else_is_taken() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ProvinceRefresh.model_validate({"province": "广东", "city": "广州"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        FullRefresh.model_validate({"province": "广东"})


def test_titles_and_ids() -> None:
    params = ProvinceRefresh(province="广东")
    assert (PROVINCE.title(params), PROVINCE.slug(params)) == ("广东省刷新", "province_广东省")
    assert (FULL.title(FullRefresh()), FULL.slug(FullRefresh())) == ("全量刷新", "full_refresh")


def test_the_provinces_are_the_34_of_the_standard() -> None:
    assert len(PROVINCES) == 34
    assert {province.code for province in PROVINCES} == divisions.cities().keys()
    assert all(divisions.names()[province.code] == province.name for province in PROVINCES)
    assert len({short_name(province.name) for province in PROVINCES}) == 34


def test_every_code_leads_to_its_province() -> None:
    assert province_of("440103").name == "广东省"
    assert province_of("810000").name == "香港特别行政区"
    assert find_province("440000") == province_of("441900")
