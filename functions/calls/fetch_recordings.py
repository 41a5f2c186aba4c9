"""Copies recordings from the provider to the bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.messages import RecordingsMessage
from calls.recordings import fetch_recordings
from longhaul import settings
from longhaul.batches import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Cache,
    settings.Outbound,
    settings.Recordings,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event, RecordingsMessage, lambda hint: (hint.task_id, *hint.job_seqs), lambda hints: fetch_recordings(hints[0])
    )
