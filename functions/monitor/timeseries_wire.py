"""A figure over time: what it is made of, and how it is answered."""

from collections import Counter, defaultdict
from datetime import timedelta

from pydantic import Field

from longhaul.http import Timestamp
from longhaul.tasks.figures import ENDS, Figures, Histogram
from longhaul.tasks.rollups import Steps
from monitor.observation import Observation
from monitor.window_wire import FigureName
from monitor.wire import View, WindowDocument, rounded, window_of


class Series(View):
    """A value for each step; null where there is none to tell."""

    kind: str | None = Field(description="Null: of all kinds.")
    values: list[float | None]


class Timeseries(WindowDocument):
    """A figure over time."""

    figure: FigureName
    step_seconds: int
    times: list[Timestamp] = Field(description="When each step begins.")
    series: list[Series]


def steps_of(figure: FigureName, minutes: int) -> Steps:
    """The events that a figure is made of, in steps of so many minutes; told apart only as far as the figure does."""
    match figure:
        case "submitted" | "started" | "retried" | "requeued":
            return Steps(minutes, (figure,))
        case "waiting_mean" | "waiting_p50" | "waiting_p95":
            return Steps(minutes, ("started",))
        case "succeeded" | "units" | "units_per_second":
            return Steps(minutes, ("succeeded",))
        case "success_rate":
            return Steps(minutes, tuple(ENDS), as_failed=tuple(event for event in ENDS if event != "succeeded"))
        case "failed" | "cancelled":
            return Steps(minutes, tuple(event for event, status in ENDS.items() if status == figure.upper()))
    return Steps(minutes, tuple(ENDS), as_failed=tuple(ENDS))


def is_quantile(figure: FigureName) -> bool:
    return figure.endswith(("_p50", "_p95"))


def timeseries_document(seen: Observation, figure: FigureName, step: int) -> Timeseries:
    """`step` in minutes. A step in which nothing happened has the value that nothing has: 0, or null for a rate."""
    places = range((seen.window.last - seen.window.first) // step)
    nothing = Figures()
    cells: dict[str | None, dict[int, Figures]] = {None: defaultdict(Figures)}
    for count in seen.counts:
        for kind in (None, count.kind):
            cells.setdefault(kind, defaultdict(Figures))[count.place].add(count)
    for found in seen.histograms:
        buckets = _buckets(found.buckets)
        for kind in (None, found.kind):
            point = cells.setdefault(kind, defaultdict(Figures))[found.place]
            _histogram(point, figure).add_buckets(buckets, found.shortest, found.longest)
    return Timeseries(
        **window_of(seen),
        figure=figure,
        step_seconds=60 * step,
        times=[seen.since + timedelta(minutes=step * place) for place in places],
        series=[
            Series(kind=kind, values=[rounded(_value(cells[kind].get(place, nothing), figure)) for place in places])
            for kind in sorted(cells, key=lambda name: name or "")
        ],
    )


def _buckets(text: str) -> Counter[int]:
    """A bucket stands there twice when some of it is folded and some is not."""
    found: Counter[int] = Counter()
    for pair in text.split(","):
        bucket, _, number = pair.partition(":")
        found[int(bucket)] += int(number)
    return found


def _histogram(point: Figures, figure: FigureName) -> Histogram:
    return point.waiting if figure.startswith("waiting") else point.running


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
    histogram = _histogram(point, figure)
    return histogram.mean if figure.endswith("mean") else histogram.quantile(int(figure[-2:]) / 100)
