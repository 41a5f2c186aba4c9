"""How the monitor is asked."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from longhaul.http import Moment
from longhaul.tasks.filtering import KindName
from longhaul.tasks.rollups import DAY
from longhaul.validation import NotEmpty
from monitor.assessment import HealthThresholds, KindThresholds
from monitor.windows import MAX_POINTS, MAX_WINDOW, MIN_WINDOW, STEPS, minutes_of

MAX_KINDS = 20
FIRST_YEAR, LAST_YEAR = 2000, 2100


class ReportLanguage(StrEnum):
    en = "en"
    zh = "zh"


def _bounded(window: str) -> str:
    if not MIN_WINDOW <= minutes_of(window) <= MAX_WINDOW:
        raise ValueError(f"a window is {MIN_WINDOW}m to {MAX_WINDOW // DAY}d long")
    return window


def _of_our_time(until: datetime) -> datetime:
    if not FIRST_YEAR <= until.year <= LAST_YEAR:
        raise ValueError(f"a window ends between the years {FIRST_YEAR} and {LAST_YEAR}")
    return until


type WindowText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[mhd]$"), AfterValidator(_bounded)]
type Percent = Annotated[float, Field(ge=0, le=100)]
type Seconds = Annotated[float, Field(gt=0, le=100_000_000)]
type Number = Annotated[int, Field(ge=0, le=1_000_000)]


class MonitorQuery(BaseModel):
    """A window, and whose tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: WindowText = Field(
        "24h",
        description="How long it is: minutes, hours or days, 15m to 90d. It is widened to whole minutes up to 3h, to "
        "whole hours up to 7d, else to whole days (UTC); the answer says to what.",
        examples=["24h"],
    )
    until: Annotated[Moment, AfterValidator(_of_our_time)] | None = Field(
        None, description="When it ends (RFC 3339); now when left out.", examples=["2026-11-22T00:00:00Z"]
    )
    kind: Annotated[list[KindName], NotEmpty] = Field(
        default_factory=list,
        min_length=1,
        max_length=MAX_KINDS,
        description="Only these; every kind when left out.",
        examples=[["hospital_full_refresh"]],
    )
    all_tenants: bool = Field(
        False, description="Of all tenants, for operators (scope `ops`); else your own.", examples=[False]
    )

    @property
    def minutes(self) -> int:
        return minutes_of(self.window)


class ReportQuery(MonitorQuery):
    """A report, in a language."""

    lang: ReportLanguage = Field(ReportLanguage.en, description="The language of the text.", examples=["zh"])


class HealthQuery(MonitorQuery):
    """From when on something is wrong."""

    success_warning: Percent = Field(90, description="Per cent of what ended that should have succeeded.")
    success_critical: Percent = Field(80, description="Below this it is critical.")
    running_warning_seconds: Seconds = Field(3_600, description="Seconds for which a task may run.")
    running_critical_seconds: Seconds = Field(7_200, description="Above this it is critical.")
    concurrent_warning: Number = Field(5, description="So many tasks may run at once.")
    concurrent_critical: Number = Field(10, description="Above this it is critical.")
    min_ended: Number = Field(20, description="A rate is judged from this many ended tasks on.")

    @property
    def thresholds(self) -> HealthThresholds:
        return HealthThresholds(
            (self.success_warning, self.success_critical),
            (self.running_warning_seconds, self.running_critical_seconds),
            (self.concurrent_warning, self.concurrent_critical),
            self.min_ended,
        )


class IssuesQuery(MonitorQuery):
    """From when on a kind has an issue."""

    max_mean_seconds: Seconds = Field(3_600, description="So long its tasks may run on average.")
    min_success: Percent = Field(95, description="Per cent of what ended that should have succeeded.")
    min_units_per_second: float = Field(1, ge=0, le=1_000_000, description="So many units a running second should do.")
    min_ended: Number = Field(20, description="A kind is judged from this many ended tasks on.")

    @property
    def thresholds(self) -> KindThresholds:
        return KindThresholds(self.max_mean_seconds, self.min_success, self.min_units_per_second, self.min_ended)


type FigureName = Literal[
    "submitted", "started", "ended", "succeeded", "failed", "cancelled", "retried", "requeued", "units",
    "success_rate", "units_per_second", "waiting_mean", "waiting_p50", "waiting_p95", "running_mean", "running_p50",
    "running_p95",
]  # fmt: skip


class TimeseriesQuery(MonitorQuery):
    """A figure, step by step."""

    figure: FigureName = Field(
        "ended", description="What is counted in each step; durations are in seconds.", examples=["running_p95"]
    )
    step: Literal["1m", "5m", "15m", "1h", "6h", "1d"] = Field(
        "1h", description="How long each step is: at most 1,000 of them. Less than 1h: of the last three days only."
    )

    @model_validator(mode="after")
    def has_few_points(self) -> Self:
        if self.minutes / STEPS[self.step] > MAX_POINTS:
            raise ValueError(f"the window has more than {MAX_POINTS:,} steps of {self.step}: take a longer step")
        return self
