"""How many callers may be at a provider at once, over all environments, and none while it keeps failing.

    with slots.held("llm:deepseek@api.example.com", limit=5, seconds=75):
        ask()

Taking a slot is one conditional write, giving it back another that tells how it went (`longhaul.leases`): so the row of
failures is counted over all environments and costs nothing more. A holder that is killed frees its slot when its lease
ends.

After FAILURES in a row nobody gets a slot for OPEN_SECONDS, then one at a time. While failures are in a row, and before
anything has succeeded, no more slots are given than failures are left: a provider that is down is asked FAILURES times
and then once each OPEN_SECONDS, however many callers come at once. A permanent error is an answer: the provider is
there.

Times are by the function's clock, which AWS keeps within milliseconds. DynamoDB being away for a whole WAIT_SECONDS
means allow and warn: the provider's own limit (429) is behind ours, and slow work is better than none.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, leases
from longhaul.cache import REST_SECONDS
from longhaul.errors import PermanentError, ProviderThrottled, ProviderUnavailable, TransientError
from longhaul.leases import Lease, Outcome, Standing
from longhaul.observability import logger, metrics

WAIT_SECONDS = 5.0  # for a slot; who waits longer is better woken by the workflow's retries
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0  # seconds between two looks; a model is at a request for longer
BUSY = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})

_random = random.SystemRandom()


class _Memory:
    """Until when DynamoDB is left alone: one an execution environment."""

    rest_until = 0.0


@contextmanager
def held(name: str, limit: int, seconds: float) -> Iterator[None]:
    """One of the provider's `limit` slots while the block runs, `seconds` at most.

    Raises ProviderThrottled when none gets free within WAIT_SECONDS, ProviderUnavailable when the provider is left
    alone; `retry_after` says for how long. A TransientError that leaves the block is a failure of the provider.
    """
    lease = _take(name, limit, seconds)
    outcome = Outcome.unknown
    try:
        yield
        outcome = Outcome.succeeded
    except PermanentError:
        outcome = Outcome.succeeded
        raise
    except TransientError:
        outcome = Outcome.failed
        raise
    finally:
        if lease is not None:
            leases.give_back(lease, outcome)


def left_alone_until(name: str) -> datetime | None:
    """Until when nobody gets a slot of this provider, as it keeps failing; None when it may be asked. One read."""
    try:
        until = leases.read(name).open_until
    except aws.errors() as error:
        logger.warning("slots not read", extra={"provider": name, "reason": str(error)})
        return None
    return datetime.fromtimestamp(until, UTC) if until > time.time() else None


def _take(name: str, limit: int, seconds: float) -> Lease | None:
    """A lease; None when DynamoDB is away, and then the caller may go on."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, FIRST_PAUSE
    free, guessed = list(range(limit)), True
    while time.monotonic() >= _Memory.rest_until:
        lease = Lease(name, _random.choice(free or range(limit)), secrets.token_hex(8))
        taken, standing, away = _try(lease, limit, seconds)
        if taken:
            return lease
        if (left := standing.open_until - time.time()) > 0:
            message = f"{name} failed {standing.failures} times in a row and is left alone"
            raise ProviderUnavailable(message, retry_after=left)
        free = [slot for slot in range(limit) if slot not in standing.held]
        if guessed and free and len(standing.held) < standing.allowed(limit):
            guessed = False  # now it is known which are free
            continue
        if time.monotonic() + pause > deadline:
            _give_up(name, away)
            return None
        time.sleep(pause * _random.uniform(0.5, 1))
        pause, guessed = min(LONGEST_PAUSE, 2 * pause), True
    return None


def _try(lease: Lease, limit: int, seconds: float) -> tuple[bool, Standing, str]:
    """As `leases.take`, and why DynamoDB did not say, if so: then all slots may be held."""
    try:
        return *leases.take(lease, limit, seconds), ""
    except aws.errors() as error:
        away = "" if aws.error_code(error) in BUSY else str(error)
        return False, Standing(frozenset(range(limit))), away


def _give_up(name: str, away: str) -> None:
    """After the wait: ProviderThrottled, unless DynamoDB is away at its end, which is then left alone for a while."""
    if not away:
        metrics.add_metric("SlotsTaken", MetricUnit.Count, 1)
        raise ProviderThrottled(f"all slots of {name} are taken", retry_after=LONGEST_PAUSE)
    _Memory.rest_until = time.monotonic() + REST_SECONDS
    logger.warning("slots not limited", extra={"provider": name, "reason": away})
