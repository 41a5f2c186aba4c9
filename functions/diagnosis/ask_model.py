"""Asks a batch of cells: sends each question to a model, which then reads what its answer says of the brand."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.asking import ask, ask_batch
from diagnosis.planning import CellBatch, CellStep
from longhaul import settings
from longhaul.observability import observed

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
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if "keys" in event:
        ask_batch(CellBatch.model_validate(event))
        return
    # One by itself: so asks an execution that began before cells came in batches.
    ask(CellStep.model_validate(event))
