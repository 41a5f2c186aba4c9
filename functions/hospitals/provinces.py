"""The 34 provincial regions: codes and names of GB/T 2260, the national standard of administrative division codes."""

from difflib import get_close_matches

from hospitals.model import Division

PROVINCES = tuple(
    Division(code=f"{number}0000", name=name)
    for number, name in (
        (11, "北京市"),
        (12, "天津市"),
        (13, "河北省"),
        (14, "山西省"),
        (15, "内蒙古自治区"),
        (21, "辽宁省"),
        (22, "吉林省"),
        (23, "黑龙江省"),
        (31, "上海市"),
        (32, "江苏省"),
        (33, "浙江省"),
        (34, "安徽省"),
        (35, "福建省"),
        (36, "江西省"),
        (37, "山东省"),
        (41, "河南省"),
        (42, "湖北省"),
        (43, "湖南省"),
        (44, "广东省"),
        (45, "广西壮族自治区"),
        (46, "海南省"),
        (50, "重庆市"),
        (51, "四川省"),
        (52, "贵州省"),
        (53, "云南省"),
        (54, "西藏自治区"),
        (61, "陕西省"),
        (62, "甘肃省"),
        (63, "青海省"),
        (64, "宁夏回族自治区"),
        (65, "新疆维吾尔自治区"),
        (71, "台湾省"),
        (81, "香港特别行政区"),
        (82, "澳门特别行政区"),
    )
)
_SUFFIXES = ("特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市")
_BY_CODE = {province.code: province for province in PROVINCES}


def short_name(name: str) -> str:
    """广东省 -> 广东, 广西壮族自治区 -> 广西."""
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)


_BY_NAME = {name: province for province in PROVINCES for name in (province.name, short_name(province.name))}


def find_province(text: str) -> Division:
    """The province of this code, full name or short name. ValueError naming the nearest when there is none."""
    wanted = text.strip()
    found = _BY_CODE.get(wanted) or _BY_NAME.get(wanted) or _BY_NAME.get(short_name(wanted))
    if found:
        return found
    close = get_close_matches(wanted, _BY_NAME, n=6, cutoff=0.3)
    nearest = list(dict.fromkeys(_BY_NAME[name].name for name in close))[:3]
    hint = f"; nearest: {', '.join(nearest)}" if nearest else "; give a name (广东省, 广东) or a code (440000)"
    raise ValueError(f"no province {wanted!r}{hint}")


def province_of(code: str) -> Division:
    """The province that the code of a city or district lies in. KeyError when there is none."""
    return _BY_CODE[f"{code[:2]}0000"]
