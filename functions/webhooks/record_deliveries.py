"""Records which endpoint is to be told of which notice: on a delivery from SQS."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import logger, observed
from longhaul.tasks.notices import Delivery

settings.require(settings.Database)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event, Delivery, lambda _: None, lambda deliveries: logger.info("notices", extra={"messages": len(deliveries)})
    )
