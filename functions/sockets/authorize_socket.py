"""Lets a WebSocket be opened with a ticket: the authorizer of $connect."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.observability import observed
from sockets.tickets import redeem

settings.require(settings.Sockets)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    ticket = (event.get("queryStringParameters") or {}).get("ticket", "")
    holder = redeem(ticket, event["requestContext"]["connectionId"])
    effect = "Allow" if holder else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": "ticket",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": holder.model_dump() if holder else {},
    }
