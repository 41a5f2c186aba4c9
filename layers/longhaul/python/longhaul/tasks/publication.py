"""Publication: each notice reaches the channels that listen, from the commit of its transition on.

A transition's notice is its event's row, written in the transition's own transaction, and unsent until it was given to
each channel that listens to the task's tenant. Whoever dies between leaves a row that `sweep` finds: nothing is lost.
Notices of progress, and of new tasks, are hints. They have no row, go to sockets only, and may be lost.

    lifecycle -> announce -> notices queue -> publish -> the queue of each channel -> whoever listens
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

from longhaul import database, settings, tracing
from longhaul.aws import sqs
from longhaul.cache import debounce
from longhaul.database import Session, queries
from longhaul.errors import DatabaseUnavailable
from longhaul.observability import logger
from longhaul.tasks import store
from longhaul.tasks.model import Task
from longhaul.tasks.notices import (
    IDS,
    PER_MESSAGE,
    PROGRESS,
    STATE,
    SUBMITTED,
    Addressed,
    Announcement,
    Channel,
    Delivery,
    Notice,
    addressed,
    event_of,
    hint,
    sequence_of,
)

_queries = queries.load(__file__)

HINT_SECONDS = 0.5  # of one task there is a notice of progress at most so often
BATCH = 100  # notices that are published at once
SWEEP_SECONDS, SWEPT = 10, 1_000  # what is unsent for so long was forgotten; at most so many tasks a sweep
MAX_BEHIND = 10_000  # events, of all tenants, that are read for one who comes back
MAX_REPLAYED = 200  # notices


def announce(tasks: Sequence[Task], *, heard: bool | None = None) -> None:
    """Have the unsent notices of these tasks published, once they are committed. Never raises: `sweep` finds them.

    A new task has none. Its submission is a hint, for sockets. `heard`: whether those of one new task's tenant listen,
    when that is known.
    """
    changed = [task.task_id for task in tasks if not task.is_new]
    new = [task for task in tasks if task.is_new]
    if heard is not None and not changed:
        _send([], [hint(SUBMITTED, task, 0, tracing.current.get()) for task in new if heard])
        return
    try:
        with database.connection() as session:
            unsent = [row["task_id"] for some in batched(changed, IDS, strict=False) for row in _unsent(session, some)]
            hearing = {
                tenant for tenant in {task.tenant_id for task in new} if is_heard(session, tenant, Channel.SOCKETS)
            }
    except DatabaseUnavailable as error:
        logger.warning("notices not announced", extra={"tasks": len(tasks), "reason": str(error)})
        return
    _send(unsent, [hint(SUBMITTED, task, 0, tracing.current.get()) for task in new if task.tenant_id in hearing])


def announce_progress(task: Task) -> None:
    """Tell sockets how far the task is, twice a second at most. Never raises."""
    try:
        with database.connection() as session:
            last = _queries.find_last_event(
                session, task_id=task.task_id, tenant_id=task.tenant_id, channel=Channel.SOCKETS
            )
    except DatabaseUnavailable as error:
        logger.warning("progress not announced", extra=task.log_context | {"reason": str(error)})
        return
    if last["event_id"] and debounce.claim(f"notice:{task.task_id}", "told_at", every=HINT_SECONDS):
        _send([], [hint(PROGRESS, task, last["event_id"], last["traceparent"])])


def publish(task_ids: Iterable[str], hints: Sequence[Addressed] = ()) -> int:
    """Give the unsent notices of these tasks, and the hints, to the channels that listen. Returns how many.

    What could not be sent stays unsent. Raises DatabaseUnavailable.
    """
    queue = settings.of(settings.Channels)
    published = 0
    if hints:
        published += len(hints) * _deliver(queue, Channel.SOCKETS, hints)
    for some in batched(sorted(set(task_ids)), IDS, strict=False):
        while rows := _list_unsent(some):
            by_channel: dict[str, list[Addressed]] = defaultdict(list)
            for row in rows:
                for channel in (row["channels"] or "").split(","):
                    by_channel[channel].append(addressed(row))
            by_channel.pop("", None)  # nobody listens any more
            if not all(_deliver(queue, Channel(channel), notices) for channel, notices in by_channel.items()):
                break
            with database.connection() as session:
                _queries.mark_sent(session, ids=[row["id"] for row in rows])
            published += len(rows)
    return published


def deliver(notices: Sequence[Addressed]) -> bool:
    """Give notices, whose rows are somebody else's, to the channels that listen. Whether all were sent.

    Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        rows = _queries.list_listeners(session, tenant_ids=sorted({one.tenant_id for one in notices}) or [""])
    queues = settings.of(settings.Channels)
    sent = [
        _deliver(queues, channel, some)
        for channel in Channel
        if (some := [one for one in notices if {"tenant_id": one.tenant_id, "channel": channel} in rows])
    ]
    return all(sent)


def sweep() -> int:
    """Publish what was left unsent: its writer, or its message, is gone. Returns how many notices."""
    with database.connection() as session:
        left = [row["task_id"] for row in _queries.find_left_unsent(session, seconds=SWEEP_SECONDS, limit=SWEPT)]
    return publish(left)


def since(tenant_id: str, sequence: str, *, task_id: str | None = None, kind: str | None = None) -> list[Notice] | None:
    """The tenant's notices after this one: of one task, of a kind, or of all. None: too many; read the tasks anew.

    Of several tasks' notices some may come twice, as transactions may commit in another order than they began.
    Raises ValueError for a `sequence` that is none, DatabaseUnavailable.
    """
    after = event_of(sequence)
    with database.connection() as session:
        if task_id is not None:
            rows = _queries.list_notices_of_task(
                session, tenant_id=tenant_id, task_id=task_id, after_id=after, limit=MAX_REPLAYED + 1
            )
        else:
            newest: int = _queries.find_newest_event(session)
            if newest - after > MAX_BEHIND:
                return None
            rows = _queries.list_notices_of_tenant(
                session,
                tenant_id=tenant_id,
                any_kind=kind is None,
                kind=kind,
                after_id=max(0, after - MAX_REPLAYED),
                last_id=newest,
                limit=2 * MAX_REPLAYED + 1,
            )
    notices = [addressed(row).notice for row in rows]
    return notices if len(notices) <= (MAX_REPLAYED if task_id is not None else 2 * MAX_REPLAYED) else None


def state(tenant_id: str, task_id: str) -> Notice | None:
    """The task as it is now, as a notice behind its last event; None without such a task of the tenant.

    The event is read first, so that nothing is newer than the notice says. Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        last: int = _queries.find_last_event_of_task(session, task_id=task_id)
        task = store.fetch_to_show(session, task_id, tenant_id)
    return hint(STATE, task, last, None).notice if task is not None else None


def newest_sequence() -> str:
    """That of the newest event of all. Who listens from now on has missed nothing after it.

    Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        return sequence_of(_queries.find_newest_event(session))


def listen(session: Session, tenant_id: str, channel: Channel, *, seconds: int | None = None) -> None:
    """From now on this channel is given the tenant's notices: for so long, or (None) until `stop_listening`."""
    _queries.listen(session, tenant_id=tenant_id, channel=channel, seconds=seconds)


def stop_listening(session: Session, tenant_id: str, channel: Channel) -> None:
    """It may still be given some that were written before."""
    _queries.stop_listening(session, tenant_id=tenant_id, channel=channel)


def is_heard(session: Session, tenant_id: str, channel: Channel) -> bool:
    return bool(_queries.is_heard(session, tenant_id=tenant_id, channel=channel))


def _unsent(session: Session, task_ids: Sequence[str]) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = _queries.find_unsent(session, task_ids=list(task_ids))
    return rows


def _list_unsent(task_ids: Sequence[str]) -> Sequence[dict[str, Any]]:
    with database.connection() as session:
        rows: Sequence[dict[str, Any]] = _queries.list_unsent(session, task_ids=list(task_ids), limit=BATCH)
    return rows


def _send(task_ids: Sequence[str], hints: Sequence[Addressed]) -> None:
    announcements = [Announcement(task_ids=list(some)) for some in batched(task_ids, IDS, strict=False)]
    announcements += [Announcement(hints=list(some)) for some in batched(hints, PER_MESSAGE, strict=False)]
    if announcements:
        sqs.send(settings.of(settings.NoticesQueue).notices_queue_url, announcements)


def _deliver(queues: settings.Channels, channel: Channel, notices: Sequence[Addressed]) -> bool:
    """Whether all were sent to the channel's queue. One task's stay in one message as far as they fit."""
    url: str = getattr(queues, f"{channel}_queue_url")
    return sqs.send(url, [Delivery(notices=list(some)) for some in batched(notices, PER_MESSAGE, strict=False)])
