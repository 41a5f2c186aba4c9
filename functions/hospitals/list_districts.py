"""Lists a city's districts, stores them and plans a step for each."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import find_districts
from hospitals.requests import DistrictsPlan, DivisionStep
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Llm)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    districts = find_districts(DivisionStep.model_validate(event))
    return DistrictsPlan(districts=districts).model_dump()
