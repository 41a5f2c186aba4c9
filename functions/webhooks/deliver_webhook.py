"""Tries deliveries to webhooks, one POST each: on messages from SQS."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from webhooks.delivery_store import Due
from webhooks.recording import Message
from webhooks.trying import deliver

settings.require(settings.Database, settings.DeliverQueue, settings.Webhooks)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event, Message, lambda _: None, lambda some: deliver([Due(one.delivery_id, one.tenant_id) for one in some])
    )
