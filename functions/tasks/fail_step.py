"""Remembers a step whose retries are used up, so that the task can go on without it and name it at its end."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks import steps
from tasks.messages import FailStepRequest

settings.require(settings.Database, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    request = FailStepRequest.model_validate(event)
    planned = steps.planned_step(request.task_id, request.key, request.level)
    return {"failed": steps.fail_step(request.task_id, request.attempt, planned, request.error.task_error)}
