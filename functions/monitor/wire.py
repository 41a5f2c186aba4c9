"""What the monitor answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import Timestamp
from longhaul.tasks.figures import ENDS, Figures, Histogram
from longhaul.tasks.rollups import RunningTask
from monitor.assessment import HealthStatus, Issue, Severity
from monitor.observation import Observation, Present

_AGES = {"as_of", "until", "oldest_waiting_seconds", "running_seconds"}
_OF_A_TASK = {"message", "value"}  # of an issue: for how long the task has run


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class WindowDocument(View):
    """When it was looked at, and what."""

    as_of: Timestamp = Field(description="When the figures were read; an answer is cached for a minute.")
    since: Timestamp
    until: Timestamp
    resolution_seconds: int = Field(
        description="The window is widened to whole spans of this many seconds.", examples=[3600]
    )


class Durations(View):
    """How long something took, in seconds. Null when there was none."""

    count: int
    mean: float | None
    p50: float | None = Field(description="At most 19 % off, as p95 is, or 0.1 s.")
    p95: float | None
    min: float | None
    max: float | None


class FiguresDocument(View):
    """What happened in the window. Each end of a task that was retried counts."""

    submitted: int
    started: int = Field(description="Attempts that began.")
    ended: int
    succeeded: int
    failed: int = Field(description="With those whose deadline passed.")
    cancelled: int
    expired: int = Field(description="Of those that failed, whose deadline passed.")
    retried: int = Field(description="By callers, after they had failed.")
    requeued: int = Field(description="By themselves, after an error that may pass.")
    paused: int
    resumed: int
    recovered: int = Field(description="Executions that were gone and were started again.")
    success_rate: float | None = Field(description="succeeded / ended, 0 to 1. Null when nothing has ended.")
    failure_rate: float | None = Field(description="failed / ended, 0 to 1.")
    units: int = Field(description="What tasks that succeeded have produced: hospitals, cells, tokens, or steps.")
    units_per_second: float | None = Field(description="Of those, in the time that they ran.")
    best_units_per_second: float = Field(description="Of the fastest of them.")
    waiting: Durations = Field(description="From submission, or from run_after, to the start of an attempt.")
    running: Durations = Field(description="From the first start to the end, of all that ended.")


class PresentDocument(View):
    """What there is now."""

    waiting: int = Field(description="PENDING tasks that may start.")
    scheduled: int = Field(description="PENDING tasks that may start only later.")
    running: int
    oldest_waiting_seconds: int | None = Field(description="For how long the first of those that wait could have run.")


class KindMetrics(View):
    """A kind's figures."""

    kind: str = Field(examples=["hospital_province_refresh"])
    now: PresentDocument
    figures: FiguresDocument


class RunningDocument(View):
    """A task that runs."""

    task_id: str
    kind: str
    title: str
    progress: int
    current_step: str | None
    running_seconds: float


class Metrics(WindowDocument):
    """The figures of a window, and what there is now."""

    now: PresentDocument
    figures: FiguresDocument
    kinds: list[KindMetrics]
    longest_running: list[RunningDocument] = Field(description="The tasks that have run longest, at most 100.")


class IssueDocument(View):
    """Something that is wrong."""

    type: str = Field(examples=["low_success_rate"])
    severity: Severity
    message: str
    value: float
    threshold: float
    kind: str | None = Field(None, description="Of which kind; null: of all.")
    task_id: str | None = Field(None, description="Of which task; null: of none in particular.")


class Health(WindowDocument):
    """Whether all is well."""

    status: HealthStatus = Field(description="The worst of the issues: an error or a warning is a warning.")
    issues: list[IssueDocument]
    now: PresentDocument
    figures: FiguresDocument


class KindPerformance(View):
    """How a kind does. Durations are of tasks that succeeded."""

    kind: str
    count: int = Field(description="How many have ended.")
    succeeded: int
    success_rate: float | None
    running: Durations
    units: int
    units_per_second: float | None
    best_units_per_second: float


class Performance(WindowDocument):
    kinds: list[KindPerformance]


class Issues(WindowDocument):
    issues: list[IssueDocument]


def window_of(seen: Observation) -> dict[str, Any]:
    """The fields of WindowDocument."""
    return {
        "as_of": seen.as_of,
        "since": seen.since,
        "until": seen.until,
        "resolution_seconds": 60 * seen.window.span,
    }


def durations(of: Histogram) -> Durations:
    return Durations(
        count=of.number,
        mean=rounded(of.mean),
        p50=rounded(of.quantile(0.5)),
        p95=rounded(of.quantile(0.95)),
        min=rounded(of.shortest),
        max=rounded(of.longest),
    )


def figures_document(of: Figures) -> FiguresDocument:
    names = ("submitted", "started", "expired", "retried", "requeued", "paused", "resumed", "recovered")
    return FiguresDocument(
        **{name: of.events[name] for name in names},
        **{status.lower(): of.ended[status] for status in dict.fromkeys(ENDS.values())},
        ended=of.ended.total(),
        success_rate=rounded(of.share("SUCCEEDED")),
        failure_rate=rounded(of.share("FAILED")),
        units=of.units,
        units_per_second=rounded(of.units_per_second),
        best_units_per_second=round(of.best, 6),
        waiting=durations(of.waiting),
        running=durations(of.running),
    )


def present_document(now: Present) -> PresentDocument:
    return PresentDocument(**now._asdict())


def metrics_document(seen: Observation) -> Metrics:
    return Metrics(
        **window_of(seen),
        now=present_document(seen.present()),
        figures=figures_document(seen.totals),
        kinds=[
            KindMetrics(kind=kind, now=present_document(seen.present(kind)), figures=figures_document(figures))
            for kind, figures in seen.by_kind.items()
        ],
        longest_running=[_running(task) for task in seen.longest],
    )


def kind_performance(kind: str, of: Figures) -> KindPerformance:
    return KindPerformance(
        kind=kind,
        count=of.ended.total(),
        succeeded=of.ended["SUCCEEDED"],
        success_rate=rounded(of.share("SUCCEEDED")),
        running=durations(of.succeeded),
        units=of.units,
        units_per_second=rounded(of.units_per_second),
        best_units_per_second=round(of.best, 6),
    )


def issue_document(issue: Issue) -> IssueDocument:
    return IssueDocument(**vars(issue))


def _running(task: RunningTask) -> RunningDocument:
    values = task._asdict()
    return RunningDocument(running_seconds=round(values.pop("seconds"), 3), **values)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def lasting(document: BaseModel) -> Any:
    """What of an answer stays the same while nothing happens: without its time, and without ages."""
    return _without_ages(document.model_dump(mode="json"))


def _without_ages(part: Any) -> Any:
    match part:
        case dict():
            aged = _AGES | _OF_A_TASK if part.get("task_id") else _AGES
            return {name: _without_ages(value) for name, value in part.items() if name not in aged}
        case list():
            return [_without_ages(value) for value in part]
    return part
