"""Saves the role as a new version."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from roles.authoring import save

settings.require(settings.Database, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return save(Attempt.model_validate(event))
