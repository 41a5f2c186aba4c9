"""Copies recordings from the provider to the bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.messages import RecordingsMessage
from calls.recordings import fetch_recordings
from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Cache,
    settings.Outbound,
    settings.Recordings,
    settings.RecordingsQueue,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event,
        RecordingsMessage,
        lambda message: (message.task_id, *message.job_seqs),
        lambda messages: fetch_recordings(messages[0]),
    )
