"""Collects the notices that recipients are to be told by e-mail: on a delivery from SQS."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.notices import Delivery
from mail.collecting import collect

settings.require(settings.Database, settings.OutboxQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, Delivery, lambda _: None, collect)
