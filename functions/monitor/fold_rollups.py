"""Once a minute: adds what was counted of tasks to minutes, hours and days, and deletes the roll-ups that are old."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks.rollups import fold, purge

settings.require(settings.Database)

FOLD_SECONDS, PURGE_SECONDS = 30.0, 10.0


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return {"folded": fold(seconds=FOLD_SECONDS), "purged": purge(seconds=PURGE_SECONDS)}
