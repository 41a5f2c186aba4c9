"""What a model answers to a question on brands, in words; and what such an answer says, read back from the words.

Each brand stands on a line of its own, with its rank and, as no person would, the sentiment in figures: so that whoever
reads the answer can be checked against `models.opinion`.
"""

import re
from collections.abc import Sequence
from typing import Any

from local.providers.faults import draw
from local.providers.models import Opinion

PRAISE = ("用户评价不错，售后响应快", "性能稳定，口碑上升", "细节用心，值得推荐")
BLAME = ("价格偏高，投诉较多", "近来故障反馈增加", "体验一般，需要再观察")
MILD = ("表现中规中矩", "各有取舍，看需求", "可以作为备选")
PHRASES = {
    "zh": (PRAISE, MILD, BLAME),
    "en": (
        ("well reviewed, quick service", "stable, and getting better", "made with care, recommended"),
        ("average in most respects", "a matter of taste", "an alternative"),
        ("pricey, with many complaints", "more failures of late", "mediocre, wait and see"),
    ),
}
OPENING = {"zh": "综合来看，可以考虑：", "en": "All in all, consider these:"}
NONE_NAMED = {
    "zh": "这要看预算和需求，暂时没有可以点名推荐的。",
    "en": "It depends on your needs; there is none to name.",
}
SOURCES = {"zh": "参考来源：", "en": "Sources: "}
CLEAR = 0.25  # a sentiment beyond it is praise or blame

LINE = re.compile(r"^\d+\. (?P<brand>.+?)(?:：|: ).*[（(](?P<sentiment>[+-]\d\.\d\d)[)）]$", re.MULTILINE)
SOURCE_LINE = re.compile(r"^(?:参考来源：|Sources: )(.+)$", re.MULTILINE)


def words(opinion: Opinion, language: str) -> str:
    """The opinion as an answer: in Chinese when the language's code is zh or begins so, else in English."""
    tongue = "zh" if language.lower().startswith("zh") else "en"
    if not opinion.mentions:
        return NONE_NAMED[tongue]
    shape = (
        "{rank}. {brand}：{phrase}（{sentiment:+.2f}）"
        if tongue == "zh"
        else "{rank}. {brand}: {phrase} ({sentiment:+.2f})"
    )
    lines = [
        shape.format(
            rank=one.rank, brand=one.brand, phrase=_phrase(tongue, one.brand, one.sentiment), sentiment=one.sentiment
        )
        for one in opinion.mentions
    ]
    if opinion.sources:
        lines.append(f"\n{SOURCES[tongue]}{'、'.join(opinion.sources)}")
    return "\n".join([OPENING[tongue], "", *lines])


def read(answer: str, brand: str, competitors: Sequence[str]) -> dict[str, Any]:
    """What an answer says of the brand, in the names a schema may ask for; of a foreign answer, who stands in it."""
    listed = _listed(answer, [brand, *competitors])
    names = list(listed) or sorted(
        (name for name in dict.fromkeys([brand, *competitors]) if name in answer), key=answer.index
    )
    sentiment = listed.get(brand, 0.0) if brand in names else None
    cited = SOURCE_LINE.search(answer)
    return {
        "named": brand in names,
        "rank": names.index(brand) + 1 if brand in names else None,
        "sentiment": sentiment,
        "competitors": [name for name in names if name != brand],
        "sources": cited[1].split("、") if cited else [],
    }


def _listed(answer: str, known: Sequence[str]) -> dict[str, float]:
    """The brands with a line of their own, in their order, and the sentiment of each; known names as they are."""
    listed: dict[str, float] = {}
    for line in LINE.finditer(answer):
        rest = line[0].partition(". ")[2]
        exact = [name for name in known if rest.startswith((f"{name}：", f"{name}: "))]
        listed[max(exact, key=len) if exact else line["brand"]] = float(line["sentiment"])
    return listed


def _phrase(tongue: str, brand: str, sentiment: float) -> str:
    praise, mild, blame = PHRASES[tongue]
    phrases = praise if sentiment > CLEAR else blame if sentiment < -CLEAR else mild
    return phrases[int(draw("phrase", brand, sentiment)[0] * len(phrases))]
