"""Which requests may be held open: a place for each one that waits, counted over all environments.

    with waiting.place("acme", seconds=25) as held:
        ...  # wait if `held`, answer at once if not

A request that waits keeps one execution of its function busy, and so all of them would keep everybody else out. There
are `waits_per_tenant` places for a tenant and `waits_at_once` for all tenants and functions together: fewer than may
run at once, so that there is always room for what does not wait. A place is a lease (`longhaul.aws.semaphore`), which
ends by itself when its holder was killed.

DynamoDB being away means that nobody waits: an answer now costs the caller a question more, and a wait that nobody
counts may cost others their answer.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.aws import dynamodb, semaphore
from longhaul.aws.semaphore import Lease, Outcome
from longhaul.observability import logger, metrics
from longhaul.timing import timings

FULL_SECONDS = 1.0  # for so long an environment believes that there is no place
KEPT_NAMES = 1_000  # of which an environment remembers that
ALL = "waits"


class _Memory:
    """What an execution environment knows: until when it takes places for full."""

    full_until: ClassVar[dict[str, float]] = {}


@contextmanager
def place(tenant_id: str, seconds: float) -> Iterator[bool]:
    """Hold a place while the block runs, for `seconds` at most; yield False when there is none. Never raises itself.

    `seconds` is how long the function may still run: a place must not be free while its holder is at work.
    """
    held = _take(tenant_id, seconds)
    timings.held = timings.held or bool(held)
    try:
        yield bool(held)
    finally:
        for lease in held:
            semaphore.give_back(lease, Outcome.unknown)


def _take(tenant_id: str, seconds: float) -> list[Lease]:
    """A place among the tenant's and one among all, or none. The tenant's first: its own crowd does not reach all."""
    limits = settings.of(settings.Waits)
    wanted = {f"{ALL}:{tenant_id}": limits.waits_per_tenant, ALL: limits.waits_at_once}
    held: list[Lease] = []
    if 0 not in wanted.values() and not _known_full(wanted) and not dynamodb.is_resting(limits.breaker_table):
        for name, limit in wanted.items():
            if (lease := _take_one(name, limit, seconds)) is None:
                break
            held.append(lease)
    if len(held) == len(wanted):
        return held
    metrics.add_metric("WaitsRefused", MetricUnit.Count, 1)
    for lease in held:
        semaphore.give_back(lease, Outcome.unknown)
    return []


def _known_full(names: Iterable[str]) -> bool:
    """Whether nobody need be asked: so a crowd that comes again and again costs next to nothing."""
    return time.monotonic() < max(_Memory.full_until.get(name, 0.0) for name in names)


def _take_one(name: str, limit: int, seconds: float) -> Lease | None:
    now = time.monotonic()
    try:
        lease, _ = semaphore.take_any(name, limit, seconds, cautious=False)
    except aws.errors() as error:
        dynamodb.rest(settings.of(settings.Waits).breaker_table)
        logger.warning("not waited", extra={"reason": str(error)})
        return None
    if lease is None:
        if len(_Memory.full_until) >= KEPT_NAMES:
            _Memory.full_until.clear()
        _Memory.full_until[name] = now + FULL_SECONDS
    return lease
