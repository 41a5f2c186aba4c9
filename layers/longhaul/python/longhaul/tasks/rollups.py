"""Roll-ups: what happens to tasks is counted as it happens, so that no figure costs more because there are more tasks.

    transition -> task_counts, in its own transaction -> fold, once a minute -> task_rollups: minute, hour, day

Every event of `task_events` but `changed` is counted, and every task that is submitted: also when the task fails, is
retried and fails again. A purge of tasks takes nothing away. A count is in one table or the other, and is moved in one
transaction: a fold that is killed has done nothing, and two at once take different rows.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from longhaul import database
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays, chunks, dumps
from longhaul.tasks.figures import LAST_BUCKET
from longhaul.tasks.kinds import kind_named
from longhaul.tasks.model import CHANGED, Progress

_queries = queries.load(__file__)

MINUTE, HOUR, DAY, EIGHT_DAYS = 1, 60, 1_440, 11_520  # the spans, in minutes
KEPT = {MINUTE: 3 * DAY, HOUR: 100 * DAY, DAY: 800 * DAY, EIGHT_DAYS: 800 * DAY}  # for how many minutes each is kept
FOLDED = 500  # rows a transaction
PURGED = 2_000
LOOKED_AT = 2_000  # of the RUNNING tasks, for those that have run longest


@dataclass(frozen=True)
class Reader:
    """Whose figures: a tenant's (None: of all tenants), of these kinds (none: of all)."""

    tenant_id: str | None
    kinds: tuple[str, ...] = ()

    def parameters(self) -> dict[str, Any]:
        # No tenant has the empty id: under it stands what all have together.
        return {
            "reader": self.tenant_id or "",
            "any_kind": not self.kinds,
            "kinds": list(self.kinds) or [""],
        }


class Window(NamedTuple):
    """From the minute `first` to before `last` (both since 1970, UTC), as roll-ups of `span` minutes have it."""

    first: int
    last: int
    span: int
    open: bool = False  # nothing has happened after it yet


class Steps(NamedTuple):
    """Steps of so many minutes, and which events are counted in each; those `as_failed` count as one, `failed`."""

    minutes: int
    events: tuple[str, ...]
    as_failed: tuple[str, ...] = ()


class StepHistogram(NamedTuple):
    """How long what happened in a step took. `buckets`: `[bucket,number]` by commas; the extremes in microseconds."""

    place: int
    kind: str
    shortest: int
    longest: int
    buckets: str


class Count(NamedTuple):
    """What happened in the step number `place` of a window: how often, and how long it took (microseconds)."""

    place: int
    kind: str
    event: str
    bucket: int
    number: int
    microseconds: int
    shortest: int | None
    longest: int | None
    units: int
    best: float  # units a second, of the fastest task


class Unended(NamedTuple):
    """How many tasks of a kind are PENDING (`later`: may not start yet) or RUNNING; since when the first may start."""

    kind: str
    status: str
    later: bool
    number: int
    oldest_seconds: int


class RunningTask(NamedTuple):
    """A task that runs, and for how long."""

    task_id: str
    kind: str
    title: str
    progress: int
    current_step: str | None
    seconds: float


def count(tx: Session, event: str, ids: Iterable[int], units: int = 0) -> None:
    """Count an event of the tasks with these row ids, in the transaction that moved them; each had so many `units`."""
    if event != CHANGED:
        for some in chunks(ids):
            _queries.count_events(tx, event=event, ids=some, units=units, last_bucket=LAST_BUCKET)


def count_submitted(tx: Session, task_ids: Iterable[str]) -> None:
    """Count those of these tasks that are there: all of them are this transaction's own."""
    for some in chunks(task_ids):
        _queries.count_submitted(tx, task_ids=some)


def units_of(kind: str, progress: Progress) -> int:
    """What a task has produced: what its kind counts as units, else its steps."""
    counters = kind_named(kind).statistics
    units = [progress.statistics.get(name, 0) for name, counter in counters.items() if counter.units]
    return sum(units) if units else progress.steps_done


def fold(*, seconds: float, clock: Callable[[], float] = time.monotonic) -> int:
    """Move what was counted up to the last minute to the roll-ups, for at most `seconds`. How many rows were moved.

    Raises DatabaseUnavailable; then the rest is the next fold's.
    """
    until, folded = clock() + seconds, 0
    while clock() < until:
        moved = database.run_transaction(_fold_some)
        folded += moved
        if moved < FOLDED:
            break
    return folded


def purge(*, seconds: float, clock: Callable[[], float] = time.monotonic) -> int:
    """Delete the roll-ups that are older than KEPT, for at most `seconds`. How many."""
    until, purged = clock() + seconds, 0
    with database.connection() as session:
        for purge_some in (_queries.purge_rollups, _queries.purge_totals):
            for span, minutes in KEPT.items():
                while clock() < until:
                    deleted = int(purge_some(session, span=span, minutes=minutes, limit=PURGED))
                    purged += deleted
                    if deleted < PURGED:
                        break
    return purged


def sum_window(reader: Reader, window: Window) -> list[Count]:
    """What happened in the window, as one step. Raises DatabaseUnavailable."""
    with database.connection() as session:
        rows = _queries.sum_window(
            session, **reader.parameters(), rows=dumps(periods(window)), first=window.first, last=window.last
        )
    return _counts(rows)


def periods(window: Window) -> list[tuple[int, int]]:
    """The longest roll-ups that fill the window: (span, start). In what lies ahead of an open one there is nothing."""
    found, at = [], window.first
    while at < window.last:
        span = max(
            span
            for span in KEPT
            if span == window.span
            or (span > window.span and at % span == 0 and (window.open or at + span <= window.last))
        )
        found.append((span, at))
        at += span
    return found


def sum_steps(reader: Reader, window: Window, steps: Steps) -> list[Count]:
    """What happened in the window, step by step, without buckets. Raises DatabaseUnavailable."""
    with database.connection() as session:
        as_failed = list(steps.as_failed) or [""]
        rows = _queries.sum_steps(session, **_stepped(reader, window, steps), as_failed=as_failed)
    return _counts(rows)


def sum_step_buckets(reader: Reader, window: Window, steps: Steps) -> list[StepHistogram]:
    """How long it took, what happened in the window, step by step. Raises DatabaseUnavailable."""
    with database.connection() as session:
        rows = _queries.sum_step_buckets(session, **_stepped(reader, window, steps))
    return [StepHistogram(**row | {"place": int(row["place"])}) for row in rows]


def _stepped(reader: Reader, window: Window, steps: Steps) -> dict[str, Any]:
    return reader.parameters() | {
        "span": window.span,
        "first": window.first,
        "last": window.last,
        "step": steps.minutes,
        "events": list(steps.events),
    }


def _counts(rows: Sequence[dict[str, Any]]) -> list[Count]:
    whole = ("place", "bucket", "number", "microseconds", "units")  # sums are decimals
    return [Count(**row | {name: int(row[name]) for name in whole}) for row in rows]


def count_unended(reader: Reader) -> list[Unended]:
    """Raises DatabaseUnavailable."""
    with database.connection() as session:
        rows = _queries.count_unended(session, **reader.parameters())
    return [
        Unended(row["kind"], row["status"], bool(row["later"]), int(row["number"]), int(row["oldest_seconds"]))
        for row in rows
    ]


def list_longest_running(reader: Reader, limit: int) -> Sequence[RunningTask]:
    """The tasks that have run longest, among the LOOKED_AT that were submitted first. Raises DatabaseUnavailable."""
    read = _queries.list_longest_running if reader.tenant_id else _queries.list_longest_running_of_all
    with database.connection() as session:
        rows = read(session, **reader.parameters(), looked_at=LOOKED_AT, limit=limit)
    return [RunningTask(**row | {"seconds": float(row["seconds"] or 0)}) for row in rows]


def minute_now() -> int:
    """The minute it is, by the database's clock. Raises DatabaseUnavailable."""
    with database.connection() as session:
        minute: int = _queries.fetch_minute(session)
    return minute


def _fold_some(tx: Session) -> int:
    rows = _queries.lock_counts(tx, limit=FOLDED)
    keys = ("tenant_id", "kind", "minute", "event", "bucket", "writer")
    for some in arrays([row[key] for key in keys] for row in rows):
        _queries.add_to_rollups(tx, rows=some)
        _queries.add_to_totals(tx, rows=some)
        _queries.delete_counts(tx, rows=some)
    return len(rows)
