"""Plans a diagnosis: a step for each cell, and what this attempt has to ask of each model."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.planning import plan
from longhaul import settings
from longhaul.observability import observed
from longhaul.workflows import Attempt

settings.require(settings.Database, settings.ProgressQueue, settings.Models)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return plan(Attempt.model_validate(event)).model_dump()
