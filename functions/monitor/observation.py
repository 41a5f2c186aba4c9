"""Observation: what is known of tasks in a window, as it is read, cached, and looked at."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from longhaul.tasks import rollups
from longhaul.tasks.figures import Figures
from longhaul.tasks.model import Status
from longhaul.tasks.rollups import Count, Reader, RunningTask, StepHistogram, Steps, Unended, Window
from monitor.windows import moment_of

MAX_TASKS = 100  # that are named

type Content = dict[str, Any]
"""An observation as it is cached."""


class Present(NamedTuple):
    """How many tasks wait, are to start later, and run, now; for how long the first of those that wait has."""

    waiting: int
    scheduled: int
    running: int
    oldest_waiting_seconds: int | None


@dataclass(frozen=True)
class Observation:
    as_of: datetime
    window: Window
    counts: Sequence[Count]
    histograms: Sequence[StepHistogram]  # of a figure over time that is a quantile; there are no counts then
    unended: Sequence[Unended]
    longest: Sequence[RunningTask]  # those that have run longest, the first first

    @classmethod
    def of(cls, content: Content) -> Self:
        return cls(
            datetime.fromtimestamp(content["as_of"], UTC),
            Window(*content["window"]),
            [Count(*row) for row in content["counts"]],
            [StepHistogram(*row) for row in content["histograms"]],
            [Unended(*row) for row in content["unended"]],
            [RunningTask(*row) for row in content["longest"]],
        )

    @property
    def since(self) -> datetime:
        return moment_of(self.window.first)

    @property
    def until(self) -> datetime:
        """Of a window that has not ended, the time at which it was looked at."""
        end = moment_of(self.window.last)
        return max(self.since, min(end, self.as_of)) if self.since <= self.as_of else end

    @property
    def totals(self) -> Figures:
        return figures_of(self.counts)

    @property
    def by_kind(self) -> dict[str, Figures]:
        """Of each kind to which something happened, or of which there is a task, by its name."""
        names = {count.kind for count in self.counts} | {part.kind for part in self.unended}
        found = {name: Figures() for name in sorted(names)}
        for count in self.counts:
            found[count.kind].add(count)
        return found

    def present(self, kind: str | None = None) -> Present:
        """Now; of one kind, or of all."""
        parts = [part for part in self.unended if kind in (None, part.kind)]
        waiting = [part for part in parts if part.status == Status.PENDING and not part.later]
        return Present(
            waiting=sum(part.number for part in waiting),
            scheduled=sum(part.number for part in parts if part.later),
            running=sum(part.number for part in parts if part.status == Status.RUNNING),
            oldest_waiting_seconds=max((part.oldest_seconds for part in waiting), default=None),
        )


def observe(reader: Reader, window: Window, *, present: bool) -> Content:
    """Read what happened in the window; with `present`, also what waits and runs now. Raises DatabaseUnavailable."""
    return _content(window) | {
        "counts": rollups.sum_window(reader, window),
        "unended": rollups.count_unended(reader) if present else [],
        "longest": rollups.list_longest_running(reader, MAX_TASKS) if present else [],
    }


def observe_steps(reader: Reader, window: Window, steps: Steps, *, by_bucket: bool) -> Content:
    """Read what happened in the window, step by step: how often, or how long it took. Raises DatabaseUnavailable."""
    if by_bucket:
        return _content(window) | {"histograms": rollups.sum_step_buckets(reader, window, steps)}
    return _content(window) | {"counts": rollups.sum_steps(reader, window, steps)}


def _content(window: Window) -> Content:
    return {"as_of": time.time(), "window": window, "counts": [], "histograms": [], "unended": [], "longest": []}


def figures_of(counts: Sequence[Count]) -> Figures:
    figures = Figures()
    for count in counts:
        figures.add(count)
    return figures
