"""Messages over SQS: sent in requests of what SQS takes at once, received in batches.

A message is a hint, as rows are the truth: one that is lost costs the time until the next sweep.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from longhaul import aws
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH = 10  # messages of one request
MAX_REQUEST_BYTES = 256 * 1024  # of one request's messages: what the queues of every account take
MAX_DELAY = 900  # seconds


def send(url: str, messages: Sequence[BaseModel], *, delay: float = 0.0, **context: Any) -> bool:
    """Send the messages, as few requests as may be, to be received in `delay` seconds (SQS takes whole ones, to 900).

    Returns whether all were sent. Never raises for SQS: what was not sent is logged as a warning with `context`.
    """
    sent = True
    bodies = (message.model_dump_json(exclude_none=True) for message in messages)
    for some in requests(bodies, lambda body: len(body.encode())):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": min(MAX_DELAY, round(delay))}
            for number, body in enumerate(some)
        ]
        try:
            answer = aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        except aws.errors() as error:
            logger.warning("messages not sent", extra={"queue": url, "reason": str(error)} | context)
            sent = False
            continue
        if failed := answer.get("Failed"):
            reasons = sorted({entry["Code"] for entry in failed})
            logger.warning("messages not sent", extra={"queue": url, "reason": ", ".join(reasons)} | context)
            sent = False
    return sent


def requests[T](messages: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Cut messages, in their order, into what one SendMessageBatch takes: BATCH of them, MAX_REQUEST_BYTES together.

    `size` gives a message's bytes: its body's and its attributes' names, types and values. One that alone has more than
    a request takes is a request by itself, which SQS may refuse without the others.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    """
    some: list[T] = []
    room = MAX_REQUEST_BYTES
    for message in messages:
        needed = size(message)
        if some and (len(some) == BATCH or needed > room):
            yield some
            some, room = [], MAX_REQUEST_BYTES
        some.append(message)
        room -= needed
    if some:
        yield some


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
