"""Sets a campaign's jobs at the provider to what its task wants."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.steering import steer
from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.AssignQueue,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
    settings.Outbound,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, Attempt, lambda change: change.task_id, lambda changes: steer(changes[0].task_id))
