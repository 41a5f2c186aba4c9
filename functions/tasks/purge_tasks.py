"""Once a day: deletes every tenant's tasks that ended long ago, with all that hangs on them, and control requests."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import idempotency, settings
from longhaul.observability import observed
from longhaul.tasks.purging import purge

settings.require(settings.Database, settings.Kinds, settings.Cache, settings.Live, settings.Retention)

SECONDS = 240.0


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    idempotency.purge()
    days = settings.of(settings.Retention).task_retention_days
    return purge(days, tenant_id=None, seconds=SECONDS)._asdict()
