"""The figures of a report, from the extractions of its cells: pure, each figure with the cells behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from diagnosis.model import Extraction

DIGITS = 4


@dataclass(frozen=True)
class AnsweredCell:
    """An answered cell and the extraction of its answer."""

    key: str
    question: str
    model: str
    extraction: Extraction


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


def figures(cells: Sequence[AnsweredCell]) -> Figures:
    naming = [cell for cell in cells if cell.extraction.named]
    mentions = len(naming) + sum(len(cell.extraction.named_too) for cell in cells)
    return Figures(
        answered=[cell.key for cell in cells],
        named_in=[cell.key for cell in naming],
        mention_rate=ratio(len(naming), len(cells)),
        share_of_voice=ratio(len(naming), mentions),
        mean_rank=_mean([cell.extraction.rank for cell in naming if cell.extraction.rank is not None]),
        sentiment=_mean([cell.extraction.sentiment for cell in naming if cell.extraction.sentiment is not None]),
    )


def rivals(cells: Sequence[AnsweredCell], competitors: Sequence[str]) -> list[Rival]:
    """The competitors, the one that the most answers name first."""
    mentions = sum(cell.extraction.named + len(cell.extraction.named_too) for cell in cells)
    found = []
    for name in competitors:
        named_in = [cell.key for cell in cells if name in cell.extraction.named_too]
        rate, share = ratio(len(named_in), len(cells)), ratio(len(named_in), mentions)
        found.append(Rival(name=name, mention_rate=rate, share_of_voice=share, named_in=named_in))
    return sorted(found, key=lambda rival: -len(rival.named_in))


def findings(cells: Sequence[AnsweredCell], texts: dict[str, str], competitors: Sequence[str]) -> Findings:
    """The strengths and gaps among the questions, whose `texts` are by key; a question may be neither.

    A strength: at least half of its answers name the brand, and no competitor more often. A gap: none names it, or a
    competitor is named more often.
    """
    result = Findings()
    for question, text in texts.items():
        here = [cell for cell in cells if cell.question == question]
        if not here:
            continue
        mentions = sum(cell.extraction.named for cell in here)
        counts = {name: sum(name in cell.extraction.named_too for cell in here) for name in competitors}
        ahead = sorted((name for name in competitors if counts[name] > mentions), key=lambda name: -counts[name])
        keys = [cell.key for cell in here]
        finding = Finding(question=question, text=text, mentions=mentions, answers=len(here), ahead=ahead, cells=keys)
        if ahead or not mentions:
            result.gaps.append(finding)
        elif 2 * mentions >= len(here):
            result.strengths.append(finding)
    return result


def ratio(part: int, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), DIGITS) if values else None
