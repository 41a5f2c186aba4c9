"""Carries bulk actions out: all tasks that match, a range at a time."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.batches import handle_batch
from longhaul.observability import observed
from longhaul.tasks.bulk.acting import act
from longhaul.workflows import Attempt

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.DispatchQueue,
    settings.ProgressQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, Attempt, lambda change: change.task_id, lambda changes: act(changes[0].task_id))
