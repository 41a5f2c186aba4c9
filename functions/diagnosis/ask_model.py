"""Asks one cell: sends a question to a model, which then reads what its answer says of the brand."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from diagnosis.asking import ask
from diagnosis.planning import CellStep
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
    ask(CellStep.model_validate(event))
