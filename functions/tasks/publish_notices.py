"""Gives notices to the channels that listen: on an announcement from SQS, and once a minute what was forgotten."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed
from longhaul.tasks.notices import Announcement
from longhaul.tasks.publication import publish, sweep

settings.require(settings.Database, settings.Channels)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "Records" not in event:
        return {"published": sweep()}
    return handle_batch(event, Announcement, lambda _: None, _publish)


def _publish(announcements: list[Announcement]) -> None:
    task_ids = [task_id for announcement in announcements for task_id in announcement.task_ids]
    publish(task_ids, [hint for announcement in announcements for hint in announcement.hints])
