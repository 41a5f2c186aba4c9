"""Posts notices to the sockets that subscribed to them: on a delivery from SQS."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.notices import Delivery
from sockets.delivery import deliver

settings.require(settings.Sockets, settings.SocketsApi)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, Delivery, lambda _: None, deliver)
