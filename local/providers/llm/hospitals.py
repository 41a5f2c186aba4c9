"""Invented hospitals, always the same for a district and an edition.

An edition is the state of the world at a time. From one to the next a few hospitals are added, a few change, and a few
are absent for one edition. Telephone numbers begin with 0000, an area code that does not exist.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from local.providers.faults import draw
from local.providers.llm.divisions import names

MIN, FIRST_MAX, MAX = 5, 32, 40  # hospitals of a district: always, in edition 1, ever
GONE, CHANGED = 0.06, 0.1  # shares of the hospitals, from one edition to the next
STREETS = ("人民", "解放", "中山", "建设", "文化", "和平", "胜利", "新华", "东风", "朝阳", "滨河", "学府")
FOUNDERS = ("仁和", "康宁", "博爱", "同济", "普济", "安康", "惠民", "德济", "华康", "百佳", "福宁", "济世")
SPECIALTIES = ("口腔", "眼科", "骨科", "肿瘤", "康复", "儿童", "皮肤病", "肛肠", "妇产", "老年病", "心血管病")
HIGH = ("三级甲等", "三级乙等", "二级甲等", "三级", "三级丙等")
MIDDLE = ("二级甲等", "二级乙等", "二级", "二级丙等", "一级甲等")
LOW = ("一级甲等", "一级", "未定级")


@dataclass(frozen=True, slots=True)
class Hospital:
    name: str
    level: str
    type: str
    address: str
    phone: str
    confidence: float


def hospitals_page(district: str, edition: int, batch: int, batch_size: int) -> dict[str, Any]:
    """Return {"hospitals": [...], "has_more": bool}: a batch (from 1) of a district's hospitals."""
    everyone = hospitals_of(district, edition)
    start = (batch - 1) * batch_size
    page = everyone[start : start + batch_size]
    return {"hospitals": [asdict(one) for one in page], "has_more": start + batch_size < len(everyone)}


@lru_cache(maxsize=4096)
def hospitals_of(district: str, edition: int) -> tuple[Hospital, ...]:
    """Return the hospitals of a district in an edition, 5 to 40; none for an unknown district."""
    place = names().get(district)
    if place is None:
        return ()
    first = MIN + int(draw(district, "first")[0] * (FIRST_MAX - MIN + 1))
    later = sum(int(draw(district, "new", e)[0] * 3) for e in range(2, edition + 1))
    present = [n for n in range(min(first + later, MAX)) if not _is_gone(district, n, edition)]
    return tuple(_hospital(district, place, n, _revision(district, n, edition)) for n in present)


def _is_gone(district: str, number: int, edition: int) -> bool:
    return number >= MIN and edition > 1 and draw(district, number, "gone", edition)[0] < GONE


def _revision(district: str, number: int, edition: int) -> int:
    return sum(draw(district, number, "changed", e)[0] < CHANGED for e in range(2, edition + 1))


def _hospital(district: str, place: str, number: int, revision: int) -> Hospital:
    name, kind, levels = _name(place, number)
    street, house = draw(district, number, "address")
    level, confidence = draw(district, number, "level")
    phone, _ = draw(district, number, "phone", revision)
    return Hospital(
        name=name,
        level=levels[int(level * len(levels))],
        type=kind,
        address=f"{place}{STREETS[int(street * len(STREETS))]}路{1 + int(house * 400)}号",
        phone=f"0000-{20_000_000 + int(phone * 70_000_000)}",
        confidence=round(0.6 + 0.4 * confidence, 2),
    )


def _name(place: str, number: int) -> tuple[str, str, tuple[str, ...]]:
    """Return the name, type and possible levels of a district's hospital. The name is unique in the district."""
    public = (
        (f"{place}人民医院", "综合医院", HIGH),
        (f"{place}中医院", "中医医院", MIDDLE),
        (f"{place}妇幼保健院", "妇幼保健院", MIDDLE),
        (f"{place}第二人民医院", "综合医院", MIDDLE),
        (f"{place}疾病防治院", "专科医院", LOW),
    )
    if number < len(public):
        return public[number]
    number, which = divmod(number - len(public), 3)
    if which == 0:
        return f"{place}{STREETS[number % len(STREETS)]}街道社区卫生服务中心", "社区卫生服务中心", LOW
    founder = FOUNDERS[number % len(FOUNDERS)]
    if which == 1:
        return f"{place}{founder}{SPECIALTIES[number % len(SPECIALTIES)]}医院", "专科医院", MIDDLE
    return f"{place}{founder}医院", "综合医院", MIDDLE
