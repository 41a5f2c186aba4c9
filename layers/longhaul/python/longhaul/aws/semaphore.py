"""How many may be at something at once, over all execution environments, and none while it keeps failing.

    with semaphore.held("llm:deepseek@api.example.com", limit=5, seconds=75):
        ask()

A slot is a lease in one item of DynamoDB. Taking it is one conditional write, giving it back another that tells how it
went: so failures in a row are counted over all environments and cost nothing more. A holder that is killed frees its
slot when its lease ends.

After FAILURES in a row nobody gets a slot for OPEN_SECONDS, then one at a time. While failures are in a row, and before
anything has succeeded, no more slots are given than failures are left: a provider that is down is asked FAILURES times
and then once each OPEN_SECONDS, however many callers come at once. A permanent error is an answer: the provider is
there.

Times are by the function's clock, which AWS keeps within milliseconds. DynamoDB being away for a whole WAIT_SECONDS
means allow and warn: the provider's own limit (429) is behind ours, and slow work is better than none.
"""

import random
import re
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.aws import dynamodb
from longhaul.aws.circuit import FAILURES, OPEN_SECONDS
from longhaul.errors import PermanentError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

WAIT_SECONDS = 5.0  # for a slot; who waits longer is better woken by the workflow's retries
MIN_PAUSE, MAX_PAUSE = 0.5, 2.0  # seconds between two looks; a model is at a request for longer
BUSY = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})
KEPT_SECONDS = 86_400  # what is known of a provider that nobody asks

_SLOT = re.compile(r"slot_(\d+)")  # of a lease; other versions may keep more in the item
_random = random.SystemRandom()


class Outcome(StrEnum):
    """How it went for a holder, as what it changes."""

    succeeded = "REMOVE #slot SET failures = :zero"
    failed = "REMOVE #slot SET failures = if_not_exists(failures, :zero) + :one, failed_at = :now"
    unknown = "REMOVE #slot"


@dataclass(frozen=True)
class Lease:
    """One slot of a provider, and who holds it: a text of the holder's own."""

    provider: str
    slot: int
    holder: str


@dataclass(frozen=True)
class Standing:
    """A provider's item at a moment: which slots are held, the failures in a row (None: nothing is known)."""

    held: frozenset[int] = frozenset()
    failures: int | None = None
    open_until: float = 0.0  # seconds since the epoch

    @classmethod
    def of(cls, item: dict[str, Any], now: float) -> "Standing":
        leases = {int(found[1]): item[name]["M"] for name in item if (found := _SLOT.fullmatch(name))}
        held = frozenset(slot for slot, lease in leases.items() if float(lease["held_until"]["N"]) >= now)
        if "failures" not in item:
            return cls(held)
        failures = int(item["failures"]["N"])
        return cls(held, failures, float(item["failed_at"]["N"]) + OPEN_SECONDS if failures >= FAILURES else 0.0)

    def allowed(self, limit: int, *, cautious: bool = True) -> int:
        """How many may hold a slot now, of `limit` when all is well. A cautious holder's provider may be down."""
        if not cautious or self.failures == 0:
            return limit
        return min(limit, max(1, FAILURES - (self.failures or 0)))

    def free(self, limit: int, *, cautious: bool = True) -> list[int]:
        """The slots that may be taken now."""
        if self.open_until > time.time() or len(self.held) >= self.allowed(limit, cautious=cautious):
            return []
        return [slot for slot in range(limit) if slot not in self.held]


def read(provider: str) -> Standing:
    """How the provider stands. Raises as DynamoDB's client does, here and below."""
    item = aws.client("dynamodb").get_item(TableName=_table(), Key=_key(provider)).get("Item", {})
    return Standing.of(item, time.time())


def take_any(
    provider: str, limit: int, seconds: float, *, likely: Collection[int] = (), cautious: bool = True
) -> tuple[Lease | None, Standing]:
    """Take one of the slots 0 to `limit` - 1. Return the lease, None when there is none, and how the provider stands.

    The first try is a guess, among the `likely` slots if given; a refusal says which slots are free.
    """
    lease = Lease(provider, _random.choice(tuple(likely) or range(limit)), secrets.token_hex(8))
    taken, standing = take(lease, limit, seconds, cautious=cautious)
    if not taken and (free := standing.free(limit, cautious=cautious)):
        lease = Lease(provider, _random.choice(free), lease.holder)
        taken, standing = take(lease, limit, seconds, cautious=cautious)
    return (lease if taken else None), standing


def take(lease: Lease, limit: int, seconds: float, *, cautious: bool = True) -> tuple[bool, Standing]:
    """Whether the slot is the holder's now, and how the provider stands then. For `cautious` see `Standing.allowed`."""
    now = time.time()
    values: dict[str, AttributeValueTypeDef] = {
        ":lease": {"M": {"holder": {"S": lease.holder}, "held_until": {"N": f"{now + seconds:.3f}"}}},
        ":now": {"N": f"{now:.3f}"},
        ":expires_at": {"N": str(int(now) + KEPT_SECONDS)},
    }
    try:
        answer = aws.client("dynamodb").update_item(
            TableName=_table(),
            Key=_key(lease.provider),
            UpdateExpression="SET #slot = :lease, expires_at = :expires_at",
            ConditionExpression="attribute_not_exists(#slot) OR #slot.held_until < :now",
            ExpressionAttributeNames={"#slot": f"slot_{lease.slot}"},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except aws.errors() as error:
        if aws.error_code(error) != "ConditionalCheckFailedException":
            raise
        return False, Standing.of(getattr(error, "response", {}).get("Item", {}), now)
    standing = Standing.of(answer["Attributes"], now)
    if standing.open_until <= now and len(standing.held) <= standing.allowed(limit, cautious=cautious):
        return True, standing
    give_back(lease, Outcome.unknown)  # it was one too many, and the others were first
    return False, standing


def give_back(lease: Lease, outcome: Outcome) -> None:
    """Free the slot and tell how it went; a warning when that cannot be told or the lease had ended. Never raises."""
    values: dict[str, AttributeValueTypeDef] = {
        ":holder": {"S": lease.holder},
        ":zero": {"N": "0"},
        ":one": {"N": "1"},
        ":now": {"N": f"{time.time():.3f}"},
    }
    try:
        answer = aws.client("dynamodb").update_item(
            TableName=_table(),
            Key=_key(lease.provider),
            UpdateExpression=outcome,
            ConditionExpression="#slot.holder = :holder",
            ExpressionAttributeNames={"#slot": f"slot_{lease.slot}"},
            ExpressionAttributeValues={name: values[name] for name in values if name == ":holder" or name in outcome},
            ReturnValues="ALL_NEW",
        )
    except aws.errors() as error:
        logger.warning("slot not given back", extra={"provider": lease.provider, "reason": str(error)})
        return
    if outcome is Outcome.failed and int(answer["Attributes"]["failures"]["N"]) >= FAILURES:
        logger.warning("provider left alone", extra={"provider": lease.provider, "seconds": OPEN_SECONDS})
        metrics.add_metric("CircuitOpened", MetricUnit.Count, 1)


@contextmanager
def held(name: str, limit: int, seconds: float) -> Iterator[None]:
    """One of the provider's `limit` slots while the block runs, `seconds` at most.

    Raises ProviderThrottled when none gets free within WAIT_SECONDS, ProviderUnavailable when the provider is left
    alone; `retry_after` says for how long. The same two are failures when they leave the block. A PermanentError is
    an answer. Any other error (of a database, of the function's time) says nothing about the provider.
    """
    lease = _take(name, limit, seconds)
    outcome = Outcome.unknown
    try:
        yield
        outcome = Outcome.succeeded
    except PermanentError:
        outcome = Outcome.succeeded
        raise
    except (ProviderThrottled, ProviderUnavailable):
        outcome = Outcome.failed
        raise
    finally:
        if lease is not None:
            give_back(lease, outcome)


def left_alone_until(name: str) -> datetime | None:
    """Until when nobody gets a slot of this provider, as it keeps failing; None when it may be asked. One read."""
    try:
        until = read(name).open_until
    except aws.errors() as error:
        logger.warning("slots not read", extra={"provider": name, "reason": str(error)})
        return None
    return datetime.fromtimestamp(until, UTC) if until > time.time() else None


def _take(name: str, limit: int, seconds: float) -> Lease | None:
    """A lease; None when DynamoDB is away, and then the caller may go on."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, MIN_PAUSE
    free: list[int] = []
    while not dynamodb.is_resting(_table()):
        lease, standing, away = _try(name, limit, seconds, free)
        if lease:
            return lease
        if (left := standing.open_until - time.time()) > 0:
            message = f"{name} failed {standing.failures} times in a row and is left alone"
            raise ProviderUnavailable(message, retry_after=left)
        if time.monotonic() + pause > deadline:
            _give_up(name, away)
            return None
        free = standing.free(limit)
        time.sleep(pause * _random.uniform(0.5, 1))
        pause = min(MAX_PAUSE, 2 * pause)
    return None


def _try(name: str, limit: int, seconds: float, free: list[int]) -> tuple[Lease | None, Standing, str]:
    """As `take_any`, and why DynamoDB did not say, if so: then all slots may be held."""
    try:
        return *take_any(name, limit, seconds, likely=free), ""
    except aws.errors() as error:
        away = "" if aws.error_code(error) in BUSY else str(error)
        return None, Standing(frozenset(range(limit))), away


def _give_up(name: str, away: str) -> None:
    """After the wait: ProviderThrottled, unless DynamoDB is away at its end, which is then left alone for a while."""
    if not away:
        metrics.add_metric("SlotsTaken", MetricUnit.Count, 1)
        raise ProviderThrottled(f"all slots of {name} are taken", retry_after=MAX_PAUSE)
    dynamodb.rest(_table())
    logger.warning("slots not limited", extra={"provider": name, "reason": away})


def _key(provider: str) -> "dict[str, AttributeValueTypeDef]":
    return {"circuit": {"S": f"slots:{provider}"}}


def _table() -> str:
    table: str = settings.of(settings.Breaker).breaker_table
    return table
