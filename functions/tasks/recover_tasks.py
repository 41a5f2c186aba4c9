"""Holds what the rows say is running against what is: once a minute, and when all else was started anew."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks.recovery import recover
from tasks.messages import RecoverRequest

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Workflows,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return recover(restarted=RecoverRequest.model_validate(event).restarted)
