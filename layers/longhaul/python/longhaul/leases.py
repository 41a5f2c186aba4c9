"""A provider's item in DynamoDB: a lease for each slot that is held, and how many holders in a row have failed."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.breaker import FAILURES, OPEN_SECONDS
from longhaul.observability import logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 86_400  # what is known of a provider that nobody asks


class Outcome(StrEnum):
    """How it went for a holder, as what it changes."""

    succeeded = "REMOVE #slot SET failures = :zero"
    failed = "REMOVE #slot SET failures = if_not_exists(failures, :zero) + :one, failed_at = :now"
    unknown = "REMOVE #slot"


@dataclass(frozen=True, slots=True)
class Lease:
    """One slot of a provider, and who holds it: a text of the holder's own."""

    provider: str
    slot: int
    holder: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A provider's item at a moment: which slots are held, the failures in a row (None: nothing is known)."""

    held: frozenset[int] = frozenset()
    failures: int | None = None
    open_until: float = 0.0  # seconds since the epoch

    @classmethod
    def of(cls, item: dict[str, Any], now: float) -> "Standing":
        leases = {int(name.removeprefix("slot_")): item[name]["M"] for name in item if name.startswith("slot_")}
        held = frozenset(slot for slot, lease in leases.items() if float(lease["held_until"]["N"]) >= now)
        if "failures" not in item:
            return cls(held)
        failures = int(item["failures"]["N"])
        return cls(held, failures, float(item["failed_at"]["N"]) + OPEN_SECONDS if failures >= FAILURES else 0.0)

    def allowed(self, limit: int) -> int:
        """How many may hold a slot now, of `limit` when all is well."""
        return limit if self.failures == 0 else min(limit, max(1, FAILURES - (self.failures or 0)))


def read(provider: str) -> Standing:
    """How the provider stands. Raises as DynamoDB's client does, here and below."""
    item = aws.client("dynamodb").get_item(TableName=_table(), Key=_key(provider)).get("Item", {})
    return Standing.of(item, time.time())


def take(lease: Lease, limit: int, seconds: float) -> tuple[bool, Standing]:
    """Whether the slot is the holder's now, and how the provider stands then."""
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
    if standing.open_until <= now and len(standing.held) <= standing.allowed(limit):
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


def _key(provider: str) -> "dict[str, AttributeValueTypeDef]":
    return {"circuit": {"S": f"slots:{provider}"}}


def _table() -> str:
    table: str = settings.of(settings.Breaker).breaker_table
    return table
