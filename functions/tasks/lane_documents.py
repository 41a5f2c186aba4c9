"""Lanes as they are on the wire."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from longhaul.http import Timestamp
from longhaul.tasks.lanes.steering import LaneView

MOST_CONCURRENT, MOST_WEIGHTS = 1_000, 100
MOST_QUEUED = 20_000  # all of them are ranked each time that one is started

TenantId = Annotated[str, Field(min_length=1, max_length=64)]
Weight = Annotated[int, Field(ge=1, le=100)]


class LaneRequest(BaseModel):
    """What is to be different about a lane; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"max_concurrent": 10, "weights": {"acme": 3}}]}
    )

    max_concurrent: int | None = Field(None, ge=1, le=MOST_CONCURRENT, description="How many may run at once.")
    max_queued: int | None = Field(None, ge=0, le=MOST_QUEUED, description="How many may wait.")
    paused: bool | None = Field(None, description="Nothing more is started; what runs goes on.")
    weights: dict[TenantId, Weight] | None = Field(
        None,
        min_length=1,
        max_length=MOST_WEIGHTS,
        description="How often a tenant's turn comes, against 1 for those that have no weight. Others' stay.",
    )

    @model_validator(mode="after")
    def something_changes(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("max_concurrent, max_queued, paused or weights should be given")
        return self


class YourShare(BaseModel):
    """Of the caller's own tasks, how many wait and run."""

    waiting: int
    running: int


class LaneDocument(BaseModel):
    """A lane: how many tasks of a kind wait and run, and how many may."""

    kind: str = Field(examples=["hospital_province_refresh"])
    waiting: int = Field(description="PENDING tasks of all tenants, those that may start only later among them.")
    running: int
    max_concurrent: int
    max_queued: int
    paused: bool
    oldest_waiting_at: Timestamp | None = Field(
        None, description="Since when the first of those that wait could have been started."
    )
    oldest_waiting_seconds: int | None = Field(None, examples=[42])
    yours: YourShare
    weights: dict[str, int] | None = Field(
        None, description="The tenants whose turn comes more often than once; told to operators (scope `ops`)."
    )


class Lanes(BaseModel):
    """The lanes of all kinds, by name."""

    items: list[LaneDocument]


def lane_document(view: LaneView, *, for_operators: bool) -> LaneDocument:
    return LaneDocument(
        kind=view.lane.kind,
        waiting=view.waiting,
        running=view.running,
        max_concurrent=view.lane.max_concurrent,
        max_queued=view.lane.max_queued,
        paused=view.lane.paused,
        oldest_waiting_at=view.oldest_at,
        oldest_waiting_seconds=view.oldest_seconds,
        yours=YourShare(waiting=view.yours_waiting, running=view.yours_running),
        weights=dict(view.weights) if for_operators else None,
    )
