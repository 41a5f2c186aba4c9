"""Tickets, connections and subscriptions: items of one DynamoDB table, each found by its key and never by a scan.

    ticket:HASH            -               who may connect with it, and the first connection that did
    connection:ID          -               what the connection subscribes to
    tenant:TENANT          connection id   the tenant's connections, to count them
    topic:[TENANT, TOPIC]  connection id   who subscribes to a topic, and until when

Each has `expires_at`. DynamoDB deletes late, so an item that has expired counts as absent. Every function raises
AwsUnavailable while DynamoDB is away.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from longhaul import aws, settings
from longhaul.aws import dynamodb
from longhaul.errors import AwsUnavailable
from longhaul.observability import logger
from sockets.model import Connection, Holder, Topic

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, WriteRequestTypeDef

ONE = "-"  # the second part of a key that needs none
REFUSED = "ConditionalCheckFailedException"

type Key = dict[str, AttributeValueTypeDef]


def put_ticket(ticket: str, holder: Holder, expires_at: int) -> None:
    """The table has the ticket's hash: who reads it gains no ticket."""
    item = {
        **_ticket(ticket),
        "tenant_id": {"S": holder.tenant_id},
        "user_id": {"S": holder.user_id},
        "token_expires_at": {"N": str(holder.token_expires_at)},
        "expires_at": {"N": str(expires_at)},
    }
    with _translated("ticket not written"):
        aws.client("dynamodb").put_item(TableName=_table(), Item=item)


def take_ticket(ticket: str, connection_id: str) -> Holder | None:
    """Who bought the ticket, for the first connection that comes with it. None for any other, an expired or no ticket.

    The same connection may ask again: DynamoDB's answer may be lost, and the client asks once more by itself.
    """
    try:
        with _translated("ticket not taken"):
            answer = aws.client("dynamodb").update_item(
                TableName=_table(),
                Key=_ticket(ticket),
                UpdateExpression="SET connection_id = :connection",
                ConditionExpression=(
                    "expires_at > :now AND (attribute_not_exists(connection_id) OR connection_id = :connection)"
                ),
                ExpressionAttributeValues={":now": {"N": repr(time.time())}, ":connection": {"S": connection_id}},
                ReturnValues="ALL_NEW",
            )
    except _Refused:
        return None
    item = answer["Attributes"]
    return Holder(
        tenant_id=item["tenant_id"]["S"],
        user_id=item["user_id"]["S"],
        token_expires_at=int(item["token_expires_at"]["N"]),
    )


def put_connection(connection: Connection) -> None:
    kept: Key = {"expires_at": {"N": str(connection.expires_at)}}
    items = [{**_own(connection.connection_id), **kept}, {**_of_tenant(connection), **kept}]
    with _translated("connection not written"):
        for item in items:
            aws.client("dynamodb").put_item(TableName=_table(), Item=item)


def count_connections(tenant_id: str) -> int:
    """A count of a moment ago: two who come at once may both be the last that has room."""
    return sum(page["Count"] for page in _pages(f"tenant:{tenant_id}", Select="COUNT"))


def add_topic(connection: Connection, topic: Topic, most: int) -> bool:
    """Whether the connection subscribes to the topic now; not when it has so many others."""
    expires_at: AttributeValueTypeDef = {"N": str(connection.expires_at)}
    try:
        with _translated("subscription not written"):
            aws.client("dynamodb").update_item(
                TableName=_table(),
                Key=_own(connection.connection_id),
                UpdateExpression="ADD topics :topic SET expires_at = :expires_at",
                ConditionExpression="attribute_not_exists(topics) OR size(topics) < :most OR contains(topics, :one)",
                ExpressionAttributeValues={
                    ":topic": {"SS": [topic.key]},
                    ":one": {"S": topic.key},
                    ":most": {"N": str(most)},
                    ":expires_at": expires_at,
                },
            )
            aws.client("dynamodb").put_item(
                TableName=_table(),
                Item={
                    **_subscription(connection.tenant_id, topic, connection.connection_id),
                    "token_expires_at": {"N": str(connection.token_expires_at)},
                    "expires_at": expires_at,
                },
            )
    except _Refused:
        return False
    return True


def remove_topic(connection: Connection, topic: Topic) -> None:
    """Nothing happens to a connection without it."""
    with suppress(_Refused), _translated("subscription not removed"):
        aws.client("dynamodb").delete_item(
            TableName=_table(), Key=_subscription(connection.tenant_id, topic, connection.connection_id)
        )
        aws.client("dynamodb").update_item(
            TableName=_table(),
            Key=_own(connection.connection_id),
            UpdateExpression="DELETE topics :topic",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":topic": {"SS": [topic.key]}},
        )


def remove_connection(connection: Connection, *heard: Topic) -> None:
    """Forget a connection with all its subscriptions; `heard` are some, should the connection be forgotten already."""
    with _translated("connection not removed"):
        answer = aws.client("dynamodb").delete_item(
            TableName=_table(), Key=_own(connection.connection_id), ReturnValues="ALL_OLD"
        )
    keys = answer.get("Attributes", {}).get("topics", {}).get("SS", [])
    topics = {Topic.parse(key) for key in keys} | set(heard)
    gone = [_of_tenant(connection)]
    gone += [_subscription(connection.tenant_id, topic, connection.connection_id) for topic in topics]
    deletes: list[WriteRequestTypeDef] = [{"DeleteRequest": {"Key": key}} for key in gone]
    dynamodb.write_all(_table(), deletes)


def list_subscribers(tenant_id: str, topic: Topic) -> list[Connection]:
    """The connections that subscribe to the topic."""
    return [
        Connection(
            connection_id=item["sk"]["S"],
            tenant_id=tenant_id,
            token_expires_at=int(item["token_expires_at"]["N"]),
            expires_at=int(item["expires_at"]["N"]),
        )
        for page in _pages(_topic(tenant_id, topic))
        for item in page["Items"]
    ]


def _pages(pk: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Pages of the items below a key that have not expired."""
    start: dict[str, Any] = {}
    while True:
        with _translated("items not read"):
            page: dict[str, Any] = aws.client("dynamodb").query(  # type: ignore[assignment]
                TableName=_table(),
                KeyConditionExpression="pk = :pk",
                FilterExpression="expires_at > :now",
                ExpressionAttributeValues={":pk": {"S": pk}, ":now": {"N": repr(time.time())}},
                **options,
                **start,
            )
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class _Refused(Exception):
    """The condition of a write does not hold."""


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except aws.errors() as error:
        if aws.error_code(error) == REFUSED:
            raise _Refused from error
        if not aws.is_away(error):
            raise
        logger.warning(what, extra={"reason": str(error)})
        raise AwsUnavailable(str(error)) from error


def _ticket(ticket: str) -> Key:
    return {"pk": {"S": f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"}, "sk": {"S": ONE}}


def _own(connection_id: str) -> Key:
    return {"pk": {"S": f"connection:{connection_id}"}, "sk": {"S": ONE}}


def _of_tenant(connection: Connection) -> Key:
    return {"pk": {"S": f"tenant:{connection.tenant_id}"}, "sk": {"S": connection.connection_id}}


def _subscription(tenant_id: str, topic: Topic, connection_id: str) -> Key:
    return {"pk": {"S": _topic(tenant_id, topic)}, "sk": {"S": connection_id}}


def _topic(tenant_id: str, topic: Topic) -> str:
    return f"topic:{json.dumps([tenant_id, topic.what, topic.name], ensure_ascii=False)}"


def _table() -> str:
    name: str = settings.of(settings.Sockets).sockets_table
    return name
