"""Refreshes a district: asks for its hospitals and stores what changed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.district_refresh import refresh
from hospitals.divisions import DivisionStep, named_district
from longhaul import settings
from longhaul.observability import observed

settings.require(
    settings.Database, settings.ProgressQueue, settings.Llm, settings.Breaker, settings.Hospitals, settings.Cache
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return {"hospitals": refresh(named_district(DivisionStep.model_validate(event)))}
