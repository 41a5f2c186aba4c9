"""Carries bulk actions out: all tasks that match, a range at a time."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from longhaul.tasks.bulk import act

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.ProgressQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, Attempt, lambda change: change.task_id, lambda changes: act(changes[0].task_id))
