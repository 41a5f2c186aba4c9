"""Remembers steps whose retries are used up, so that the task can go on without them and name them at its end."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks import steps
from longhaul.tasks.step_batches import fail_left
from tasks.messages import FailStepRequest, FailStepsRequest

settings.require(settings.Database, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    if "keys" in event:
        batch = FailStepsRequest.model_validate(event)
        return {"failed": fail_left(batch, batch.step_keys, batch.error.task_error) > 0}
    request = FailStepRequest.model_validate(event)
    planned = steps.planned_step(request.task_id, request.key, request.level)
    return {"failed": steps.fail_step(request.task_id, request.attempt, planned, request.error.task_error)}
