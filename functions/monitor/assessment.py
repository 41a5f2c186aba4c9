"""Assessment: what of the figures is wrong, by thresholds that the caller may set.

A rate is judged only where enough tasks have ended: of two tasks of which one failed nothing can be said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from longhaul.tasks.figures import Figures
from monitor.observation import Observation


class HealthStatus(StrEnum):
    healthy = "healthy"
    warning = "warning"
    critical = "critical"


class Severity(StrEnum):
    warning = "warning"
    error = "error"
    critical = "critical"


@dataclass(frozen=True)
class Issue:
    """Something that is wrong: of a task, of a kind, or of all. `message` is for people."""

    type: str
    severity: Severity
    message: str
    value: float
    threshold: float
    kind: str | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class HealthThresholds:
    """Each a warning's and a critical one's."""

    success_percent: tuple[float, float]
    running_seconds: tuple[float, float]
    running_tasks: tuple[int, int]
    min_ended: int


@dataclass(frozen=True)
class KindThresholds:
    mean_seconds: float
    success_percent: float
    units_per_second: float
    min_ended: int


def health(seen: Observation, limits: HealthThresholds) -> tuple[HealthStatus, list[Issue]]:
    """The worst that was found, and all that was."""
    issues = [*_low_success(seen.totals, limits), *_long_running(seen, limits), *_many_running(seen, limits)]
    if any(issue.severity == Severity.critical for issue in issues):
        return HealthStatus.critical, issues
    return (HealthStatus.warning if issues else HealthStatus.healthy), issues


def issues_of(by_kind: Mapping[str, Figures], limits: KindThresholds) -> list[Issue]:
    """The kinds that are slow, fail or get little done, as far as enough of their tasks have ended."""
    return [
        issue
        for kind, figures in by_kind.items()
        if figures.ended.total() >= limits.min_ended
        for issue in _issues_of_kind(kind, figures, limits)
    ]


def _low_success(figures: Figures, limits: HealthThresholds) -> Iterator[Issue]:
    success = figures.share("SUCCEEDED")
    if success is None or figures.ended.total() < limits.min_ended:
        return
    for severity, threshold in _worst_first(limits.success_percent):
        if success * 100 < threshold:
            message = f"{success:.2%} of the tasks that ended have succeeded, less than {threshold:g} %"
            yield Issue("low_success_rate", severity, message, success * 100, threshold)
            return


def _long_running(seen: Observation, limits: HealthThresholds) -> Iterator[Issue]:
    for task in seen.longest:
        for severity, threshold in _worst_first(limits.running_seconds):
            if task.seconds > threshold:
                message = f"task {task.task_id} has run for {_duration(task.seconds)}, more than {_duration(threshold)}"
                yield Issue("long_running", severity, message, task.seconds, threshold, task.kind, task.task_id)
                break


def _many_running(seen: Observation, limits: HealthThresholds) -> Iterator[Issue]:
    running = seen.present().running
    for severity, threshold in _worst_first(limits.running_tasks):
        if running > threshold:
            message = f"{running} tasks run at once, more than {threshold}"
            yield Issue("many_running", severity, message, running, threshold)
            return


def _issues_of_kind(kind: str, figures: Figures, limits: KindThresholds) -> Iterator[Issue]:
    mean, success, rate = figures.succeeded.mean, figures.share("SUCCEEDED"), figures.units_per_second
    if mean is not None and mean > limits.mean_seconds:
        message = f"{kind} takes {_duration(mean)} on average, more than {_duration(limits.mean_seconds)}"
        yield Issue("slow_execution", Severity.warning, message, mean, limits.mean_seconds, kind)
    if success is not None and success * 100 < limits.success_percent:
        message = f"{success:.2%} of {kind} have succeeded, less than {limits.success_percent:g} %"
        yield Issue("low_success_rate", Severity.error, message, success * 100, limits.success_percent, kind)
    if rate is not None and rate < limits.units_per_second:
        message = f"{kind} does {rate:.2f} units a second, less than {limits.units_per_second:g}"
        yield Issue("low_efficiency", Severity.warning, message, rate, limits.units_per_second, kind)


def _worst_first[N: (int, float)](thresholds: tuple[N, N]) -> list[tuple[Severity, N]]:
    warning, critical = thresholds
    return [(Severity.critical, critical), (Severity.warning, warning)]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.1f} s"
