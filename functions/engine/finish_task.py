"""Ends a workload's task: makes its result and closes it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from longhaul.workloads.finishing import finish

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.Live, settings.DispatchQueue, settings.NoticesQueue
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    return {"finished": finish(Attempt.model_validate(event))}
