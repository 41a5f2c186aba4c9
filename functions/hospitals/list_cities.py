"""Lists a province's cities, stores them and plans a step for each."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import DivisionStep, plan_cities
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Llm, settings.Breaker, settings.Hospitals)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return plan_cities(DivisionStep.model_validate(event)).model_dump()
