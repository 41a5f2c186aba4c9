"""A figure over time: what it is made of, and how it is answered."""

import json
from collections import Counter, defaultdict
from datetime import timedelta

from pydantic import Field

from longhaul.http import Timestamp
from longhaul.tasks.figures import ENDS, Figures, Histogram
from longhaul.tasks.rollups import Steps
from monitor.observation import Observation
from monitor.window_wire import FigureName
from monitor.wire import View, WindowDocument, rounded, window_of

type SeriesValues = dict[str | None, dict[int, float | None]]
"""Of each kind (None: of all) the value of each step in which something happened."""


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
    series = _quantiles(seen, int(figure[-2:]) / 100) if is_quantile(figure) else _counted(seen, figure)
    nothing = None if is_quantile(figure) else rounded(_value(Figures(), figure))
    return Timeseries(
        **window_of(seen),
        figure=figure,
        step_seconds=60 * step,
        times=[seen.since + timedelta(minutes=step * place) for place in places],
        series=[
            Series(kind=kind, values=[values.get(place, nothing) for place in places])
            for kind, values in sorted(series.items(), key=lambda item: item[0] or "")
        ],
    )


def _counted(seen: Observation, figure: FigureName) -> SeriesValues:
    cells: dict[str | None, dict[int, Figures]] = {None: defaultdict(Figures)}
    for count in seen.counts:
        for kind in (None, count.kind):
            cells.setdefault(kind, defaultdict(Figures))[count.place].add(count)
    return {
        kind: {place: rounded(_value(point, figure)) for place, point in points.items()}
        for kind, points in cells.items()
    }


def _quantiles(seen: Observation, share: float) -> SeriesValues:
    cells: dict[str | None, dict[int, Histogram]] = {None: defaultdict(Histogram)}
    for found in seen.histograms:
        buckets: Counter[int] = Counter(dict(json.loads(f"[{found.buckets}]")))
        for kind in (None, found.kind):
            histogram = cells.setdefault(kind, defaultdict(Histogram))[found.place]
            histogram.add_buckets(buckets, found.shortest, found.longest)
    return {
        kind: {place: rounded(histogram.quantile(share)) for place, histogram in points.items()}
        for kind, points in cells.items()
    }


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
        case "waiting_mean":
            return point.waiting.mean
        case "running_mean":
            return point.running.mean
    return point.events[figure]
