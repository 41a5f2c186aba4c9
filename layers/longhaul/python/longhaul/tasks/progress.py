"""How much of a task is done, in per cent and in the figures its kind reports, and when the rest will be.

The steps are counted, or what the kind counts instead. It is always counted anew from the rows, so that an event
delivered twice, late or out of order changes nothing.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from longhaul.database import Session
from longhaul.tasks import steps
from longhaul.tasks.kinds import Kind, kind_named
from longhaul.tasks.model import Progress, StepStatus, Task
from longhaul.tasks.steps import StepCount

MAX_FAILED_STEPS = 100  # that a task's statistics name
RATE_SAMPLES = 10  # the rate is that of the last steps, not of the whole attempt


class Sample(NamedTuple):
    """When (epoch seconds) so much (0..1) was done."""

    at: float
    share: float


def count(session: Session, task: Task) -> Progress:
    """How far the task is."""
    kind = kind_named(task.kind)
    if kind.count is not None:
        return kind.count(session, task.task_id)
    return of_counts(kind, steps.count_steps(session, task.task_id))


def count_final(session: Session, task: Task) -> Progress:
    """How far a task was when it ended or was paused; its statistics name the first steps that failed."""
    final = count(session, task)
    failed = steps.list_failed_steps(session, task.task_id, limit=MAX_FAILED_STEPS)
    if not failed:
        return final
    named = [{"key": row["step_key"], "name": row["label"], "error": row["error_message"]} for row in failed]
    return replace(final, statistics=final.statistics | {"failed": named})


def of_counts(kind: Kind, counts: Sequence[StepCount]) -> Progress:
    """A step that failed is not done: it is in no figure but those of failures, and progress does not count it."""
    planned = _steps(counts, *StepStatus)
    done, failed = _steps(counts, StepStatus.SUCCEEDED), _steps(counts, StepStatus.FAILED)
    ended = done + failed
    return Progress(
        percent=min(99, int(100 * _weighed(kind, planned, done))),
        share=_weighed(kind, planned, ended),
        steps_done=ended.total(),
        complete=ended.total() == planned.total() > 0,
        statistics={
            name: _units(counts, counter.level)
            if counter.units
            else (failed if counter.failed else done)[counter.level]
            for name, counter in kind.statistics.items()
        },
    )


def extended(samples: Sequence[Sample], now: Sample) -> tuple[Sample, ...]:
    """The last samples with `now`, when more is done than at the last of them."""
    if samples and now.share <= samples[-1].share:
        return tuple(samples)
    return (*samples, now)[-RATE_SAMPLES:]


def eta_seconds(samples: Sequence[Sample]) -> int | None:
    """How long the rest takes from the last sample on at the samples' rate, in whole seconds.

    None with fewer than two samples. No clock of the reader's goes into it, so it changes only when the task does.
    """
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    rate = (last.share - first.share) / max(last.at - first.at, 1e-3)  # clocks of two workers may differ
    return max(0, math.ceil(round((1 - last.share) / rate, 3)))


def _steps(counts: Sequence[StepCount], *statuses: str) -> Counter[str]:
    """How many steps of each level have one of these statuses."""
    steps: Counter[str] = Counter()
    for count in counts:
        if count.status in statuses:
            steps[count.level] += count.steps
    return steps


def _units(counts: Sequence[StepCount], level: str) -> int:
    return sum(count.units for count in counts if count.level == level and count.status == StepStatus.SUCCEEDED)


def _weighed(kind: Kind, planned: Counter[str], some: Counter[str]) -> float:
    """The weighted share of some of the planned steps. A level counts only as far as the level that plans it does."""
    share, whole = 1.0, 0.0
    for level, weight in kind.weights.items():
        share *= some[level] / planned[level] if planned[level] else 0.0
        whole += weight * share
    return whole
