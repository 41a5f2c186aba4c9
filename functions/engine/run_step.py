"""Runs the steps of a batch of items, each once, and says when to look at the batch again."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.workloads.running import Batch, run_batch

settings.require(
    settings.Database,
    settings.Kinds,
    settings.ProgressQueue,
    settings.Models,
    settings.Breaker,
    settings.Cache,
    settings.Live,
    settings.DispatchQueue,
    settings.NoticesQueue,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return run_batch(Batch.model_validate(event)).model_dump()
