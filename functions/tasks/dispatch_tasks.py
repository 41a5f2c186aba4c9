"""Starts waiting tasks: on a wakeup from SQS, and in every lane once a minute."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Wakeup

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Workflows,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "Records" not in event:
        return {"started": dispatch()}
    return handle_batch(event, Wakeup, lambda wakeup: wakeup.kind, lambda wakeups: dispatch([wakeups[0].kind]))
