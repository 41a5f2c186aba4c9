"""Writes the report of a diagnosis whose cells have all been tried: its figures are the task's result."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.report import write
from longhaul import settings
from longhaul.observability import observed
from longhaul.workflows import Attempt

settings.require(settings.Database, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return write(Attempt.model_validate(event)).model_dump()
