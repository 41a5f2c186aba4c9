"""Brings the schema and the lanes up to date. Runs at the end of each deployment: a migration only ever adds."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from database import schema
from longhaul import settings
from longhaul.observability import observed

settings.require(settings.Database, settings.Kinds)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    applied = schema.migrate()
    schema.create_lanes()
    return {"applied": applied}
