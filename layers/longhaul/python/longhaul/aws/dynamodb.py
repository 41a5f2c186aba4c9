"""What DynamoDB's users share: many writes at once, and leaving a table alone for a while after it failed."""

import time
from collections.abc import Iterable
from itertools import batched
from typing import TYPE_CHECKING, ClassVar

from longhaul import aws
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestOutputTypeDef, WriteRequestTypeDef

BATCH = 25  # writes of one request
TRIES = 3  # of what DynamoDB has left undone
REST_SECONDS = 5.0


class _Memory:
    """Until when each table is left alone: one an execution environment, like the client it spares."""

    rests: ClassVar[dict[str, float]] = {}


def rest(table: str) -> None:
    """Leave the table alone for REST_SECONDS: it is away, and not every request should wait to find that out."""
    _Memory.rests[table] = time.monotonic() + REST_SECONDS


def is_resting(table: str) -> bool:
    """Whether the table failed within the last REST_SECONDS."""
    return time.monotonic() < _Memory.rests.get(table, 0.0)


def write_all(table: str, writes: Iterable["WriteRequestTypeDef"]) -> None:
    """Put or delete items of different keys, 25 a request, in no order, each on its own.

    Never raises for DynamoDB: what was not written is logged as a warning.
    """
    for some in batched(writes, BATCH, strict=False):
        left: list[WriteRequestTypeDef | WriteRequestOutputTypeDef] = list(some)
        try:
            for _ in range(TRIES):
                if not left:
                    break
                answer = aws.client("dynamodb").batch_write_item(RequestItems={table: left})
                left = list(answer["UnprocessedItems"].get(table, []))
        except aws.errors() as error:
            logger.warning("items not written", extra={"table": table, "items": len(left), "reason": str(error)})
            continue
        if left:
            logger.warning("items not written", extra={"table": table, "items": len(left), "reason": "left undone"})
