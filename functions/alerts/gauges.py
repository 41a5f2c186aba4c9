"""Gauges: what there is of each kind, once a minute, as metrics. Never of a tenant or a task: too many series."""

from collections import defaultdict

from aws_lambda_powertools.metrics import MetricUnit

from longhaul.observability import metrics_of
from longhaul.tasks import rollups
from longhaul.tasks.figures import Figures
from longhaul.tasks.rollups import MINUTE, Reader, Window

FOLDED = 2  # minutes: what happened so long ago is in the roll-ups


def gauge() -> None:
    """Tell what waits and runs now, and what ended in the minute that was folded last. Raises DatabaseUnavailable."""
    everybody, first = Reader(None), rollups.minute_now() - FOLDED
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for part in rollups.count_unended(everybody):
        if part.status == "RUNNING":
            found[part.kind]["TasksRunning"] = part.number
        elif part.status == "PENDING" and not part.later:
            found[part.kind] |= {"TasksWaiting": part.number, "OldestWaitingSeconds": part.oldest_seconds}
    figures: dict[str, Figures] = defaultdict(Figures)
    for count in rollups.sum_window(everybody, Window(first, first + 1, MINUTE)):
        figures[count.kind].add(count)
    for kind, ended in figures.items():
        found[kind] |= {"TasksSucceeded": ended.ended["SUCCEEDED"], "TasksFailed": ended.ended["FAILED"]}
    for kind, values in found.items():
        _tell(kind, values)


def _tell(kind: str, values: dict[str, float]) -> None:
    with metrics_of(kind=kind) as of_kind:
        of_kind.add_metric("TasksRunning", MetricUnit.Count, values.get("TasksRunning", 0))
        of_kind.add_metric("TasksWaiting", MetricUnit.Count, values.get("TasksWaiting", 0))
        of_kind.add_metric("OldestWaitingSeconds", MetricUnit.Seconds, values.get("OldestWaitingSeconds", 0))
        of_kind.add_metric("TasksSucceeded", MetricUnit.Count, values.get("TasksSucceeded", 0))
        of_kind.add_metric("TasksFailed", MetricUnit.Count, values.get("TasksFailed", 0))
