"""The figures of a report, from what was read in the answers: pure, and each with the cells behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from diagnosis.extraction import Extraction

DIGITS = 4


@dataclass(frozen=True)
class Heard:
    """An answered cell and what was read in it."""

    key: str
    question: str
    model: str
    said: Extraction


class Figures(BaseModel):
    """Of some answered cells. A figure with nothing to count is null; what did not answer is in none of them."""

    model_config = ConfigDict(frozen=True)

    answered: list[str] = Field(description="The cells behind the figures.", examples=[["q01/deepseek"]])
    named_in: list[str] = Field(description="Those of them that name the brand.")
    mention_rate: float | None = Field(description="The share of the answers that name the brand.")
    share_of_voice: float | None = Field(
        description="Of all mentions of the brand and its competitors, one an answer and name, the brand's share."
    )
    mean_rank: float | None = Field(description="Over the answers that name the brand.")
    sentiment: float | None = Field(description="The mean over the answers that name the brand, -1 to 1.")


class Rival(BaseModel):
    """How a competitor stands beside the brand."""

    model_config = ConfigDict(frozen=True)

    name: str
    mention_rate: float | None
    share_of_voice: float | None
    named_in: list[str]


class Finding(BaseModel):
    """A question in whose answers the brand stands out, or falls behind."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(examples=["q07"])
    text: str
    mentions: int = Field(description="Answers that name the brand.")
    answers: int
    ahead: list[str] = Field(description="Competitors that more answers name.")
    cells: list[str]


@dataclass(frozen=True)
class Findings:
    strengths: list[Finding] = field(default_factory=list)
    gaps: list[Finding] = field(default_factory=list)


def figures(heard: Sequence[Heard]) -> Figures:
    naming = [one for one in heard if one.said.named]
    mentions = len(naming) + sum(len(one.said.named_too) for one in heard)
    return Figures(
        answered=[one.key for one in heard],
        named_in=[one.key for one in naming],
        mention_rate=ratio(len(naming), len(heard)),
        share_of_voice=ratio(len(naming), mentions),
        mean_rank=_mean([one.said.rank for one in naming if one.said.rank is not None]),
        sentiment=_mean([one.said.sentiment for one in naming if one.said.sentiment is not None]),
    )


def rivals(heard: Sequence[Heard], competitors: Sequence[str]) -> list[Rival]:
    """As they are named by the most answers first."""
    mentions = sum(one.said.named + len(one.said.named_too) for one in heard)
    found = []
    for name in competitors:
        named_in = [one.key for one in heard if name in one.said.named_too]
        rate, share = ratio(len(named_in), len(heard)), ratio(len(named_in), mentions)
        found.append(Rival(name=name, mention_rate=rate, share_of_voice=share, named_in=named_in))
    return sorted(found, key=lambda rival: -len(rival.named_in))


def findings(heard: Sequence[Heard], texts: dict[str, str], competitors: Sequence[str]) -> Findings:
    """A strength: at least half of a question's answers name the brand, and no competitor more often. A gap: none names
    it, or a competitor is named more often. What is neither is left out.
    """
    result = Findings()
    for question, text in texts.items():
        here = [one for one in heard if one.question == question]
        if not here:
            continue
        mentions = sum(one.said.named for one in here)
        counts = {name: sum(name in one.said.named_too for one in here) for name in competitors}
        ahead = sorted((name for name in competitors if counts[name] > mentions), key=lambda name: -counts[name])
        cells = [one.key for one in here]
        finding = Finding(question=question, text=text, mentions=mentions, answers=len(here), ahead=ahead, cells=cells)
        if ahead or not mentions:
            result.gaps.append(finding)
        elif 2 * mentions >= len(here):
            result.strengths.append(finding)
    return result


def ratio(part: int, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), DIGITS) if values else None
