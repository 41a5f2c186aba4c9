"""What an answer says of a brand: read by a language model, with plain text as the check on who is named.

Of who is named the text has the last word: a model that reads may be led by what it reads. Where the two disagree on
the brand the extraction says so (`disputed`); where the model's rank does not fit those named, the text's order counts.
"""

from pydantic import BaseModel, ConfigDict, Field

from diagnosis.matching import found_in
from diagnosis.model import Diagnosis
from diagnosis.prompts import render

READ_CHARACTERS = 12_000  # of an answer are shown to the reading model; the matching sees all of it
MOST_LISTED = 50


class Reading(BaseModel):
    """What the reading model is to answer."""

    model_config = ConfigDict(extra="forbid")

    named: bool
    rank: int | None = Field(ge=1, le=1_000)
    sentiment: float | None = Field(ge=-1, le=1)
    competitors: list[str] = Field(max_length=500)
    sources: list[str] = Field(max_length=500)


class Extraction(BaseModel):
    """What is known of an answer. `named_too` are those of the competitors, `others` brands that nobody asked about."""

    model_config = ConfigDict(frozen=True)

    named: bool
    rank: int | None = Field(description="The brand's place among those named, from 1; null when it is not named.")
    sentiment: float | None = Field(description="-1 to 1, towards the brand; null when it is not named.")
    named_too: list[str] = Field(description="Those of the competitors that are named.")
    others: list[str] = Field(description="Other brands, as the reading model names them.")
    sources: list[str] = Field(description="Sources that the answer cites.")
    disputed: bool = Field(description="The reading model says otherwise of `named`; the text decides.")


def prompt_for(asked: Diagnosis, answer: str) -> str:
    """The answer stands in it as a JSON text: what it says cannot end it."""
    told = {"brand": asked.brand, "competitors": asked.competitors, "answer": answer[:READ_CHARACTERS]}
    return render("extraction", told)


def checked(asked: Diagnosis, answer: str, reading: Reading) -> Extraction:
    order = found_in(answer, asked.names)
    named = asked.brand in order
    known = {*asked.names}
    others = [name[:200] for name in dict.fromkeys(reading.competitors) if name and name not in known]
    return Extraction(
        named=named,
        rank=_rank(asked.brand, order, others, reading) if named else None,
        sentiment=reading.sentiment if named else None,
        named_too=[name for name in asked.competitors if name in order],
        others=others[:MOST_LISTED],
        sources=[source[:500] for source in dict.fromkeys(reading.sources) if source][:MOST_LISTED],
        disputed=reading.named != named,
    )


def _rank(brand: str, order: list[str], others: list[str], reading: Reading) -> int:
    told = reading.rank if reading.named else None
    return told if told is not None and told <= len(order) + len(others) else order.index(brand) + 1
