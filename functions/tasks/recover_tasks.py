"""Once a minute: holds what the rows say is running against what is."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks.recovery import recover

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Workflows, settings.DispatchQueue, settings.Live
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return recover()
