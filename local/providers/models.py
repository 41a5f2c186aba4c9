"""The models that the stand-in plays, and what each says of which brand: pure functions, so that tests can foretell it.

    opinion("deepseek", "哪个品牌的扫地机器人好？", ["星野", "Lumo"]).mentions

A persona names a brand with its own frequency, drawn by the model, the question and the brand alone: the same question
gets the same answer every time, and over many questions the share comes out as told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from local.providers.faults import draw

# The world's brands, unless the controls tell others: made up, so that no figure looks like a real one's.
BRANDS = ("星野", "Lumo", "北辰", "Arkona", "青柠", "Vela")
SOURCES = ("zhihu.com", "36kr.com", "smzdm.com", "sspai.com", "jd.com", "xiaohongshu.com")
MOST_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Persona:
    """One model: its price in yuan for a million tokens, and its temper."""

    name: str
    model: str  # what its endpoint calls it
    prompt_price: str
    completion_price: str
    max_concurrent: int
    frequency: float  # how often it names a brand
    warmth: float  # the middle of its sentiment, -1 to 1
    cites: float  # how often it gives sources

    def key(self, key: str) -> str:
        """The API key it accepts, made from the stand-in's; any when that is empty."""
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
    """A brand as an answer names it: first is 1; sentiment from -1 to 1, in hundredths."""

    brand: str
    rank: int
    sentiment: float


@dataclass(frozen=True, slots=True)
class Opinion:
    mentions: tuple[Mention, ...]
    sources: tuple[str, ...]

    def of(self, brand: str) -> Mention | None:
        return next((mention for mention in self.mentions if mention.brand == brand), None)


def opinion(name: str, question: str, brands: Sequence[str] = BRANDS) -> Opinion:
    """What the model says to the question, of these brands and no others. KeyError for a model there is none of."""
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
    return tuple(order[: 1 + int(drawn * MOST_SOURCES)])
