"""OpenMetrics text, as Prometheus reads it (https://prometheus.io/docs/specs/om/open_metrics_spec/).

Its counters count since midnight, UTC, when they begin anew, as those of a restarted process do: Prometheus makes the
windows. There is no label of a tenant or a task, whose number has no bound. Latencies are of the whole deployment, so
they are only for who reads of all tenants; their quantiles are of the day so far.
"""

from collections.abc import Iterator

from longhaul.tasks.figures import ENDS, LAST_BUCKET, Figures, Histogram, upper_bound
from monitor.latencies import Latencies
from monitor.observation import Observation

MEDIA_TYPE = "application/openmetrics-text"
CONTENT_TYPE = f"{MEDIA_TYPE}; version=1.0.0; charset=utf-8"

_COUNTERS = {
    "submitted": "Tasks that were submitted.",
    "started": "Attempts that began.",
    "retried": "Tasks that had failed and were retried by a caller.",
    "requeued": "Attempts that failed with an error that may pass.",
    "recovered": "Executions that were gone and were started again.",
}
_HISTOGRAMS = {
    "waiting": "How long attempts had waited when they began.",
    "running": "How long tasks had run when they ended.",
}
_GAUGES = {
    "waiting": "PENDING tasks that may start.",
    "scheduled": "PENDING tasks that may start only later.",
    "running": "Tasks that run.",
    "oldest_waiting_seconds": "For how long the first of the tasks that wait could have run.",
}


def openmetrics(seen: Observation, measured: Latencies | None = None) -> str:
    """The counters of `seen`, which should begin at midnight, and what there is now; with what was measured since."""
    kinds = seen.by_kind
    since = seen.since.timestamp()
    lines = [
        *_counters(kinds, since),
        *(line for name in _HISTOGRAMS for line in _histograms(name, kinds, since)),
        *_gauges(seen, list(kinds)),
        *(_latencies(measured, since) if measured else ()),
        "# EOF",
    ]
    return "\n".join(lines) + "\n"


def _counters(kinds: dict[str, Figures], since: float) -> Iterator[str]:
    for name, text in _COUNTERS.items():
        yield from _family(f"longhaul_tasks_{name}", "counter", text)
        for kind, figures in kinds.items():
            yield from _counter(f"longhaul_tasks_{name}", {"kind": kind}, figures.events[name], since)
    yield from _family("longhaul_tasks_ended", "counter", "Tasks that ended, each time that they did.")
    for kind, figures in kinds.items():
        for status in dict.fromkeys(ENDS.values()):
            labels = {"kind": kind, "status": status}
            yield from _counter("longhaul_tasks_ended", labels, figures.ended[status], since)
    yield from _family("longhaul_tasks_units", "counter", "What tasks that succeeded have produced.")
    for kind, figures in kinds.items():
        yield from _counter("longhaul_tasks_units", {"kind": kind}, figures.units, since)


def _counter(name: str, labels: dict[str, str], value: int, since: float) -> Iterator[str]:
    yield f"{name}_total{_labels(labels)} {value}"
    yield f"{name}_created{_labels(labels)} {since}"


def _histograms(name: str, kinds: dict[str, Figures], since: float) -> Iterator[str]:
    family = f"longhaul_task_{name}_seconds"
    yield from _family(family, "histogram", _HISTOGRAMS[name], unit="seconds")
    for kind, figures in kinds.items():
        of: Histogram = getattr(figures, name)
        seen = 0
        for bucket in range(LAST_BUCKET + 1):
            seen += of.buckets[bucket]
            bound = "+Inf" if bucket == LAST_BUCKET else repr(round(upper_bound(bucket), 6))
            if bucket % 2 == 0 or bucket == LAST_BUCKET:  # powers of two are enough to draw
                yield f"{family}_bucket{_labels({'kind': kind, 'le': bound})} {seen}"
        yield f"{family}_count{_labels({'kind': kind})} {of.number}"
        yield f"{family}_sum{_labels({'kind': kind})} {of.total:.6f}"
        yield f"{family}_created{_labels({'kind': kind})} {since}"


def _gauges(seen: Observation, kinds: list[str]) -> Iterator[str]:
    for name, text in _GAUGES.items():
        family = f"longhaul_tasks_now_{name}"
        yield from _family(family, "gauge", text, unit="seconds" if name.endswith("_seconds") else "")
        for kind in kinds:
            yield f"{family}{_labels({'kind': kind})} {getattr(seen.present(kind), name) or 0}"


def _latencies(measured: Latencies, since: float) -> Iterator[str]:
    for name, text, found in (
        ("route", "How long requests took in their function.", measured.routes),
        ("statement", "How long statements took.", measured.statements),
    ):
        family = f"longhaul_{name}_seconds"
        yield from _family(family, "summary", text, unit="seconds")
        for one in found:
            for quantile, value in (("0.5", one.p50), ("0.95", one.p95)):
                yield f"{family}{_labels({name: one.name, 'quantile': quantile})} {value or 0:.6f}"
            yield f"{family}_count{_labels({name: one.name})} {one.count}"
            yield f"{family}_created{_labels({name: one.name})} {since}"
    yield from _family("longhaul_route_errors", "counter", "Answers that were 5xx.")
    for one in measured.routes:
        yield from _counter("longhaul_route_errors", {"route": one.name}, one.errors, since)
    hits, readings = measured.cached()
    yield from _family("longhaul_cache_readings", "counter", "Readings of the cache.")
    for outcome, number in (("hit", hits), ("miss", readings - hits)):
        yield from _counter("longhaul_cache_readings", {"outcome": outcome}, number, since)


def _family(name: str, kind: str, text: str, *, unit: str = "") -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {text}"


def _labels(labels: dict[str, str]) -> str:
    written = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(written) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
