"""Marks: when something was last done or seen, in seconds since the epoch, kept in the cache's table.

    marks.claim("sync:7", "asked_at", every=30)      # True for one caller in 30 s, however many there are
    marks.write("sync:7", synced_at=time.time())
    cache.read(..., marks=["sync:7"]).marks["sync:7"]["synced_at"]

Like the cache a convenience: what a mark says can be found again from the rows. DynamoDB being away costs a warning,
and no claim holds then.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from longhaul import aws, settings
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Item = Mapping[str, AttributeValueTypeDef]
type Mark = Mapping[str, float]

KEPT_SECONDS = 86_400


def key_of(mark: str) -> str:
    """The mark's key; a cache entry's begins with a namespace, a generation's with @."""
    return f"!{mark}"


def mark_of(item: Item) -> Mark:
    return {name: float(value["N"]) for name, value in item.items() if "N" in value}


def claim(mark: str, what: str, *, every: float) -> bool:
    """Set the mark's `what` to now unless that was done in the last `every` seconds; whether it was set."""
    now = time.time()
    try:
        aws.client("dynamodb").update_item(
            TableName=_table(),
            Key={"pk": {"S": key_of(mark)}},
            UpdateExpression="SET #what = :now, expires_at = :expires_at",
            ConditionExpression="attribute_not_exists(#what) OR #what <= :before",
            ExpressionAttributeNames={"#what": what},
            ExpressionAttributeValues={
                ":now": {"N": repr(now)},
                ":before": {"N": repr(now - every)},
                ":expires_at": {"N": str(int(now) + KEPT_SECONDS)},
            },
        )
    except aws.errors() as error:
        if aws.error_code(error) != "ConditionalCheckFailedException":
            logger.warning("mark not claimed", extra={"mark": mark, "reason": str(error)})
        return False
    return True


def write(mark: str, **moments: float) -> None:
    """Set these of the mark's moments; the others stay."""
    values: dict[str, AttributeValueTypeDef] = {f":{name}": {"N": repr(moment)} for name, moment in moments.items()}
    values[":expires_at"] = {"N": str(int(time.time()) + KEPT_SECONDS)}
    try:
        aws.client("dynamodb").update_item(
            TableName=_table(),
            Key={"pk": {"S": key_of(mark)}},
            UpdateExpression="SET " + ", ".join(f"{name[1:]} = {name}" for name in values),
            ExpressionAttributeValues=values,
        )
    except aws.errors() as error:
        logger.warning("mark not written", extra={"mark": mark, "reason": str(error)})


def _table() -> str:
    name: str = settings.of(settings.Cache).cache_table
    return name
