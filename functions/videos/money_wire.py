"""What videos cost, on the wire: estimates, budgets and what is spent of them. In yuan."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from longhaul.validation import Cost
from longhaul.workloads.budgets import Spending
from videos.model import Video

Price = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str)]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class VideoEstimate(_View):
    """What a video would cost: its frames and clips. The language model's share is small, and not in it."""

    scenes: int = Field(examples=[6])
    seconds: int = Field(description="Of the film, in whole scenes.", examples=[30])
    cost: Price = Field(description="In yuan.", examples=["18.84"])
    cost_of_a_scene: Price = Field(examples=["3.14"])
    within_budget: bool = Field(description="Whether max_cost allows it; true without one.")


class VideoBudget(BaseModel):
    """Another budget."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [{"max_cost": "120"}]})

    max_cost: Cost | None = Field(
        description="What the task may cost at most, with what is spent; null: without limit."
    )


class SpendingView(_View):
    """A task's budget as it is now, and what is spent of it. What is reserved is for jobs that are under way."""

    max_cost: Cost | None = Field(description="Null: without limit.", examples=["50"])
    cost: Price = Field(description="With the language model's share.", examples=["18.84"])
    reserved_cost: Price = Field(examples=["3.00"])


def estimate(video: Video) -> VideoEstimate:
    return VideoEstimate(
        scenes=video.scenes,
        seconds=video.scenes * video.scene_seconds,
        cost=video.cost,
        cost_of_a_scene=video.scene_price,
        within_budget=video.max_cost is None or video.cost <= video.max_cost,
    )


def spending_view(spending: Spending) -> SpendingView:
    return SpendingView(max_cost=spending.max_cost, cost=spending.spent, reserved_cost=spending.reserved)
