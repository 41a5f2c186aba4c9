"""Finds, once a minute, what campaigns still want."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.sweeping import sweep
from longhaul import settings
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.SteerQueue,
    settings.AssignQueue,
    settings.SyncQueue,
    settings.AnalyseQueue,
    settings.DispatchQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return sweep()
