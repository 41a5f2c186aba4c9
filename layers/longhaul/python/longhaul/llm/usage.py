"""The usage of a consultation: requests, tokens, money and time, with the answers that were thrown away."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul.observability import logger, metrics, metrics_of
from longhaul.settings import Model

MILLION = 1_000_000
MAX_TOKENS = 10**9  # of one answer; a provider that counts more is not believed


@dataclass(frozen=True)
class Usage:
    """All requests of one consultation. `cost` is in the currency of the model's prices, `seconds` the time waited.

    A request without an answer counts no tokens: its provider does not say. `estimated`: an answer came without its
    count of tokens, which were then taken to be as many as its characters.
    """

    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    estimated: bool = False


@dataclass(frozen=True)
class Reply[A]:
    """An answer (a Pydantic model, or text) and its usage."""

    answer: A
    usage: Usage


@dataclass
class Meter:
    """Adds up one consultation, and writes each answer to the log and the metrics."""

    model: Model
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = field(default=False)
    forms_refused: int = 0  # requests of a form that the endpoint does not take
    garbled: int = 0  # answers that were no chat completion

    def failed(self, seconds: float, reason: str) -> None:
        """A request without an answer."""
        self._count(seconds)
        logger.warning("the model did not answer", extra={"model": self.model.name, "reason": reason})
        with metrics_of(model=self.model.name) as of_model:
            of_model.add_metric("LlmFailures", MetricUnit.Count, 1)

    def answered(self, seconds: float, reported: object, prompt_characters: int, answer_characters: int) -> None:
        """An answer. `reported` is the provider's `usage`; the characters stand in for a count that it lacks."""
        self._count(seconds)
        tokens = _tokens(reported)
        self.estimated = self.estimated or tokens is None
        prompt, completion = tokens or (prompt_characters, answer_characters)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        cost = cost_of(self.model, prompt, completion)
        logger.info(
            "the model answered",
            extra={
                "model": self.model.name,
                "seconds": round(seconds, 3),
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "cost": str(cost),
            },
        )
        with metrics_of(model=self.model.name) as of_model:
            of_model.add_metric("LlmAnswers", MetricUnit.Count, 1)
            of_model.add_metric("LlmSeconds", MetricUnit.Seconds, seconds)
            of_model.add_metric("LlmPromptTokens", MetricUnit.Count, prompt)
            of_model.add_metric("LlmCompletionTokens", MetricUnit.Count, completion)
            of_model.add_metric("LlmCost", MetricUnit.NoUnit, float(cost))
        metrics.add_metric("LlmSpent", MetricUnit.NoUnit, float(cost))  # of all models together, for an alarm

    def usage(self) -> Usage:
        cost = cost_of(self.model, self.prompt_tokens, self.completion_tokens)
        return Usage(
            model=self.model.name,
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost=cost,
            seconds=self.seconds,
            estimated=self.estimated,
        )

    def _count(self, seconds: float) -> None:
        self.requests += 1
        self.seconds += seconds


def charge[E: BaseException](error: E, usage: Usage) -> E:
    """The error, with the usage before it for `spent`."""
    error.__dict__["llm_usage"] = usage
    return error


def spent(error: BaseException) -> Usage | None:
    """The usage of the consultation that ended with this error; None when no consultation raised it."""
    usage: Usage | None = error.__dict__.get("llm_usage")
    return usage


def cost_of(model: Model, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """In the currency of the model's prices."""
    return (prompt_tokens * model.prompt_price + completion_tokens * model.completion_price) / MILLION


def _tokens(reported: Any) -> tuple[int, int] | None:
    """The tokens of prompt and answer in a provider's `usage`; None when it holds no such counts."""
    if not isinstance(reported, dict):
        return None
    counts = reported.get("prompt_tokens"), reported.get("completion_tokens")
    if any(type(count) is not int or not 0 <= count <= MAX_TOKENS for count in counts):
        return None
    return counts  # type: ignore[return-value]
