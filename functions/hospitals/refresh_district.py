"""Refreshes a batch of districts: asks for the hospitals of each and stores what changed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hospitals.district_refresh import refresh, refresh_batch
from hospitals.divisions import DistrictBatch, DivisionStep, named_district
from longhaul import settings
from longhaul.observability import observed

settings.require(
    settings.Database, settings.ProgressQueue, settings.Llm, settings.Breaker, settings.Hospitals, settings.Cache
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    if "codes" in event:
        refresh_batch(DistrictBatch.model_validate(event))
        return {}
    # One by itself: so asks an execution that began before districts came in batches.
    return {"hospitals": refresh(named_district(DivisionStep.model_validate(event)))}
