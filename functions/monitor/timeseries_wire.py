"""A figure over time: what it is made of, and how it is answered."""

from collections import defaultdict
from datetime import timedelta

from pydantic import Field

from longhaul.http import Timestamp
from longhaul.tasks.figures import ENDS, Figures
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


def events_of(figure: FigureName) -> tuple[str, ...]:
    """The events that a figure is made of."""
    match figure:
        case "submitted" | "started" | "retried" | "requeued":
            return (figure,)
        case "waiting_mean" | "waiting_p50" | "waiting_p95":
            return ("started",)
        case "succeeded" | "units" | "units_per_second":
            return ("succeeded",)
    return tuple(ENDS)


def is_quantile(figure: FigureName) -> bool:
    return figure.endswith(("_p50", "_p95"))


def timeseries_document(seen: Observation, figure: FigureName, step: int) -> Timeseries:
    """`step` in minutes. Steps that have not begun yet are left out, but those of a window that lies ahead."""
    places = range((seen.window.last - seen.window.first) // step)
    nothing = Figures()
    cells: dict[str | None, dict[int, Figures]] = {None: defaultdict(Figures)}
    for count in seen.counts:
        for kind in (None, count.kind):
            cells.setdefault(kind, defaultdict(Figures))[count.place].add(count)
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
