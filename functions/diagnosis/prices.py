"""What a request may come to at worst, and a diagnosis is likely to: tokens and money, before anything is asked."""

from dataclasses import dataclass
from decimal import Decimal

from diagnosis import extraction
from diagnosis.model import Cell, Diagnosis
from diagnosis.prompts import render, system
from longhaul.settings import Model

MILLION = 1_000_000

MOST_ANSWER_TOKENS = 4_096  # what a model may say to a question; it is told so
MOST_READING_TOKENS = 1_024  # and of an answer it reads
REPAIR_TOKENS = 1_000  # more than the complaint about an answer that breaks its schema

LIKELY_ANSWER_TOKENS = 600
LIKELY_READING_TOKENS = 150
CALLS = 2  # a cell: the question, and the reading of its answer


@dataclass(frozen=True)
class Sum:
    """Tokens and money, in the currency of the models' prices."""

    tokens: int
    cost: Decimal

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.tokens + other.tokens, self.cost + other.cost)


NOTHING = Sum(0, Decimal(0))


@dataclass(frozen=True)
class Expected:
    """What a model's column is likely to take: calls, tokens, money; `most`: the money at worst."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    most: Decimal


def question_prompt(asked: Diagnosis, cell: Cell) -> str:
    told = {"question": cell.text, "language": asked.language}
    return render("question", told, words=cell.text, language=asked.language)


def most_of_question(model: Model, prompt: str) -> Sum:
    """A token is one byte at least, so there are no more of them than bytes."""
    return _priced(model, len(prompt.encode("utf-8", "replace")), MOST_ANSWER_TOKENS)


def most_of_reading(model: Model, prompt: str) -> Sum:
    """With the repair, whose prompt repeats the first and the answer that was wrong."""
    once = len((system() + prompt).encode("utf-8", "replace"))
    return _priced(model, 2 * once + MOST_READING_TOKENS + REPAIR_TOKENS, 2 * MOST_READING_TOKENS)


def expected(asked: Diagnosis, model: Model) -> Expected:
    """Of a model's column: answers of an ordinary length, each read once."""
    prompts = [question_prompt(asked, cell) for cell in asked.cells() if cell.model == model.name]
    overhead = likely_tokens(system() + extraction.prompt_for(asked, ""))
    prompt_tokens = sum(likely_tokens(prompt) + overhead + LIKELY_ANSWER_TOKENS for prompt in prompts)
    completion_tokens = len(prompts) * (LIKELY_ANSWER_TOKENS + LIKELY_READING_TOKENS)
    longest = extraction.prompt_for(asked, "字" * extraction.READ_CHARACTERS)
    most = sum((most_of_question(model, prompt) + most_of_reading(model, longest) for prompt in prompts), NOTHING)
    cost = _priced(model, prompt_tokens, completion_tokens).cost
    return Expected(CALLS * len(prompts), prompt_tokens, completion_tokens, cost, most.cost)


def likely_tokens(text: str) -> int:
    """A character of most scripts is about one token, four letters of the Latin alphabet are."""
    latin = sum(character.isascii() for character in text)
    return len(text) - latin + -(-latin // 4)


def _priced(model: Model, prompt_tokens: int, completion_tokens: int) -> Sum:
    cost = (prompt_tokens * model.prompt_price + completion_tokens * model.completion_price) / MILLION
    return Sum(prompt_tokens + completion_tokens, cost)
