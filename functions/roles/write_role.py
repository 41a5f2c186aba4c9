"""Has the language model write the role document, which its step keeps."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.workflows import Attempt
from longhaul.observability import observed
from roles.authoring import write

settings.require(settings.Database, settings.ProgressQueue, settings.Models, settings.Breaker)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return write(Attempt.model_validate(event))
