"""Asks the provider how blocks of jobs stand, and stores what has changed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.messages import SyncMessage
from calls.syncing import sync_blocks
from longhaul import settings
from longhaul.batches import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.AnalyseQueue,
    settings.ProgressQueue,
    settings.DispatchQueue,
    settings.Live,
    settings.Calls,
    settings.Outbound,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event,
        SyncMessage,
        lambda hint: (hint.task_id, *hint.blocks),
        lambda hints: sync_blocks(hints[0].task_id, hints[0].blocks),
    )
