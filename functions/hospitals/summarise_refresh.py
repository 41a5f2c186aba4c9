"""Summarises a refresh after the last of its steps: the figures are the task's result."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.summary import summarise
from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed

settings.require(settings.Database, settings.Cache)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return summarise(Attempt.model_validate(event)).model_dump()
