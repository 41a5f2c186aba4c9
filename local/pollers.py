"""SQS event sources: batches, windows, partial answers and concurrency as Lambda's own pollers have them.

Visibility and dead letters are the queue's: a message that failed is left alone until its visibility timeout ends.
"""

import asyncio
import json
import logging
import time
from typing import Any

from local.model import REGION, QueueMapping
from local.outcomes import Throttled
from local.queues import QueueError, Queues
from local.runtime import Runtime

AT_ONCE = 5  # batches of a mapping that declares no MaximumConcurrency
PAUSE, LONGEST_PAUSE = 0.2, 5.0

log = logging.getLogger(__name__)


class Poller:
    """Carries one queue's messages to its function until it is cancelled."""

    def __init__(self, mapping: QueueMapping, url: str, arn: str, queues: Queues, runtime: Runtime) -> None:
        self._mapping = mapping
        self._url = url
        self._arn = arn
        self._queues = queues
        self._runtime = runtime
        self._slots = asyncio.Semaphore(mapping.concurrency or AT_ONCE)

    async def run(self) -> None:
        pause = PAUSE
        async with asyncio.TaskGroup() as batches:
            while True:
                await self._slots.acquire()  # only then receive: a message never waits here while it ages
                try:
                    messages = await self._gather()
                    pause = PAUSE
                except QueueError as error:
                    messages = []
                    log.warning("polling %s: %s", self._mapping.queue, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                if messages:
                    batches.create_task(self._carry(messages))
                else:
                    self._slots.release()

    async def _gather(self) -> list[dict[str, Any]]:
        """Receive a batch: until it is full, or the window since its first message is over."""
        size, messages = self._mapping.batch_size, await self._queues.receive(self._url, self._mapping.batch_size)
        deadline = time.monotonic() + self._mapping.window
        while messages and len(messages) < size and time.monotonic() < deadline:
            more = await self._queues.receive(self._url, size - len(messages), wait=0)
            messages += more
            if not more:
                await asyncio.sleep(min(0.1, max(0.0, deadline - time.monotonic())))
        return messages

    async def _carry(self, messages: list[dict[str, Any]]) -> None:
        try:
            event = {"Records": [record(message, self._arn) for message in messages]}
            payload = json.dumps(event, ensure_ascii=False).encode()
            outcome = await self._runtime.invoke(self._mapping.function, payload)
            done = [] if outcome.failed else self._done(messages, outcome.payload)
            await self._queues.delete(self._url, done)
        except Throttled:
            log.warning("%s is throttled; %d messages wait", self._mapping.function, len(messages))
            await asyncio.sleep(PAUSE)
        except QueueError as error:
            log.warning("after a batch of %s: %s", self._mapping.queue, error)
        finally:
            self._slots.release()

    def _done(self, messages: list[dict[str, Any]], payload: bytes) -> list[dict[str, Any]]:
        """Return the messages to delete. An answer that makes no sense fails the batch, as in the cloud."""
        if not self._mapping.partial:
            return messages
        try:
            answer = json.loads(payload) or {}
            failures = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or ()}
        except (ValueError, TypeError, KeyError, AttributeError):
            failures = {""}
        if failures - {message["MessageId"] for message in messages}:
            return []
        return [message for message in messages if message["MessageId"] not in failures]


def record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return an SQS message as the record that Lambda gives a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "stringValue": attribute.get("StringValue"),
                "binaryValue": attribute.get("BinaryValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody"),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
