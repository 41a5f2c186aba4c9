"""Has tried what is due and has no message, and deletes what nobody needs any more: once a minute."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from webhooks.sweeping import sweep

settings.require(settings.Database, settings.DeliverQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return sweep()
