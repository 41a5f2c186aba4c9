"""Counts the tasks whose steps have finished: the only writer of progress."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.following import record_progress
from longhaul.tasks.steps import ProgressEvent

settings.require(settings.Database, settings.Kinds, settings.Cache, settings.Live, settings.NoticesQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, ProgressEvent, lambda progressed: progressed.task_id, record_progress)
