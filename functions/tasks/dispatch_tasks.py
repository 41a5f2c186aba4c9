"""Starts waiting tasks: on a hint from SQS, and in every lane once a minute."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.batches import handle_batch
from longhaul.observability import observed
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.hints import DispatchHint

settings.require(settings.Database, settings.Kinds, settings.Cache, settings.Workflows, settings.DispatchQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "Records" not in event:
        return {"started": dispatch()}
    return handle_batch(event, DispatchHint, lambda hint: hint.kind, lambda hints: dispatch([hints[0].kind]))
