"""Collects a role's material in one round trip, and trims it to what a prompt holds."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from roles.authoring import collect

settings.require(settings.Database, settings.Cache, settings.ProgressQueue)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return collect(Attempt.model_validate(event))
