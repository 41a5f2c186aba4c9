"""Cancels jobs that nobody waits for any more, each minute; and deletes files that are nobody's, once an hour."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from videos import sweeping

settings.require(settings.Database, settings.Dashscope, settings.Videos)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    return sweeping.sweep(with_files=bool(event.get("files")))
