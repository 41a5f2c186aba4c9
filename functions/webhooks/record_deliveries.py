"""Records which address is to be told of which notice: on a delivery from SQS."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.notices import Delivery
from webhooks.recording import record

settings.require(settings.Database, settings.DeliverQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event, Delivery, lambda _: None, lambda some: record([one for delivery in some for one in delivery.notices])
    )
