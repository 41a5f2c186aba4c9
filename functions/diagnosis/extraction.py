"""Reads what an answer says of a brand: a language model reads it, plain matching of its text decides who is named.

A model that reads may be led by what it reads; matching knows no meaning and cannot be talked into anything. When the
two disagree on the brand, the extraction is `disputed`. When the model's rank does not fit the names, their order in
the text counts.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from diagnosis.model import Diagnosis, Extraction, folded
from longhaul.llm import prompts

READ_CHARACTERS = 12_000  # of an answer are in the reading model's prompt; the matching sees all of it
MAX_LISTED = 50

_prompts = prompts.load(__file__)


class Reading(BaseModel):
    """The answer of the reading model."""

    model_config = ConfigDict(extra="forbid")

    named: bool
    rank: int | None = Field(ge=1, le=1_000)
    sentiment: float | None = Field(ge=-1, le=1)
    competitors: list[str] = Field(max_length=500)
    sources: list[str] = Field(max_length=500)


def prompt_for(params: Diagnosis, answer: str) -> str:
    """The reading model's prompt. The answer is a JSON text in it, so that no answer can end it."""
    request = {"brand": params.brand, "competitors": params.competitors, "answer": answer[:READ_CHARACTERS]}
    return _prompts.render("extraction", request)


def checked(params: Diagnosis, answer: str, reading: Reading) -> Extraction:
    """The extraction from the answer's text and its reading."""
    order = found_in(answer, params.names)
    named = params.brand in order
    known = {*params.names}
    others = [name[:200] for name in dict.fromkeys(reading.competitors) if name and name not in known]
    return Extraction(
        named=named,
        rank=_rank(params.brand, order, others, reading) if named else None,
        sentiment=reading.sentiment if named else None,
        named_too=[name for name in params.competitors if name in order],
        others=others[:MAX_LISTED],
        sources=[source[:500] for source in dict.fromkeys(reading.sources) if source][:MAX_LISTED],
        disputed=reading.named != named,
    )


def found_in(text: str, names: Sequence[str]) -> list[str]:
    """The names that are in the text, by their first places in it.

    Width and case do not matter. A name that begins or ends with a letter or digit of the Latin alphabet is not found
    inside a longer word (Li not in Like); other scripts put no spaces between words. A name that is only inside longer
    ones of the names (小鹏 in 小鹏汇天) is not found.
    """
    folded_text = folded(text)
    places: dict[str, int] = {}
    taken: list[tuple[int, int]] = []
    for name in sorted(names, key=lambda name: len(folded(name)), reverse=True):
        spans = [match.span() for match in re.finditer(_pattern(folded(name)), folded_text)]
        own = [span for span in spans if not any(start <= span[0] and span[1] <= end for start, end in taken)]
        if own:
            places[name] = own[0][0]
            taken += own
    return sorted(places, key=lambda name: places[name])


def _rank(brand: str, order: list[str], others: list[str], reading: Reading) -> int:
    rank = reading.rank if reading.named else None
    return rank if rank is not None and rank <= len(order) + len(others) else order.index(brand) + 1


def _pattern(name: str) -> str:
    before = r"(?<![a-z0-9])" if _latin(name[:1]) else ""
    after = r"(?![a-z0-9])" if _latin(name[-1:]) else ""
    return f"{before}{re.escape(name)}{after}"


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
