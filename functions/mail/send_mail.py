"""Sends what is due to recipients: on a wakeup from SQS, and to all of them once a minute."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from mail.messages import Wakeup
from mail.sending import send_due, send_to

settings.require(settings.Database, settings.Mail, settings.MailLinks)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "Records" not in event:
        return {"sent": send_due()}
    return handle_batch(event, Wakeup, lambda wakeup: tuple(wakeup.recipient_ids), lambda some: send_to(some[0]))
