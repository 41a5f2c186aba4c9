"""Lists a province's cities, stores them and plans a step for each."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import CitiesPlan, DivisionStep, carried, find_cities
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.ProgressQueue, settings.Llm, settings.Breaker, settings.Hospitals)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = DivisionStep.model_validate(event)
    cities = carried(request, find_cities(request))
    in_flight = settings.of(settings.Hospitals).max_districts_in_flight
    return CitiesPlan(max_districts_in_flight=in_flight, cities=cities).model_dump()
