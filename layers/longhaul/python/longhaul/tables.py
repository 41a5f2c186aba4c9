"""Many writes to a DynamoDB table at once: 25 a request, in no order, each on its own."""

from collections.abc import Iterable
from itertools import batched
from typing import TYPE_CHECKING

from longhaul import aws
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestOutputTypeDef, WriteRequestTypeDef

BATCH = 25  # writes of one request
TRIES = 3  # of what DynamoDB has left undone


def write_all(table: str, writes: Iterable["WriteRequestTypeDef"]) -> None:
    """Put or delete items of different keys. Never raises for DynamoDB: what was not written is logged as a warning."""
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
