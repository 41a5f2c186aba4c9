"""Fan-out with a language model and a budget: rates each review of a list, until the money is spent.

It shows
- a stage of many items, ten at once, each answered by a model in the shape of a Pydantic model;
- `budget`: what the task's requests may cost. The step that would pass it fails with `budget_reached`, and sends no
  request. The budget holds for requests at the same time too, and for those whose worker died;
- `tolerate=1.0`: what the budget allowed is a result. The task SUCCEEDS, and its result says how much is missing.

Try it: copy the file to functions/workloads, run `make up`, then

    longhaul submit rate_reviews 'reviews:=["Great bread.", "Cold soup."]' model=deepseek max_cost=0.05 --watch

`model` is a name in AI_MODELS: only there do models have prices.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from longhaul.workloads import Item, StepContext, TaskContext, Workload


class Reviews(BaseModel):
    """What a caller submits; `max_cost` is in the currency of the model's prices."""

    reviews: list[str] = Field(min_length=1, max_length=100_000)
    model: str = Field(min_length=1, max_length=64)
    max_cost: Decimal = Field(gt=0, le=1_000)


class Rating(BaseModel):
    """What the model answers."""

    stars: int = Field(ge=1, le=5, description="1: bad, 5: very good")
    reason: str = Field(max_length=200)


workload = Workload(
    "rate_reviews",
    params=Reviews,
    title=lambda params: f"{len(params.reviews)} reviews",
    in_flight=10,
    tolerate=1.0,
    budget=lambda params: params.max_cost,
)


@workload.stage
def reviews(task: TaskContext[Reviews]) -> Iterable[Item]:
    for number, text in enumerate(task.params.reviews):
        yield Item(f"review/{number:06d}", label=text[:40] or "(empty)", input={"text": text})


@reviews.step(timeout=120)
def rate(step: StepContext[Reviews]) -> Rating:
    prompt = f"Rate this review of a restaurant, and say why in one sentence.\n\n{step.input['text']}"
    return step.llm.ask(prompt, Rating, model=step.params.model, max_tokens=200)


@workload.result
def result(task: TaskContext[Reviews]) -> dict[str, Any]:
    stars = [done.output["stars"] for done in task.outputs(reviews) if done.output]
    return {
        "rated": len(stars),
        "not_rated": len(task.params.reviews) - len(stars),
        "mean": round(sum(stars) / len(stars), 2) if stars else None,
    }
