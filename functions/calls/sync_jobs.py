"""Brings blocks of jobs up to date with the provider."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.messages import SyncMessage
from calls.syncing import sync_blocks
from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.AnalyseQueue,
    settings.ProgressQueue,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
    settings.Calls,
    settings.Outbound,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event,
        SyncMessage,
        lambda message: (message.task_id, *message.blocks),
        lambda messages: sync_blocks(messages[0].task_id, messages[0].blocks),
    )
