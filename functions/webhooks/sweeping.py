"""The sweep: what is due and has no message, and what nobody needs any more. Once a minute, in bounded batches."""

import time
from collections.abc import Callable

from longhaul import database
from longhaul.database import Session
from longhaul.observability import logger
from webhooks import delivery_store
from webhooks.recording import send

WEBHOOKS = 1_000  # that are begun with in one sweep; each success goes on with the next
ROWS = 1_000  # of one DELETE


def sweep(seconds: float = 20.0, clock: Callable[[], float] = time.monotonic) -> dict[str, int]:
    """Have one delivery of each webhook tried that is due, and delete for at most `seconds`. How many of each."""
    until = clock() + seconds
    with database.connection() as session:
        due = delivery_store.list_due(session, WEBHOOKS)
        send(due)
        deleted = 0
        for delete in (
            delivery_store.delete_condemned,
            delivery_store.delete_old,
            delivery_store.delete_idle_callbacks,
        ):
            deleted += _all(session, delete, lambda: clock() < until)
    swept = {"due": len(due), "deleted": deleted}
    logger.info("webhooks swept", extra=swept)
    return swept


def _all(session: Session, delete: Callable[[Session, int], int], in_time: Callable[[], bool]) -> int:
    deleted = 0
    while in_time():
        deleted += (some := delete(session, ROWS))
        if some < ROWS:
            break
    return deleted
