"""The live item: a task's progress in DynamoDB, written each time steps finish and read beside the row.

A convenience, never the truth: when DynamoDB is away, progress is what the row says, and a warning is logged.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from longhaul import aws, settings, stored
from longhaul.aws import dynamodb
from longhaul.observability import logger
from longhaul.tasks.model import Status, Task
from longhaul.tasks.progress import Sample

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class LiveItem:
    """A task as `update_progress` last saw it; `updated_at` in epoch seconds, `pace` of this attempt alone."""

    task_id: str
    tenant_id: str
    kind: str
    title: str
    status: str
    attempt: int
    steps_done: int
    progress: int
    stage: str | None
    current_step: str | None
    statistics: dict[str, Any]
    created_at: str
    updated_at: float
    pace: tuple[Sample, ...] = ()


def item_of(task: Task) -> LiveItem:
    """What the row itself says."""
    return LiveItem(
        task_id=task.task_id,
        tenant_id=task.tenant_id,
        kind=task.kind,
        title=task.title,
        status=task.status,
        attempt=task.attempt,
        steps_done=task.steps_done,
        progress=task.progress,
        stage=task.stage,
        current_step=task.current_step,
        statistics=task.statistics,
        created_at=task.created_at.isoformat(),
        updated_at=time.time(),
    )


def write(item: LiveItem) -> None:
    """Store the item unless a newer one is there: of a later attempt, with more steps done, or of an ended attempt."""
    try:
        aws.client("dynamodb").put_item(
            TableName=_table(),
            Item=_attributes(item),
            ConditionExpression=(
                "attribute_not_exists(task_id) OR attempt < :attempt"
                " OR (attempt = :attempt AND steps_done <= :steps_done AND ended = :no)"
            ),
            ExpressionAttributeValues={
                ":attempt": {"N": str(item.attempt)},
                ":steps_done": {"N": str(item.steps_done)},
                ":no": {"BOOL": False},
            },
        )
    except aws.errors() as error:
        if aws.error_code(error) != "ConditionalCheckFailedException":
            logger.warning("live item not written", extra={"task_id": item.task_id, "reason": str(error)})


def overwrite(items: Iterable[LiveItem]) -> None:
    """Store the items, of different tasks, whatever is there: the row has the last word."""
    dynamodb.write_all(_table(), ({"PutRequest": {"Item": _attributes(item)}} for item in items))


def forget(task_ids: Iterable[str]) -> None:
    """Delete the items of these tasks; there need not be any."""
    keys = ({"task_id": {"S": task_id}} for task_id in set(task_ids))
    dynamodb.write_all(_table(), ({"DeleteRequest": {"Key": key}} for key in keys))


def _attributes(item: LiveItem) -> "dict[str, AttributeValueTypeDef]":
    return {
        "task_id": {"S": item.task_id},
        "attempt": {"N": str(item.attempt)},
        "steps_done": {"N": str(item.steps_done)},
        "ended": {"BOOL": item.status != Status.RUNNING},
        "item": {"S": json.dumps(asdict(item), ensure_ascii=False)},
        "expires_at": {"N": str(int(time.time()) + KEPT_SECONDS)},
    }


def read(task_id: str) -> LiveItem | None:
    """The item, or None when there is none, it has expired (DynamoDB deletes late), or DynamoDB is away.

    An item without all that this version needs is as none: the row says it too.
    """
    try:
        found = aws.client("dynamodb").get_item(TableName=_table(), Key={"task_id": {"S": task_id}}).get("Item")
    except aws.errors() as error:
        logger.warning("live item not read", extra={"task_id": task_id, "reason": str(error)})
        return None
    if not found or int(found["expires_at"]["N"]) < time.time():
        return None
    return parse(found["item"]["S"])


def parse(text: str) -> LiveItem | None:
    """What some version of the code has written; None without all that this one needs."""
    item = stored.known(json.loads(text), LiveItem.__dataclass_fields__)
    try:
        return LiveItem(**item | {"pace": tuple(Sample(*sample[:2]) for sample in item.get("pace", ()))})
    except TypeError as error:
        logger.warning("live item of another version", extra={"reason": str(error)})
        return None


def _table() -> str:
    name: str = settings.of(settings.Live).live_table
    return name
