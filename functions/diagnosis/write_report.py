"""Writes a diagnosis's report after the last of its cells: its figures are the task's result."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.report import write
from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return write(Attempt.model_validate(event)).model_dump()
