"""Messages to SQS. A message is a hint (rows are the truth): one that is lost costs the time until the next sweep."""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from longhaul import aws
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH = 10  # messages of one request
LONGEST_DELAY = 900  # seconds


def send(url: str, messages: Sequence[BaseModel], *, delay: float = 0.0, **context: Any) -> None:
    """Send the messages, ten a request, to be received in `delay` seconds (SQS takes whole ones, to 900).

    Never raises for SQS: what was not sent is logged as a warning with `context`.
    """
    for some in batched(messages, BATCH, strict=False):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(number),
                "MessageBody": message.model_dump_json(exclude_none=True),
                "DelaySeconds": min(LONGEST_DELAY, round(delay)),
            }
            for number, message in enumerate(some)
        ]
        try:
            answer = aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        except aws.errors() as error:
            logger.warning("messages not sent", extra={"queue": url, "reason": str(error)} | context)
            continue
        if failed := answer.get("Failed"):
            reasons = sorted({entry["Code"] for entry in failed})
            logger.warning("messages not sent", extra={"queue": url, "reason": ", ".join(reasons)} | context)
