"""Asks the language model for the role document; the answer is kept in its step."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.workflows import Attempt
from roles.authoring import write

settings.require(settings.Database, settings.ProgressQueue, settings.Models)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return write(Attempt.model_validate(event))
