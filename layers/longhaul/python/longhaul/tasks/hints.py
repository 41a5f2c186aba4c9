"""Hints to the dispatcher: that a lane may have something to start. Losing one costs at most a minute."""

import math
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from longhaul import aws, queues, settings
from longhaul.observability import logger

LONGEST_DELAY = 900.0  # seconds, of an SQS message


class DispatchHint(BaseModel):
    """That this kind's lane may have something to start."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(min_length=1, max_length=64)


def hint_dispatch(kind: str, *, delay: float = 0.0) -> None:
    """Wake the dispatcher for this kind's lane in `delay` seconds (SQS takes whole ones, to LONGEST_DELAY)."""
    url = settings.of(settings.DispatchQueue).dispatch_queue_url
    try:
        aws.client("sqs").send_message(
            QueueUrl=url,
            MessageBody=DispatchHint(kind=kind).model_dump_json(),
            DelaySeconds=min(int(LONGEST_DELAY), math.ceil(delay)),
        )
    except aws.errors() as error:
        logger.warning("dispatcher not woken; it looks once a minute", extra={"kind": kind, "reason": str(error)})


def hint_lanes(kinds: Iterable[str], *, delay: float = 0.0) -> None:
    """Wake the dispatcher for each of these kinds' lanes in `delay` seconds, ten a request."""
    hints = [DispatchHint(kind=kind) for kind in sorted(set(kinds))]
    queues.send(settings.of(settings.DispatchQueue).dispatch_queue_url, hints, delay=math.ceil(delay))
