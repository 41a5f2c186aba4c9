"""Lists a city's districts, stores them and plans a step for each."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import DistrictsPlan, DivisionStep, carried, find_districts
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Llm, settings.Breaker)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = DivisionStep.model_validate(event)
    return DistrictsPlan(districts=carried(request, find_districts(request))).model_dump()
