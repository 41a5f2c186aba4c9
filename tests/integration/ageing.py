"""A provider's slots as they would stand later: no test waits for it, so none depends on how fast the machine is."""

import re
from typing import Any

from longhaul import aws
from longhaul.aws import semaphore

MARGIN = 1.0  # seconds past the end of what is aged


def end_rest(provider: str) -> None:
    """Its last failure was more than OPEN_SECONDS ago: it may be tried again."""
    item = _read(provider)
    _set(provider, "#name", "failed_at", {"N": str(float(item["failed_at"]["N"]) - semaphore.OPEN_SECONDS - MARGIN)})


def end_leases(provider: str) -> None:
    """The time of every holder is over; none has given its slot back."""
    for name, lease in _read(provider).items():
        if re.fullmatch(r"slot_\d+", name):
            _set(provider, "#name.held_until", name, {"N": str(float(lease["M"]["held_until"]["N"]) - 3600)})


def _read(provider: str) -> dict[str, Any]:
    return aws.client("dynamodb").get_item(TableName="breaker", Key=_key(provider))["Item"]


def _set(provider: str, path: str, name: str, value: Any) -> None:
    aws.client("dynamodb").update_item(
        TableName="breaker",
        Key=_key(provider),
        UpdateExpression=f"SET {path} = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
    )


def _key(provider: str) -> dict[str, Any]:
    return {"circuit": {"S": f"slots:{provider}"}}
