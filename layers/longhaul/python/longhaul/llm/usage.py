"""What a consultation took: requests, tokens, money and time, of answers that were thrown away as well."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul.observability import logger, metrics_of
from longhaul.settings import Model

MILLION = 1_000_000
MOST_TOKENS = 10**9  # of one answer; more is no count


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all requests of one consultation. `cost` is in the currency of the model's prices.

    What a provider counts of an answer that never came is not known, and not in it. `estimated`: an answer came without
    its count of tokens, and they were taken to be as many as its characters.
    """

    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Reply[A]:
    """An answer (a Pydantic model, or text), and what it took."""

    answer: A
    usage: Usage


@dataclass
class Meter:
    """Adds up one consultation, and tells the log and the metrics of each of its answers."""

    model: Model
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = field(default=False)

    def failed(self, seconds: float, reason: str) -> None:
        """A request that brought no answer."""
        self._count(seconds)
        logger.warning("the model did not answer", extra={"model": self.model.name, "reason": reason})
        with metrics_of(model=self.model.name) as metrics:
            metrics.add_metric("LlmFailures", MetricUnit.Count, 1)

    def answered(self, seconds: float, told: object, asked: int, said: int) -> None:
        """An answer with the usage the provider `told`; `asked` and `said` are the characters of both sides."""
        self._count(seconds)
        tokens = _tokens(told)
        self.estimated = self.estimated or tokens is None
        prompt, completion = tokens or (asked, said)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        cost = _cost(self.model, prompt, completion)
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
        with metrics_of(model=self.model.name) as metrics:
            metrics.add_metric("LlmAnswers", MetricUnit.Count, 1)
            metrics.add_metric("LlmSeconds", MetricUnit.Seconds, seconds)
            metrics.add_metric("LlmPromptTokens", MetricUnit.Count, prompt)
            metrics.add_metric("LlmCompletionTokens", MetricUnit.Count, completion)
            metrics.add_metric("LlmCost", MetricUnit.NoUnit, float(cost))

    def usage(self) -> Usage:
        cost = _cost(self.model, self.prompt_tokens, self.completion_tokens)
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


def charge(error: BaseException, usage: Usage) -> None:
    """Say on an error what was spent before it was raised."""
    error.__dict__["llm_usage"] = usage


def spent(error: BaseException) -> Usage | None:
    """What a consultation took that ended with this error; None when it is none's."""
    usage: Usage | None = error.__dict__.get("llm_usage")
    return usage


def _cost(model: Model, prompt_tokens: int, completion_tokens: int) -> Decimal:
    return (prompt_tokens * model.prompt_price + completion_tokens * model.completion_price) / MILLION


def _tokens(told: Any) -> tuple[int, int] | None:
    """The tokens a provider counted, when it did and they can be counts."""
    if not isinstance(told, dict):
        return None
    counts = told.get("prompt_tokens"), told.get("completion_tokens")
    if any(type(count) is not int or not 0 <= count <= MOST_TOKENS for count in counts):
        return None
    return counts  # type: ignore[return-value]
