"""Closes an attempt: the last state of every workflow, and the end of an execution that died."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks.lifecycle import close
from tasks.messages import CloseRequest, ExecutionEnd

settings.require(
    settings.Database, settings.Kinds, settings.Cache, settings.DispatchQueue, settings.NoticesQueue, settings.Live
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    if "detail" in event:
        end = ExecutionEnd.model_validate(event["detail"])
        return {"closed": close(end.input.task_id, end.input.attempt, end.outcome, execution_arn=end.execution_arn)}
    request = CloseRequest.model_validate(event)
    return {"closed": close(request.task_id, request.attempt, request.ended())}
