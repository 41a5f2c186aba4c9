"""Plans a diagnosis: a step for each cell, and the cells that this attempt has to ask of each model."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.planning import plan
from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Models)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return plan(Attempt.model_validate(event)).model_dump()
