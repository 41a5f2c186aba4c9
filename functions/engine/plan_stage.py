"""Says what a workload's task does next: plans its stages in their order, and gives their items a page at a time."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from longhaul.workloads.planning import next_page

settings.require(
    settings.Database,
    settings.Kinds,
    settings.ProgressQueue,
    settings.StepFunctions,
    settings.Cache,
    settings.Live,
    settings.DispatchQueue,
    settings.NoticesQueue,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return next_page(Attempt.model_validate(event)).model_dump()
