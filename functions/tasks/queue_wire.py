"""Lanes as they are on the wire."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from longhaul.http import Timestamp
from longhaul.tasks.lanes import LaneView
from longhaul.validation import TenantId

MAX_CONCURRENT, MAX_WEIGHTS = 1_000, 100
MAX_QUEUED = 20_000  # all of them are ranked each time that one is started
MAX_SCHEDULED = 100_000

Weight = Annotated[StrictInt, Field(ge=1, le=100)]


class LaneRequest(BaseModel):
    """What is to be different about a lane; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"max_concurrent": 10, "weights": {"acme": 3}}]}
    )

    max_concurrent: StrictInt | None = Field(None, ge=1, le=MAX_CONCURRENT, description="How many may run at once.")
    max_queued: StrictInt | None = Field(None, ge=0, le=MAX_QUEUED, description="How many may wait that are due.")
    max_scheduled: StrictInt | None = Field(
        None, ge=0, le=MAX_SCHEDULED, description="How many of each tenant may wait for a later start."
    )
    paused: StrictBool | None = Field(None, description="Nothing more is started; what runs goes on.")
    weights: dict[TenantId, Weight] | None = Field(
        None,
        min_length=1,
        max_length=MAX_WEIGHTS,
        description="How often a tenant's turn comes, against 1 for those that have no weight. Others' stay.",
    )

    @model_validator(mode="after")
    def something_changes(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("max_concurrent, max_queued, max_scheduled, paused or weights should be given")
        return self


class YourShare(BaseModel):
    """Of the caller's own tasks, how many wait, are to start later, and run."""

    waiting: int
    scheduled: int
    running: int


class LaneDocument(BaseModel):
    """A lane: how many tasks of a kind wait and run, and how many may."""

    kind: str = Field(examples=["hospital_province_refresh"])
    waiting: int = Field(description="PENDING tasks of all tenants that may start now.")
    scheduled: int = Field(description="PENDING tasks of all tenants that may start only later.")
    running: int
    max_concurrent: int
    max_queued: int = Field(description="How many may wait that are due.")
    max_scheduled: int = Field(description="How many of each tenant may wait for a later start.")
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
        scheduled=view.scheduled,
        running=view.running,
        max_concurrent=view.lane.max_concurrent,
        max_queued=view.lane.max_queued,
        max_scheduled=view.lane.max_scheduled,
        paused=view.lane.paused,
        oldest_waiting_at=view.oldest_at,
        oldest_waiting_seconds=view.oldest_seconds,
        yours=YourShare(waiting=view.yours_waiting, scheduled=view.yours_scheduled, running=view.yours_running),
        weights=dict(view.weights) if for_operators else None,
    )
