"""What the monitor answers."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from longhaul.http import Timestamp
from longhaul.tasks.figures import ENDS, Figures, Histogram
from longhaul.tasks.rollups import RunningTask
from monitor.assessment import HealthStatus, Issue, Severity
from monitor.observation import Observation, Present
from monitor.window_wire import FigureName


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class WindowDocument(_View):
    """When it was looked at, and what."""

    as_of: Timestamp = Field(description="When the figures were read; an answer is cached for a minute.")
    since: Timestamp
    until: Timestamp
    resolution_seconds: int = Field(description="The window is widened to whole spans of so long.", examples=[3600])


class Durations(_View):
    """How long something took, in seconds. Null when there was none."""

    count: int
    mean: float | None
    p50: float | None = Field(description="At most 19 % off, as p95 is, or 0.1 s.")
    p95: float | None
    min: float | None
    max: float | None


class FiguresDocument(_View):
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


class PresentDocument(_View):
    """What there is now."""

    waiting: int = Field(description="PENDING tasks that may start.")
    scheduled: int = Field(description="PENDING tasks that may start only later.")
    running: int
    oldest_waiting_seconds: int | None = Field(description="For how long the first of those that wait could have run.")


class KindMetrics(_View):
    """A kind's figures."""

    kind: str = Field(examples=["hospital_province_refresh"])
    now: PresentDocument
    figures: FiguresDocument


class RunningDocument(_View):
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


class IssueDocument(_View):
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


class KindPerformance(_View):
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


class Series(_View):
    """A value for each step; null where there is none to tell."""

    kind: str | None = Field(description="Null: of all kinds.")
    values: list[float | None]


class Timeseries(WindowDocument):
    """A figure over time."""

    figure: FigureName
    step_seconds: int
    times: list[Timestamp] = Field(description="When each step begins.")
    series: list[Series]


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
        mean=_rounded(of.mean),
        p50=_rounded(of.quantile(0.5)),
        p95=_rounded(of.quantile(0.95)),
        min=_rounded(of.shortest),
        max=_rounded(of.longest),
    )


def figures_document(of: Figures) -> FiguresDocument:
    names = ("submitted", "started", "expired", "retried", "requeued", "paused", "resumed", "recovered")
    return FiguresDocument(
        **{name: of.events[name] for name in names},
        **{status.lower(): of.ended[status] for status in dict.fromkeys(ENDS.values())},
        ended=of.ended.total(),
        success_rate=_rounded(of.share("SUCCEEDED")),
        failure_rate=_rounded(of.share("FAILED")),
        units=of.units,
        units_per_second=_rounded(of.units_per_second),
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
        success_rate=_rounded(of.share("SUCCEEDED")),
        running=durations(of.succeeded),
        units=of.units,
        units_per_second=_rounded(of.units_per_second),
        best_units_per_second=round(of.best, 6),
    )


def issue_document(issue: Issue) -> IssueDocument:
    return IssueDocument(**vars(issue))


def timeseries_document(seen: Observation, figure: FigureName, step: int) -> Timeseries:
    """`step` in minutes. Steps that have not begun yet are left out, but those of a window that lies ahead."""
    places = range((seen.window.last - seen.window.first) // step)
    cells: dict[str | None, list[Figures]] = {None: [Figures() for _ in places]}
    for count in seen.counts:
        series = cells.setdefault(count.kind, [Figures() for _ in places])
        for line in (series, cells[None]):
            line[count.place].add(count)
    return Timeseries(
        **window_of(seen),
        figure=figure,
        step_seconds=60 * step,
        times=[seen.since + timedelta(minutes=step * place) for place in places],
        series=[
            Series(kind=kind, values=[_rounded(_value(point, figure)) for point in cells[kind]])
            for kind in sorted(cells, key=lambda name: name or "")
        ],
    )


def _value(point: Figures, figure: FigureName) -> float | None:
    match figure:
        case "ended":
            return point.ended.total()
        case "succeeded" | "failed" | "cancelled":
            return point.ended[figure.upper()]
        case "units":
            return point.units
        case "success_rate":
            return point.share("SUCCEEDED")
        case "units_per_second":
            return point.units_per_second
        case "submitted" | "started" | "retried" | "requeued":
            return point.events[figure]
    histogram = point.waiting if figure.startswith("waiting") else point.running
    return histogram.mean if figure.endswith("mean") else histogram.quantile(int(figure[-2:]) / 100)


def _running(task: RunningTask) -> RunningDocument:
    values = task._asdict()
    return RunningDocument(running_seconds=round(values.pop("seconds"), 3), **values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
