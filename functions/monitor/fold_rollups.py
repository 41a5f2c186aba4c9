"""Once a minute: adds what was counted and measured to hours, days and longer, and deletes what is old."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from longhaul.tasks.rollups import fold, purge
from monitor import latencies

settings.require(settings.Database)

FOLD_SECONDS, LATENCIES_SECONDS, PURGE_SECONDS = 25.0, 10.0, 10.0


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return {
        "folded": fold(seconds=FOLD_SECONDS),
        "reports": latencies.fold(seconds=LATENCIES_SECONDS),
        "purged": purge(seconds=PURGE_SECONDS) + latencies.purge(),
    }
