"""A diagnosis: its params, the cells of its questions and models, and what becomes of a cell."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict

from longhaul.errors import PermanentError
from longhaul.validation import Cost

MAX_QUESTIONS = 50
MAX_MODELS = 10
MAX_COMPETITORS = 10

INIT, FETCHING, ANALYZING, COMPLETED = "init", "ai_fetching", "analyzing", "completed"  # the stages
PLAN, REPORT = "plan", "report"  # the keys of the first step and the last
PLANNING, REPORTING = "正在规划提问", "正在生成诊断报告"  # their labels


def folded(text: str) -> str:
    """The text in lower case and normal width: texts that read alike are equal."""
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


@dataclass(frozen=True)
class Sum:
    """Tokens and money, in the currency of the models' prices."""

    tokens: int
    cost: Decimal

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.tokens + other.tokens, self.cost + other.cost)


NOTHING = Sum(0, Decimal(0))


class Budget(BaseModel):
    """What a diagnosis may spend; None is without limit. The cost is in the currency of the models' prices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_cost: Cost | None = Field(
        default=None, description="In the currency of the models' prices; null is without limit.", examples=[2.5]
    )
    max_tokens: StrictInt | None = Field(
        default=None, ge=1, le=10_000_000_000, description="Of prompts and answers together.", examples=[200_000]
    )

    @property
    def unlimited(self) -> bool:
        return self.max_cost is None and self.max_tokens is None

    def allows(self, spent: Sum) -> bool:
        """Whether so much may be spent in all."""
        return (self.max_cost is None or spent.cost <= self.max_cost) and (
            self.max_tokens is None or spent.tokens <= self.max_tokens
        )


class BudgetRequest(Budget):
    """What is to be different about the budget: what is left out stays, null is without limit."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"max_cost": 5, "max_tokens": 400_000}]})

    @model_validator(mode="after")
    def something_changes(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("max_cost or max_tokens should be given")
        return self

    def values(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


EXAMPLE: JsonDict = {
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
    competitors: Annotated[list[Name], Field(max_length=MAX_COMPETITORS), AfterValidator(_distinct)] = Field(
        default=[], examples=[["小鹏", "理想"]]
    )
    questions: Annotated[list[Question], Field(min_length=1, max_length=MAX_QUESTIONS), AfterValidator(_distinct)] = (
        Field(examples=[["20 万元买什么电动车好？"]])
    )
    models: Annotated[list[ModelName], Field(min_length=1, max_length=MAX_MODELS), AfterValidator(_distinct)] = Field(
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
        """The brand and its competitors."""
        return [self.brand, *self.competitors]

    def cells(self) -> "list[Cell]":
        """All cells, question by question."""
        numbered = enumerate(self.questions, 1)
        return [Cell(question_key(number), text, model) for number, text in numbered for model in self.models]

    def cell(self, key: str) -> "Cell | None":
        return next((cell for cell in self.cells() if cell.key == key), None)


def question_key(number: int) -> str:
    return f"q{number:02}"


@dataclass(frozen=True)
class Cell:
    """A question to a model. `question` is the question's key (q07), `text` its words."""

    question: str
    text: str
    model: str

    @property
    def key(self) -> str:
        """q07/deepseek, the key of its step too."""
        return f"{self.question}/{self.model}"

    @property
    def label(self) -> str:
        return f"{self.model} · {self.question} {self.text}"[:200]


def common_cells(old: Diagnosis, new: Diagnosis) -> Sequence[str]:
    """The keys of the cells that both diagnoses ask and read in the same way: their answers may be taken over."""
    if (old.brand, old.competitors, old.language) != (new.brand, new.competitors, new.language):
        return []
    old_cells = set(old.cells())
    return [cell.key for cell in new.cells() if cell in old_cells]


class CellState(StrEnum):
    waiting = "waiting"
    answered = "answered"
    failed = "failed"
    skipped = "skipped"


class ModelLeftAlone(PermanentError):
    """The model keeps failing and is left alone for a while."""

    code = "model_left_alone"


class BudgetReached(PermanentError):
    """The next request could pass the budget."""

    code = "budget_reached"


SKIPPED = frozenset({ModelLeftAlone.code, BudgetReached.code})  # the codes of a skipped cell's step


class Extraction(BaseModel):
    """What an answer says. `named_too` are competitors, `others` brands that are neither the brand nor a competitor."""

    model_config = ConfigDict(frozen=True)

    named: bool
    rank: int | None = Field(description="The brand's place among those named, from 1; null when it is not named.")
    sentiment: float | None = Field(description="-1 to 1, towards the brand; null when it is not named.")
    named_too: list[str] = Field(description="Those of the competitors that are named.")
    others: list[str] = Field(description="Other brands, as the reading model names them.")
    sources: list[str] = Field(description="Sources that the answer cites.")
    disputed: bool = Field(description="The reading model says otherwise of `named`; the text decides.")
