"""Delivery: notices on their way from the queue to each connection that subscribes to one of their topics.

Connections are posted to beside each other. One that is gone is forgotten with its subscriptions; one that does not
read, or whose token has expired, is closed: a client that connects again gets what it has missed.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, lifetime
from longhaul.errors import AwsUnavailable
from longhaul.observability import logger, metrics
from longhaul.tasks.notices import PROGRESS, Addressed, AlertData, Delivery
from sockets import posts, store
from sockets.model import Connection, Topic
from sockets.posts import Outcome

RESERVED_SECONDS = 1.5  # of the function's time, to say what was not posted
MAX_SECONDS = 8.0
READS = 3  # tries

type Address = tuple[str, Topic]


@dataclass
class Letter:
    """What one connection is sent, each notice once, and by which of its subscriptions."""

    frames: dict[str, bytes] = field(default_factory=dict)
    topics: set[Topic] = field(default_factory=set)


class NotAllPosted(Exception):
    """Some connections were not posted to; the message will come again."""


def deliver(deliveries: Sequence[Delivery]) -> None:
    """Post the notices. Raises NotAllPosted when someone may have missed one: then all are to be posted again.

    Whoever gets one twice can tell by its `sequence`.
    """
    deadline = time.monotonic() + min(MAX_SECONDS, lifetime.seconds_left() - RESERVED_SECONDS)
    letters = _letters(current(notice for delivery in deliveries for notice in delivery.notices))
    futures = [_threads().submit(_post, connection, letter, deadline) for connection, letter in letters.items()]
    done, late = wait(futures, timeout=max(0.0, deadline - time.monotonic()))
    for future in late:
        future.cancel()
    outcomes = [future.result() for future in done]
    posted = outcomes.count(Outcome.posted)
    metrics.add_metric("ConnectionsPosted", MetricUnit.Count, posted)
    failed = outcomes.count(Outcome.failed) + len(late)
    if len(outcomes) > posted or failed:
        counts = {str(outcome): outcomes.count(outcome) for outcome in Outcome}
        logger.info("not all connections were posted to", extra=counts | {"late": len(late)})
    if failed:
        raise NotAllPosted(f"{failed} of {len(letters)} connections were not posted to")


def current(notices: Iterable[Addressed]) -> list[Addressed]:
    """Each once, in the order of their tasks' lives, without progress that a later notice of its task makes old."""
    found = {(one.tenant_id, one.notice.subject, one.notice.sequence, one.notice.type): one for one in notices}
    newest: dict[tuple[str, str], str] = {}
    for tenant_id, task_id, sequence, _ in found:
        newest[tenant_id, task_id] = max(sequence, newest.get((tenant_id, task_id), ""))
    kept = [
        one
        for (tenant_id, task_id, sequence, kind), one in found.items()
        if kind != PROGRESS or sequence == newest[tenant_id, task_id]
    ]
    return sorted(kept, key=lambda one: one.notice.sequence)


def _letters(notices: Sequence[Addressed]) -> dict[Connection, Letter]:
    """What each connection is sent. Raises AwsUnavailable."""
    addresses = list(dict.fromkeys(address for one in notices for address in _addresses(one)))
    found = dict(zip(addresses, _all(addresses), strict=True))
    letters: dict[Connection, Letter] = defaultdict(Letter)
    for one in notices:
        frame = one.notice.model_dump_json().encode()
        for address in _addresses(one):
            for connection in found[address]:
                letters[connection].frames[f"{one.notice.subject} {one.notice.id} {one.notice.type}"] = frame
                letters[connection].topics.add(address[1])
    return letters


def _addresses(one: Addressed) -> Iterator[Address]:
    if isinstance(one.notice.data, AlertData):
        yield one.tenant_id, Topic("alerts")
        return
    yield one.tenant_id, Topic("task_id", one.notice.subject)
    yield one.tenant_id, Topic("kind", one.notice.data.kind)
    yield one.tenant_id, Topic("all")


def _all(addresses: Sequence[Address]) -> list[list[Connection]]:
    """Read who subscribes to each, beside each other. Raises AwsUnavailable.

    The clients are made before: boto3's session is not for several threads.
    """
    aws.client("dynamodb")
    posts.prepare()
    futures: list[Future[list[Connection]]] = [_threads().submit(_subscribers, *address) for address in addresses]
    return [future.result() for future in futures]


def _subscribers(tenant_id: str, topic: Topic) -> list[Connection]:
    """Asked some times: what is not read now is told a minute later."""
    for _ in range(READS - 1):
        try:
            return store.list_subscribers(tenant_id, topic)
        except AwsUnavailable:
            time.sleep(posts.PAUSE)
    return store.list_subscribers(tenant_id, topic)


def _post(connection: Connection, letter: Letter, deadline: float) -> Outcome:
    """Post to one connection. One that cannot be posted to is closed: the others need not be posted to again for it.

    `failed`: not even that was possible, and the API may be away.
    """
    if time.monotonic() > deadline:
        return Outcome.failed
    frames = [*letter.frames.values()]
    outcome = Outcome.slow if connection.has_expired else posts.post(connection.connection_id, frames)
    if outcome in (Outcome.slow, Outcome.failed):
        closed = posts.close(connection.connection_id)
        outcome = Outcome.slow if closed in (Outcome.posted, Outcome.gone) else Outcome.failed
    if outcome in (Outcome.gone, Outcome.slow):
        _forget(connection, letter)
    return outcome


def _forget(connection: Connection, letter: Letter) -> None:
    """What is left of it when DynamoDB is away goes with the next notice."""
    try:
        store.remove_connection(connection, *letter.topics)
    except AwsUnavailable as error:
        logger.warning("connection not forgotten", extra={"reason": str(error)})


@cache
def _threads() -> ThreadPoolExecutor:
    """Kept between calls, like their connections to API Gateway."""
    return ThreadPoolExecutor(posts.AT_ONCE, thread_name_prefix="posts")
