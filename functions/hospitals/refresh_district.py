"""Refreshes a district: asks for its hospitals and stores what changed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.census import count_hospitals
from hospitals.requests import DivisionStep
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Llm, settings.Hospitals, settings.Cache)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return {"hospitals": count_hospitals(DivisionStep.model_validate(event))}
