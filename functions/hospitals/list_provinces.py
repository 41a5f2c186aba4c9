"""Lists the provinces of a refresh: the first state of its workflow."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.divisions import ProvincesPlan, plan_provinces
from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed

settings.require(settings.Database)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    provinces = plan_provinces(Attempt.model_validate(event))
    return ProvincesPlan(provinces=provinces).model_dump()
