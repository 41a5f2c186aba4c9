"""The budget of a diagnosis. Each request's worst case is reserved before it is sent, and settled after.

A reservation is committed before it is held against the budget with all others, so of requests sent at once the last
sees the rest, and they cannot pass the budget together. Two may refuse each other, and are tried again. No row is
locked. Without a budget nothing is reserved. A worker that was killed leaves its reservation to the next run of its
cell, which counts it as spent: the request may have been answered.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal

from diagnosis import extraction, store
from diagnosis.extraction import Reading
from diagnosis.model import NOTHING, BudgetReached, Cell, Diagnosis, Sum
from diagnosis.store import Standing
from longhaul import database, llm
from longhaul.errors import DatabaseUnavailable, LonghaulError, ProviderThrottled
from longhaul.llm import prompts
from longhaul.settings import Model

MILLION = 1_000_000
WAIT_SECONDS = 5.0  # for other requests' reservations

MAX_ANSWER_TOKENS = 4_096  # of an answer to a question; the request states it
MAX_READING_TOKENS = 1_024  # of the reading of an answer; the request states it

LIKELY_ANSWER_TOKENS = 600
LIKELY_READING_TOKENS = 150
CALLS = 2  # a cell: the question, and the reading of its answer

_prompts = prompts.load(__file__)


@dataclass(frozen=True)
class Estimate:
    """What a model's column is likely to take, with answers of an ordinary length; `max_cost` is the worst case."""

    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    max_cost: Decimal


def reserve(task_id: str, key: str, worst: Sum) -> None:
    """Reserves a request's worst case, and checks it. Raises as `check`."""
    with _taken_back(task_id, key, worst):
        database.run_statement(lambda session: store.reserve(session, task_id, key, worst))
    check(task_id, key, worst)


def check(task_id: str, key: str, worst: Sum) -> str | None:
    """Holds what the cell has just reserved against the budget, and takes it back when it is too much.

    Returns the cell's stored answer. Raises

    - BudgetReached: the request could pass what is left.
    - ProviderThrottled: so it could, but other requests under way, reserved at their worst, may leave enough.
    """
    with _taken_back(task_id, key, worst):
        with database.connection() as session:
            standing = store.fetch_standing(session, task_id, key)
        if (refusal := _refusal(standing, worst)) is not None:
            database.run_statement(lambda session: store.withdraw(session, task_id, key, worst))
    if refusal is not None:
        raise refusal
    return standing.answer


@contextmanager
def _taken_back(task_id: str, key: str, worst: Sum) -> Iterator[None]:
    """Takes back what is reserved for a request that is not sent, if the database answers: it would count as spent."""
    try:
        yield
    except DatabaseUnavailable:
        with suppress(DatabaseUnavailable):
            database.run_statement(lambda session: store.withdraw(session, task_id, key, worst))
        raise


def _refusal(standing: Standing, worst: Sum) -> LonghaulError | None:
    budget, spent, reserved = standing.budget, standing.costs.spent, standing.costs.reserved
    if budget.allows(spent + reserved):
        return None
    if reserved.tokens > worst.tokens and budget.allows(spent + worst):
        return ProviderThrottled("other requests hold what is left of the budget", retry_after=WAIT_SECONDS)
    return BudgetReached(
        f"the next request may take {worst.tokens} tokens and cost {worst.cost:.4f};"
        f" {spent.tokens} tokens and {spent.cost:.4f} are spent"
    )


def question_prompt(params: Diagnosis, cell: Cell) -> str:
    request = {"question": cell.text, "language": params.language}
    return _prompts.render("question", request, words=cell.text, language=params.language)


def worst_question(model: Model, prompt: str) -> Sum:
    """The worst case of a question: a token is one byte at least, so there are no more of them than bytes."""
    return _priced(model, len(prompt.encode("utf-8", "replace")), MAX_ANSWER_TOKENS)


def worst_reading(model: Model, prompt: str) -> Sum:
    """The worst case of a reading, with its repair."""
    return Sum(*llm.worst_case(model, prompt, Reading, system=_prompts.system(), max_tokens=MAX_READING_TOKENS))


def estimate(params: Diagnosis, models: Sequence[Model]) -> list[Estimate]:
    """An estimate for each model."""
    return [_estimate(params, model) for model in models]


def _estimate(params: Diagnosis, model: Model) -> Estimate:
    questions = [question_prompt(params, cell) for cell in params.cells() if cell.model == model.name]
    overhead = likely_tokens(_prompts.system() + extraction.prompt_for(params, ""))
    prompt_tokens = sum(likely_tokens(prompt) + overhead + LIKELY_ANSWER_TOKENS for prompt in questions)
    completion_tokens = len(questions) * (LIKELY_ANSWER_TOKENS + LIKELY_READING_TOKENS)
    longest = extraction.prompt_for(params, "字" * extraction.READ_CHARACTERS)
    worst = sum((worst_question(model, prompt) + worst_reading(model, longest) for prompt in questions), NOTHING)
    cost = _priced(model, prompt_tokens, completion_tokens).cost
    return Estimate(model.name, CALLS * len(questions), prompt_tokens, completion_tokens, cost, worst.cost)


def likely_tokens(text: str) -> int:
    """A character of most scripts is about one token; of the Latin alphabet four letters are."""
    latin = sum(character.isascii() for character in text)
    return len(text) - latin + -(-latin // 4)


def _priced(model: Model, prompt_tokens: int, completion_tokens: int) -> Sum:
    cost = (prompt_tokens * model.prompt_price + completion_tokens * model.completion_price) / MILLION
    return Sum(prompt_tokens + completion_tokens, cost)
