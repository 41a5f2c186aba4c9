"""Batches from SQS: parsed, grouped, handled a group at a time, with the failed messages reported one by one.

Powertools' BatchProcessor hands over one record at a time; here the messages of one task are one piece of work.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any

from pydantic import BaseModel, ValidationError

from longhaul.observability import logger


def handle_batch[M: BaseModel](
    event: dict[str, Any], model: type[M], group: Callable[[M], Hashable], handle: Callable[[list[M]], object]
) -> dict[str, list[dict[str, str]]]:
    """Call `handle` with each group's messages, in the order received.

    A message that cannot be parsed, and those of a group that raised, are reported back: SQS delivers them again, and
    to the dead-letter queue in the end, while the others are done with.
    """
    failed: list[str] = []
    groups: dict[Hashable, list[tuple[str, M]]] = defaultdict(list)
    for record in event["Records"]:
        try:
            message = model.model_validate_json(record["body"])
        except ValidationError as error:
            logger.error("message cannot be read", extra={"message_id": record["messageId"], "reason": str(error)})
            failed.append(record["messageId"])
        else:
            groups[group(message)].append((record["messageId"], message))
    for members in groups.values():
        try:
            handle([message for _, message in members])
        except Exception:  # whatever it was, the other groups go on
            logger.exception("messages not handled", extra={"messages": len(members)})
            failed.extend(message_id for message_id, _ in members)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
