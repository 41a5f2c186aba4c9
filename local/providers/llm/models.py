"""The models that the stand-in plays, and what each says of which brand: pure functions, so that tests know the answer.

    opinion("deepseek", "哪个品牌的扫地机器人好？", ["星野", "Lumo"]).mentions

A persona names each brand with its own frequency. The draw depends only on the model, the question and the brand: the
same question always gets the same answer, and over many questions the frequency holds.

In prose, each brand has a line of its own with its rank and, as no person would write it, the sentiment in figures. So
a reader of the answer can be checked against `opinion`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.providers.faults import draw

# The brands, unless the controls have others: invented, so that no figure looks like a real brand's.
BRANDS = ("星野", "Lumo", "北辰", "Arkona", "青柠", "Vela")
SOURCES = ("zhihu.com", "36kr.com", "smzdm.com", "sspai.com", "jd.com", "xiaohongshu.com")
MAX_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Persona:
    """One model: its prices in yuan for a million tokens, and its temper."""

    name: str
    model: str  # its name at its endpoint
    prompt_price: str
    completion_price: str
    max_concurrent: int
    frequency: float  # how often it names a brand
    warmth: float  # the middle of its sentiment, -1 to 1
    cites: float  # how often it gives sources

    def key(self, key: str) -> str:
        """Return the API key that it accepts, made from the stand-in's key; any key when that is empty."""
        return key and f"{key}-{self.name}"


PERSONAS = (
    Persona("deepseek", "deepseek-chat", "2", "3", 4, frequency=0.8, warmth=0.4, cites=0.3),
    Persona("qwen", "qwen-plus", "0.8", "2", 5, frequency=0.6, warmth=0.2, cites=0.9),
    Persona("doubao", "doubao-pro", "0.8", "2", 3, frequency=0.5, warmth=0.6, cites=0.0),
    Persona("kimi", "kimi-latest", "4", "16", 3, frequency=0.3, warmth=-0.2, cites=0.6),
)
BY_NAME = {persona.name: persona for persona in PERSONAS}


@dataclass(frozen=True, slots=True)
class Mention:
    """A brand in an answer. `rank`: the first is 1; `sentiment`: from -1 to 1, in hundredths."""

    brand: str
    rank: int
    sentiment: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """The brands that an answer names, and the sources that it cites."""

    mentions: tuple[Mention, ...]
    sources: tuple[str, ...]

    def of(self, brand: str) -> Mention | None:
        return next((mention for mention in self.mentions if mention.brand == brand), None)


def opinion(name: str, question: str, brands: Sequence[str] = BRANDS) -> Opinion:
    """Return what the model says to the question of these brands only. Raises KeyError for an unknown model."""
    persona = BY_NAME[name]
    named = [brand for brand in dict.fromkeys(brands) if draw("names", name, question, brand)[0] < persona.frequency]
    named.sort(key=lambda brand: draw("order", name, question, brand))
    mentions = tuple(Mention(brand, rank, _sentiment(persona, question, brand)) for rank, brand in enumerate(named, 1))
    return Opinion(mentions, _sources(persona, question) if named else ())


def _sentiment(persona: Persona, question: str, brand: str) -> float:
    spread = 0.6 * (2 * draw("sentiment", persona.name, question, brand)[0] - 1)
    return round(max(-1.0, min(1.0, persona.warmth + spread)), 2)


def _sources(persona: Persona, question: str) -> tuple[str, ...]:
    cited, drawn = draw("sources", persona.name, question)
    if cited >= persona.cites:
        return ()
    order = sorted(SOURCES, key=lambda source: draw("source", persona.name, question, source))
    return tuple(order[: 1 + int(drawn * MAX_SOURCES)])


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
SOURCES_LABEL = {"zh": "参考来源：", "en": "Sources: "}
CLEAR = 0.25  # a stronger sentiment is praise or blame

LINE = re.compile(r"^\d+\. (?P<brand>.+?)(?:：|: ).*[（(](?P<sentiment>[+-]\d\.\d\d)[)）]$", re.MULTILINE)
SOURCE_LINE = re.compile(r"^(?:参考来源：|Sources: )(.+)$", re.MULTILINE)


def prose(opinion: Opinion, language: str) -> str:
    """Return the opinion as an answer: in Chinese for the language zh or zh-..., else in English."""
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
        lines.append(f"\n{SOURCES_LABEL[tongue]}{'、'.join(opinion.sources)}")
    return "\n".join([OPENING[tongue], "", *lines])


def extract(answer: str, brand: str, competitors: Sequence[str]) -> dict[str, Any]:
    """Return what an answer says of the brand, under the names that a schema may have.

    Of an answer that is not one of `prose`, it finds which of the brands occur.
    """
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
    """Return the brands that have a line of their own, in order, and their sentiment. Known names are matched first."""
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
