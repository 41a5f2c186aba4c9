"""SQS as the pollers use it: three calls of its JSON protocol, without a thread a queue."""

import itertools
from typing import Any

import aiohttp

from local.model import REGION

WAIT_SECONDS = 10  # of a long poll
AT_MOST = 10  # messages a call
# moto reads the service from the credential's scope and checks no signature.
_AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0"
)


class QueueError(Exception):
    """SQS did not answer, or refused."""


class Queues:
    """All queues of the local AWS at `endpoint`."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self._endpoint = endpoint
        self._session = session

    async def receive(self, url: str, count: int, wait: int = WAIT_SECONDS) -> list[dict[str, Any]]:
        """Wait up to `wait` seconds for up to `count` messages (at most 10), with all their attributes."""
        answer = await self._call(
            "ReceiveMessage",
            {
                "QueueUrl": url,
                "MaxNumberOfMessages": min(count, AT_MOST),
                "WaitTimeSeconds": wait,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        """Delete messages that were received; tried again, since what is not deleted is worked on again."""
        for batch in itertools.batched(messages, AT_MOST, strict=False):
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
            "Authorization": _AUTHORIZATION,
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
