"""Finds, once a minute, what a lost message left undone."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.steering import sweep
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
    settings.NoticesQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return sweep()
