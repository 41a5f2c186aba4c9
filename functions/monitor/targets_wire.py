"""How the deployment is held against its targets: how it is asked, and what it answers."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from longhaul.http import Timestamp
from longhaul.tasks.rollups import DAY, HOUR
from longhaul.timing import Group
from monitor.latencies import Latencies, Latency
from monitor.window_wire import Number, Percent
from monitor.windows import MAX_WINDOW, minutes_of
from monitor.wire import View

type Milliseconds = Annotated[float, Field(gt=0, le=100_000_000)]


def _bounded(window: str) -> str:
    if not HOUR <= minutes_of(window) <= MAX_WINDOW:
        raise ValueError(f"a window is 1h to {MAX_WINDOW // DAY}d long")
    return window


class TargetsQuery(BaseModel):
    """A window, and the targets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[mhd]$"), AfterValidator(_bounded)] = Field(
        "24h",
        description="How long it is, until now: 1h to 90d. It is widened to whole hours up to 24h, else to whole days.",
        examples=["24h"],
    )
    api_p95_ms: Milliseconds = Field(200, description="95 % of the requests are answered in this time.")
    database_p95_ms: Milliseconds = Field(100, description="95 % of the statements end in this time.")
    min_hit_rate: Percent = Field(60, description="Per cent of the readings of the cache that should be hits.")
    max_error_rate: Percent = Field(1, description="Per cent of the requests that may be answered 5xx.")
    min_count: Number = Field(20, description="A target is judged where so much was measured.")

    @property
    def minutes(self) -> int:
        return minutes_of(self.window)


class Target(View):
    """One target, and what was measured."""

    name: str = Field(examples=["api_p95"])
    unit: str = Field(examples=["ms"])
    target: float = Field(description="At most; of the hit rate at least.")
    value: float | None = Field(description="Null when nothing was measured.")
    count: int = Field(description="How much was measured.")
    met: bool | None = Field(description="Null when too little was measured to say (`min_count`).")


class LatencyDocument(View):
    """How long a route or a statement took."""

    name: str = Field(examples=["GET /api/v1/tasks/{task_id}"])
    count: int
    p50_ms: float | None = Field(description="At most 19 % off, as p95 is.")
    p95_ms: float | None
    errors: int = Field(description="Answers that were 5xx.")


class Targets(View):
    """The targets, and what they are measured by."""

    as_of: Timestamp = Field(description="When it was read; an answer is cached for a minute.")
    since: Timestamp
    until: Timestamp
    resolution_seconds: int = Field(
        description="The window is widened to whole spans of this many seconds.", examples=[3600]
    )
    targets: list[Target]
    routes: list[LatencyDocument] = Field(description="Time in the function, without requests that were to wait.")
    statements: list[LatencyDocument]


def targets_of(found: Latencies, query: TargetsQuery) -> Iterator[Target]:
    routes, statements = found.all_of(Group.routes), found.all_of(Group.statements)
    hits, readings = found.cached()
    for name, unit, target, value, count in (
        ("api_p95", "ms", query.api_p95_ms, _ms(routes.p95), routes.count),
        ("database_p95", "ms", query.database_p95_ms, _ms(statements.p95), statements.count),
        ("cache_hit_rate", "%", query.min_hit_rate, _percent(hits, readings), readings),
        ("error_rate", "%", query.max_error_rate, _percent(routes.errors, routes.count), routes.count),
    ):
        met = None
        if value is not None and count >= query.min_count:
            met = value >= target if name == "cache_hit_rate" else value <= target
        yield Target(name=name, unit=unit, target=target, value=value, count=count, met=met)


def latency_document(of: Latency) -> LatencyDocument:
    return LatencyDocument(name=of.name, count=of.count, p50_ms=_ms(of.p50), p95_ms=_ms(of.p95), errors=of.errors)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 3) if whole else None
