"""How often something may be asked for in a second, over all execution environments.

    if not rate.admitted("dashscope:queries", per_second=20):
        raise Later(seconds=2)

A second is one counter in DynamoDB, which its table forgets. DynamoDB being away means allow and warn: the provider's
own limit (429) is behind ours.
"""

import time

from longhaul import aws, settings
from longhaul.observability import logger

KEPT_SECONDS = 120


def admitted(name: str, *, per_second: int) -> bool:
    """Whether one more may be asked for in this second. One write."""
    second = int(time.time())
    try:
        answer = aws.client("dynamodb").update_item(
            TableName=settings.of(settings.Breaker).breaker_table,
            Key={"circuit": {"S": f"rate:{name}:{second}"}},
            UpdateExpression="ADD asked :one SET expires_at = :until",
            ExpressionAttributeValues={":one": {"N": "1"}, ":until": {"N": str(second + KEPT_SECONDS)}},
            ReturnValues="UPDATED_NEW",
        )
    except aws.errors() as error:
        logger.warning("rate not counted", extra={"rate": name, "reason": str(error)})
        return True
    return int(answer["Attributes"]["asked"]["N"]) <= per_second
