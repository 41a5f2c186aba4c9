"""The tally of a task: how much of it is done, in per cent and in the figures its kind reports.

Its steps are counted, or what its kind counts instead. Always recounted from the rows, so that an event delivered
twice, late or out of order changes nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from longhaul import database, live
from longhaul.database import Session
from longhaul.progress import ProgressEvent
from longhaul.tasks import pace, scopes, step_store, store
from longhaul.tasks.kinds import Kind, kind_named
from longhaul.tasks.model import Status, StepStatus, Tally, Task
from longhaul.tasks.pace import Sample
from longhaul.tasks.step_store import StepCount

PROGRESS_UPDATE_INTERVAL = 5  # the row is written each time so many more steps have finished


def tally(kind: Kind, counts: Sequence[StepCount]) -> Tally:
    planned: dict[str, int] = {}
    finished: dict[str, int] = {}
    units: dict[str, int] = {}
    for count in counts:
        planned[count.level] = planned.get(count.level, 0) + count.steps
        if count.status != StepStatus.PENDING:
            finished[count.level] = finished.get(count.level, 0) + count.steps
        if count.status == StepStatus.SUCCEEDED:
            units[count.level] = units.get(count.level, 0) + count.units
    done, total = sum(finished.values()), sum(planned.values())
    share = _weighed(kind, planned, finished)
    return Tally(
        progress=min(99, int(100 * share)),
        share=share,
        steps_done=done,
        complete=done == total > 0,
        statistics={
            name: (units if counter.units else finished).get(counter.level, 0)
            for name, counter in kind.statistics.items()
        },
    )


def recount(events: Sequence[ProgressEvent]) -> None:
    """Count the work of the running task that these events are of: the row in its turn, the live item each time.

    The row first: a reader between the two never finds the item further ahead than a turn. Events of an attempt that
    the task no longer runs change nothing. Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        task = store.fetch(session, events[-1].task_id)
        fresh = [event for event in events if task and event.attempt == task.attempt]
        if task is None or task.status != Status.RUNNING or not fresh:
            return
        now = _count(session, task)
        seen = replace(
            live.item_of(task),
            steps_done=now.steps_done,
            progress=max(task.progress, now.progress),
            stage=fresh[-1].level,
            current_step=fresh[-1].label,
            statistics=now.statistics,
            pace=_pace(task, now),
        )
        if now.complete or now.steps_done // PROGRESS_UPDATE_INTERVAL > task.steps_done // PROGRESS_UPDATE_INTERVAL:
            store.write_progress(session, seen)
            scopes.changed(task)
        live.write(seen)


def _pace(task: Task, now: Tally) -> tuple[Sample, ...]:
    """What the item that is replaced knew of this attempt's pace, and how far it is now."""
    before = live.read(task.task_id)
    known = before.pace if before and before.attempt == task.attempt else ()
    return pace.extended(known, Sample(time.time(), now.share))


def final_tally(session: Session, task: Task) -> Tally:
    """How far a task was when it ended or was paused; its statistics name the steps that failed (the first hundred)."""
    final = _count(session, task)
    failed = step_store.list_failed_steps(session, task.task_id, limit=100)
    if not failed:
        return final
    named = [{"key": row["step_key"], "name": row["label"], "error": row["error_message"]} for row in failed]
    return replace(final, statistics=final.statistics | {"failed": named})


def _count(session: Session, task: Task) -> Tally:
    kind = kind_named(task.kind)
    if kind.tally is not None:
        return kind.tally(session, task.task_id)
    return tally(kind, step_store.count_steps(session, task.task_id))


def _weighed(kind: Kind, planned: dict[str, int], finished: dict[str, int]) -> float:
    """The weighted share of what is done. A level counts only as far as the level that plans it is done."""
    share, whole = 1.0, 0.0
    for level, weight in kind.weights.items():
        share *= finished.get(level, 0) / planned[level] if planned.get(level) else 0.0
        whole += weight * share
    return whole
