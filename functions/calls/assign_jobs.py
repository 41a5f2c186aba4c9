"""Hands a campaign's next leads to the provider."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.assignment import assign_batch
from calls.messages import AssignMessage
from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.AssignQueue,
    settings.SteerQueue,
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
        AssignMessage,
        lambda message: message.task_id,
        lambda messages: assign_batch(messages[0].task_id),
    )
