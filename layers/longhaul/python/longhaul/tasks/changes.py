"""Changes of a task that are no transition: its priority, its title, and when it may start. And what refuses a change.

What becomes of a task is worked out from its locked row, so nothing comes between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from longhaul.database import Session
from longhaul.errors import FieldError, IllegalTransition, InvalidRequest, NotFound, TooManyScheduled
from longhaul.tasks import store
from longhaul.tasks.model import TERMINAL, Priority, Status, Task, allowed_actions
from longhaul.tasks.store import Values

RUN_AFTER = "run_after"
MAX_START = timedelta(days=30)  # ahead
MAX_DEADLINE = timedelta(days=37)  # ahead: a week after the furthest start


@dataclass(frozen=True)
class Wish:
    """What a caller wants of a task; what is None stays. `at_once`: it may start now, whatever `run_after` was."""

    priority: Priority | None = None
    title: str | None = None
    run_after: datetime | None = None
    at_once: bool = False

    @property
    def reschedules(self) -> bool:
        return self.at_once or self.run_after is not None


class Room:
    """How many more of a tenant's tasks may wait for a later start, in each lane."""

    def __init__(self, tx: Session, tenant_id: str) -> None:
        self._tx, self._tenant_id = tx, tenant_id
        self._free: dict[str, int] = {}

    def take(self, kind: str) -> None:
        """Raises TooManyScheduled."""
        if kind not in self._free:
            self._free[kind] = store.count_free_to_schedule(self._tx, kind, self._tenant_id)
        if self._free[kind] < 1:
            raise too_many_scheduled(kind)
        self._free[kind] -= 1


def wished(task: Task, wish: Wish, clock: Callable[[], datetime], room: Room) -> Values:
    """The task as the caller wants it; `clock` is asked only when its start is to change.

    Raises IllegalTransition, InvalidRequest, TooManyScheduled.
    """
    if wish.priority is not None and task.status in TERMINAL:
        raise refused(task.status, "reprioritised")
    run_after = task.run_after
    if wish.reschedules:
        if task.status != Status.PENDING:
            raise refused(task.status, "rescheduled")
        now = clock()
        # A start that has passed stays: it says since when the task waits.
        run_after = wish.run_after if wish.run_after and wish.run_after > now else min(task.run_after, now)
        check_start(run_after, task.deadline, now)
        if task.run_after <= now < run_after:
            room.take(task.kind)
    priority = task.priority if wish.priority is None else wish.priority
    return _values(task, priority, task.title if wish.title is None else wish.title, run_after, clock)


def hastened(task: Task, wishes: Sequence[Wish], now: datetime) -> Values:
    """An open task that these are submitted again for: the highest priority and, while it waits, the earliest start."""
    run_after = task.run_after
    if task.status == Status.PENDING:
        run_after = min([run_after, *(wish.run_after or now for wish in wishes)])
    priority = max([task.priority, *(wish.priority for wish in wishes if wish.priority is not None)])
    return _values(task, priority, task.title, run_after, lambda: now)


def checked_times(
    run_after: datetime | None, deadline: datetime | None, clock: Callable[[], datetime]
) -> tuple[datetime | None, datetime | None]:
    """A new task's start (None: at once) and its deadline. `clock` is asked only when one is given.

    Raises InvalidRequest when they are too far off, or the deadline too early.
    """
    if run_after is None and deadline is None:
        return None, None
    now = clock()
    if run_after is not None and run_after <= now:
        run_after = None
    errors: list[FieldError] = []
    if run_after and run_after > now + MAX_START:
        errors.append({"pointer": "/run_after", "detail": f"is more than {MAX_START.days} days ahead"})
    if deadline and deadline <= (run_after or now):
        errors.append({"pointer": "/deadline", "detail": "is not after run_after" if run_after else "is past"})
    elif deadline and deadline > now + MAX_DEADLINE:
        errors.append({"pointer": "/deadline", "detail": f"is more than {MAX_DEADLINE.days} days ahead"})
    if errors:
        raise InvalidRequest("; ".join(f"{error['pointer']} {error['detail']}" for error in errors), errors=errors)
    return run_after, deadline


def check_start(run_after: datetime, deadline: datetime | None, now: datetime) -> None:
    """Raises InvalidRequest unless a task with this deadline may be put off until then."""
    if run_after <= now:
        return
    if run_after > now + MAX_START:
        detail = f"is more than {MAX_START.days} days ahead; give an earlier time"
    elif deadline and run_after >= deadline:
        detail = f"is not before the task's deadline {_written(deadline)}; give an earlier time"
    else:
        return
    raise InvalidRequest(f"/run_after {detail}", errors=[{"pointer": "/run_after", "detail": detail}])


def refused(status: Status, what: str) -> IllegalTransition:
    """The task's status does not allow `what`: cancelled, resumed, reprioritised ..."""
    return IllegalTransition(
        f"a {status} task cannot be {what}", task_status=status, allowed_actions=allowed_actions(status)
    )


def missing(task_id: str) -> NotFound:
    return NotFound(f"there is no task {task_id}")


def too_many_scheduled(kind: str) -> TooManyScheduled:
    return TooManyScheduled(
        f"as many of your tasks of {kind} wait for a later start as may; cancel some, bring some forward, "
        "or submit without run_after"
    )


def _values(task: Task, priority: Priority, title: str, run_after: datetime, clock: Callable[[], datetime]) -> Values:
    detail: dict[str, list[str | None]] = {}
    if priority != task.priority:
        detail["priority"] = [task.priority.name, priority.name]
    if title != task.title:
        detail["title"] = [task.title, title]
    if run_after != task.run_after:
        now = clock()
        detail[RUN_AFTER] = [_start(task.run_after, now), _start(run_after, now)]
    return Values(priority, title, run_after, detail)


def _start(run_after: datetime, now: datetime) -> str | None:
    """None for a start that has come."""
    return _written(run_after) if run_after > now else None


def _written(moment: datetime) -> str:
    """As on the wire: RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
