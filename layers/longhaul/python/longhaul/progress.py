"""Progress events: what a worker says after its step's commit. A hint; `update_progress` recounts the rows."""

from pydantic import BaseModel, ConfigDict, Field

from longhaul import aws, settings
from longhaul.observability import logger


class ProgressEvent(BaseModel):
    """A step of `level` of this attempt has finished; `label` is what a person reads."""

    model_config = ConfigDict(frozen=True)

    task_id: str = Field(min_length=1, max_length=96)
    attempt: int = Field(ge=1)
    level: str = Field(max_length=32)
    label: str = Field(max_length=200)


def announce(task_id: str, attempt: int, level: str, label: str) -> None:
    """Send the event to the progress queue. The step is stored: a queue that is away costs only the news of it."""
    event = ProgressEvent(task_id=task_id, attempt=attempt, level=level, label=label)
    url = settings.of(settings.ProgressQueue).progress_queue_url
    try:
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=event.model_dump_json())
    except aws.errors() as error:
        logger.warning("progress not announced", extra={"task_id": task_id, "reason": str(error)})
