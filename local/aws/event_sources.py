"""SQS event sources: batches, windows, partial failures and concurrency as Lambda's own pollers have them.

Visibility and dead letters are the queue's: a failed message is left alone until its visibility timeout ends.
"""

import asyncio
import itertools
import json
import logging
import time
from typing import Any

import aiohttp

from local.iam import credentials
from local.runtime.limits import REQUEST_BYTES, Throttled
from local.runtime.runtime import Runtime
from local.template.model import REGION, QueueMapping

CONCURRENCY = 5  # batches at once of a mapping that declares no MaximumConcurrency
PAUSE, MAX_PAUSE = 0.2, 5.0  # seconds

WAIT_SECONDS = 10  # of a long poll
MAX_MESSAGES = 10  # of one request

log = logging.getLogger(__name__)


class QueueError(Exception):
    """SQS did not answer, or refused."""


class Queues:
    """SQS as a poller uses it: two actions of its JSON protocol, in the name of a function's role, without a thread."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession, role: str) -> None:
        self._endpoint = endpoint
        self._session = session
        self._signed = credentials.headers_of_role(role, "sqs")

    async def receive(self, url: str, count: int, wait: int = WAIT_SECONDS) -> list[dict[str, Any]]:
        """Wait up to `wait` seconds for up to `count` messages (at most 10), with all their attributes."""
        answer = await self._call(
            "ReceiveMessage",
            {
                "QueueUrl": url,
                "MaxNumberOfMessages": min(count, MAX_MESSAGES),
                "WaitTimeSeconds": wait,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        """Delete received messages, with retries: a message that is not deleted is worked on again."""
        for batch in itertools.batched(messages, MAX_MESSAGES, strict=False):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(batch)
            ]
            for last in (False, False, True):
                try:
                    await self._call("DeleteMessageBatch", {"QueueUrl": url, "Entries": entries})
                    break
                except QueueError:
                    if last:
                        raise

    async def _call(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {
            **self._signed,
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{action}",
        }
        timeout = aiohttp.ClientTimeout(total=WAIT_SECONDS + 20)
        try:
            async with self._session.post(self._endpoint, json=body, headers=headers, timeout=timeout) as answer:
                content: dict[str, Any] = await answer.json(content_type=None)
                if answer.status != 200:
                    raise QueueError(f"{action}: {answer.status} {content.get('message', content)}")
                return content
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise QueueError(f"{action}: {error!r}") from error


class Poller:
    """Carries one queue's messages to its function until it is cancelled."""

    def __init__(self, mapping: QueueMapping, url: str, arn: str, queues: Queues, runtime: Runtime) -> None:
        self._mapping = mapping
        self._url = url
        self._arn = arn
        self._queues = queues
        self._runtime = runtime
        self._semaphore = asyncio.Semaphore(mapping.concurrency or CONCURRENCY)

    async def run(self) -> None:
        pause = PAUSE
        async with asyncio.TaskGroup() as batches:
            while True:
                await self._semaphore.acquire()  # before receiving, so that no message waits and ages here
                try:
                    messages = await self._gather()
                    pause = PAUSE
                except QueueError as error:
                    messages = []
                    log.warning("polling %s: %s", self._mapping.queue, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, MAX_PAUSE)
                if messages:
                    batches.create_task(self._carry(messages))
                else:
                    self._semaphore.release()

    async def _gather(self) -> list[dict[str, Any]]:
        """Receive a batch, until it is full or its window, which starts with the first message, is over."""
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
            await self._run(messages)
        except Throttled:
            log.warning("%s is throttled; %d messages wait", self._mapping.function, len(messages))
            await asyncio.sleep(PAUSE)
        except QueueError as error:
            log.warning("after a batch of %s: %s", self._mapping.queue, error)
        finally:
            self._semaphore.release()

    async def _run(self, messages: list[dict[str, Any]]) -> None:
        """Run the function with the messages, or with half of them after the other if Lambda does not take them all."""
        event = {"Records": [record(message, self._arn) for message in messages]}
        payload = json.dumps(event, ensure_ascii=False).encode()
        if len(payload) > REQUEST_BYTES and (half := len(messages) // 2):
            await self._run(messages[:half])
            await self._run(messages[half:])
            return
        outcome = await self._runtime.invoke(self._mapping.function, payload)
        done = [] if outcome.failed else self._done(messages, outcome.payload)
        await self._queues.delete(self._url, done)

    def _done(self, messages: list[dict[str, Any]], payload: bytes) -> list[dict[str, Any]]:
        """Return the messages to delete. A malformed result fails the whole batch, as in the cloud."""
        if not self._mapping.partial:
            return messages
        try:
            result = json.loads(payload) or {}
            failures = {failure["itemIdentifier"] for failure in result.get("batchItemFailures") or ()}
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
