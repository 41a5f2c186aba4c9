"""Lists the provinces that a refresh is for: the first state of its workflow."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import plan_provinces
from hospitals.requests import ProvincesPlan
from longhaul import settings
from longhaul.observability import observed
from longhaul.workflows import Attempt

settings.require(settings.Database)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    provinces = plan_provinces(Attempt.model_validate(event))
    return ProvincesPlan(provinces=provinces).model_dump()
