"""Trying deliveries: a few at once, each one POST, with what came of it in the rows.

A try begins with a lease, so no two try the same delivery at once. A worker that is killed, before the receiver has
answered or after, leaves a lease that ends: the delivery is due again and is posted again, with the same `webhook-id`.

No receiver is in another's way. A webhook that fails rests, and then gets one try at a time; a tenant has a bounded
number of tries under way; and of those that are not known to work few enough are under way that a worker is free.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import database
from longhaul.database import Session
from longhaul.observability import logger, metrics
from webhooks import delivery_store, endpoints, posting, store
from webhooks.delivery_store import Candidate, Due
from webhooks.model import (
    MAX_DOUBTFUL_TRIES,
    MAX_TENANT_TRIES,
    MAX_WEBHOOK_TRIES,
    Outcome,
    Secrets,
    rest_delay,
    retry_delay,
)
from webhooks.recording import send
from webhooks.signing import headers

LEASE_SECONDS = 45  # longer than the function may run
GRACE_SECONDS = 2.0  # for DNS, and whatever else is not the POST's own
CROWDED_SECONDS = 15.0  # until some of what is under way has ended
MAX_MESSAGE_DELAY = 900.0  # what is due later is the sweep's
NEXT = 2  # deliveries that a success starts: the webhook works
USER_AGENT = "Longhaul-Webhooks/1"

type Post = Callable[[str, bytes, dict[str, str]], Outcome]


class Leased(NamedTuple):
    """A try that may begin; `tries` counts it."""

    candidate: Candidate
    tries: int
    secrets: Secrets

    @property
    def due(self) -> Due:
        return Due(self.candidate.delivery_id, self.candidate.webhook.tenant_id)


def deliver(dues: Sequence[Due], *, post: Post = posting.post, seconds: float = posting.TRY_SECONDS) -> int:
    """Try those that may be tried now, side by side. How many succeeded.

    Raises DatabaseUnavailable: what was not noted then is tried again when its lease ends.
    """
    leased = [one for due in dict.fromkeys(dues) if (one := _lease(due))]
    succeeded = 0
    for one, outcome in _tried(leased, post, seconds + GRACE_SECONDS):
        _note(one, outcome)
        succeeded += outcome.succeeded
    return succeeded


def _lease(due: Due) -> Leased | None:
    """None: it is not due any more, or there is no room for it now: a success, or the sweep, comes back to it."""

    def take(tx: Session) -> Leased | bool:
        own = store.lock_tenant(tx, due.tenant_id)
        candidate = delivery_store.fetch_due(tx, due)
        if candidate is None or own is None or candidate.of_webhook >= _most(candidate):
            return False
        if _crowded(candidate):
            return True
        if not delivery_store.lease(tx, due.delivery_id, LEASE_SECONDS):
            return False
        return Leased(candidate, candidate.tries + 1, candidate.webhook.secrets or own)

    taken = database.run_transaction(take)
    if taken is True:
        send([due], delay=CROWDED_SECONDS)
    return taken if isinstance(taken, Leased) else None


def _most(candidate: Candidate) -> int:
    """How many tries of its webhook may be under way."""
    return MAX_WEBHOOK_TRIES if candidate.webhook.works else 1


def _crowded(candidate: Candidate) -> bool:
    if candidate.of_tenant >= MAX_TENANT_TRIES:
        return True
    return not candidate.webhook.works and candidate.of_doubtful >= MAX_DOUBTFUL_TRIES


def _tried(leased: Sequence[Leased], post: Post, seconds: float) -> Iterator[tuple[Leased, Outcome]]:
    """Each with its outcome, in the order in which they come. What has none in time is late: DNS knows no bound."""
    if not leased:
        return
    pool = ThreadPoolExecutor(len(leased), thread_name_prefix="try")
    running = {pool.submit(_post, one, post): one for one in leased}
    left = dict(running)
    try:
        for done in as_completed(running, timeout=seconds):
            yield left.pop(done), done.result()
    except TimeoutError:
        late = Outcome(error=posting.LATE, latency_ms=round(seconds * 1000))
        yield from ((one, late) for one in left.values())
    finally:
        pool.shutdown(wait=False)


def _post(one: Leased, post: Post) -> Outcome:
    candidate, body = one.candidate, one.candidate.body.encode()
    signed = headers(candidate.delivery_id, int(time.time()), body, one.secrets.at(candidate.now))
    # Not application/cloudevents+json: what reads JSON in most frameworks does so by this type only.
    sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
    return post(candidate.webhook.url, body, sent)


def _note(one: Leased, outcome: Outcome) -> None:
    webhook, delivery_id = one.candidate.webhook, one.candidate.delivery_id
    context = {"delivery_id": delivery_id, "webhook_id": webhook.webhook_id, "tries": one.tries}
    if outcome.succeeded:
        database.run_transaction(lambda tx: delivery_store.note_success(tx, delivery_id, webhook.webhook_id, outcome))
        logger.info("delivered", extra=context | {"status_code": outcome.status_code, "ms": outcome.latency_ms})
        with database.connection() as session:
            waiting = delivery_store.list_next(session, webhook.webhook_id, NEXT)
        if waiting:
            send(waiting)
        return
    delay, rest = retry_delay(one.tries, outcome), rest_delay(webhook.failures + 1, outcome)
    database.run_transaction(
        lambda tx: delivery_store.note_failure(
            tx, delivery_id, webhook.webhook_id, outcome, tries=one.tries, delay=delay, rest=rest
        )
    )
    logger.warning("not delivered", extra=context | {"reason": outcome.error, "next_in": delay})
    if delay is not None and (later := math.ceil(max(delay, rest))) <= MAX_MESSAGE_DELAY:
        send([one.due], delay=later)
    _tell_if_disabled(one)


def _tell_if_disabled(one: Leased) -> None:
    webhook = one.candidate.webhook
    with database.connection() as session:
        now = store.fetch(session, webhook.tenant_id, webhook.webhook_id)
    if now is None or now.disabled_at is None:
        return
    logger.error("webhook disabled", extra={"webhook_id": now.webhook_id, "reason": now.disabled_reason})
    metrics.add_metric(name="WebhookDisabled", unit=MetricUnit.Count, value=1)
    if not now.task_callback:
        endpoints.tell(now.tenant_id)
