"""What a diagnosis asks: its params, and the cells that its questions and models make."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

MOST_QUESTIONS = 50
MOST_MODELS = 10
MOST_COMPETITORS = 10

INIT, FETCHING, ANALYZING, COMPLETED = "init", "ai_fetching", "analyzing", "completed"  # the stages (seed 002)
PLAN, REPORT = "plan", "report"  # the keys of the first step and of the last


def folded(text: str) -> str:
    """A form in which what reads alike is alike: full-width letters, capitals."""
    return unicodedata.normalize("NFKC", text).casefold()


def _distinct(values: list[str]) -> list[str]:
    seen: set[str] = set()
    for value in values:
        if folded(value) in seen:
            raise ValueError(f"{value[:50]!r} stands there twice")
        seen.add(folded(value))
    return values


type Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
type Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
type ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Budget(BaseModel):
    """What a diagnosis may spend; None is without limit. The cost is in the currency of the models' prices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_cost: Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=14, decimal_places=8)] | None = Field(
        None, description="In the currency of the models' prices; null is without limit.", examples=[2.5]
    )
    max_tokens: int | None = Field(
        None, ge=1, le=10_000_000_000, description="Of prompts and answers together.", examples=[200_000]
    )

    @property
    def unlimited(self) -> bool:
        return self.max_cost is None and self.max_tokens is None


EXAMPLE = {
    "brand": "星野",
    "competitors": ["Lumo", "北辰"],
    "questions": ["20 万元买什么电动车好？", "哪个品牌的售后最省心？"],
    "models": ["deepseek", "qwen"],
    "max_cost": 2.5,
}


class Diagnosis(Budget):
    """What is asked of which models, and about whom."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    brand: Name = Field(examples=["蔚来"])
    competitors: Annotated[list[Name], Field(max_length=MOST_COMPETITORS), AfterValidator(_distinct)] = Field(
        default=[], examples=[["小鹏", "理想"]]
    )
    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_QUESTIONS), AfterValidator(_distinct)] = (
        Field(examples=[["20 万元买什么电动车好？"]])
    )
    models: Annotated[list[ModelName], Field(min_length=1, max_length=MOST_MODELS), AfterValidator(_distinct)] = Field(
        description="Names from the deployment's configuration.", examples=[["deepseek", "qwen"]]
    )
    language: str = Field(
        "zh", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", description="In which answers are to be (BCP 47)."
    )
    continues: str | None = Field(
        None, min_length=1, max_length=96, description="A diagnosis of yours whose answers are taken over."
    )

    @model_validator(mode="after")
    def brand_is_no_competitor(self) -> Self:
        if folded(self.brand) in map(folded, self.competitors):
            raise ValueError("the brand is among its competitors")
        return self

    @property
    def names(self) -> list[str]:
        """The brand, and those it is measured against."""
        return [self.brand, *self.competitors]

    def cells(self) -> "list[Cell]":
        """Question by question."""
        numbered = enumerate(self.questions, 1)
        return [Cell(question_key(number), text, model) for number, text in numbered for model in self.models]

    def cell(self, key: str) -> "Cell | None":
        return next((cell for cell in self.cells() if cell.key == key), None)


def question_key(number: int) -> str:
    return f"q{number:02}"


@dataclass(frozen=True)
class Cell:
    """A question to a model. `question` is its place (q07), `text` its words."""

    question: str
    text: str
    model: str

    @property
    def key(self) -> str:
        """Of its step too: q07/deepseek."""
        return f"{self.question}/{self.model}"

    @property
    def label(self) -> str:
        return f"{self.model} · {self.question} {self.text}"[:200]


def kept(old: Diagnosis, new: Diagnosis) -> Sequence[str]:
    """The keys of the cells whose answers may be taken over: asked and read in the same way."""
    if (old.brand, old.competitors, old.language) != (new.brand, new.competitors, new.language):
        return []
    asked = set(old.cells())
    return [cell.key for cell in new.cells() if cell in asked]
