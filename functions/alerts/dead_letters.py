"""Dead letters: messages that have failed three times. Counted, looked at, and put back into their queues.

A message is a hint, and rows are the truth: one that is put back when its task has ended changes nothing.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from alerts import store
from longhaul import aws, database, settings
from longhaul.aws import sqs
from longhaul.database import Session
from longhaul.errors import AwsUnavailable, NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer, was_carried_out
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

AT_ONCE = 10  # messages of one request
ROUNDS = 5  # of looking, as SQS answers with some of what there is
HIDDEN_SECONDS = 60  # a message while it is moved
REDRIVE_SECONDS = 15.0
MAX_BODY = 4_000  # characters that are shown
MAX_REASON = 500


class QueueState(NamedTuple):
    """A queue's dead letters. `oldest_at`: of those that were looked at; None without any."""

    queue: str
    number: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Letter:
    """A dead letter. `reason`: why it may be one, as far as its task tells; `body` is cut."""

    message_id: str
    body: str
    sent_at: datetime
    task_id: str | None
    reason: str


class Redriven(NamedTuple):
    """How many messages were put back, and how many are left."""

    moved: int
    left: int


def count_all() -> dict[str, int] | None:
    """How many dead letters each queue has; None when they cannot be counted now."""
    try:
        return {queue: _count(dead) for queue, dead in _queues().items()}
    except aws.errors() as error:
        logger.warning("dead letters not counted", extra={"reason": str(error)})
        return None


def list_queues() -> list[QueueState]:
    """Here and below: raises AwsUnavailable."""
    return [_state(queue, dead) for queue, dead in _queues().items()]


def look(queue: str, limit: int) -> list[Letter]:
    """Some of a queue's dead letters, the oldest first; they stay. Raises NotFound, DatabaseUnavailable."""
    dead = _queue(queue)
    messages = sorted(_seen(dead, limit), key=_sent_at)
    tasks = _tasks(filter(None, (_task_id(message) for message in messages)))
    return [_letter(message, tasks) for message in messages]


def redrive(
    queue: str, limit: int, *, request: KeyedRequest | None = None, clock: Callable[[], float] = time.monotonic
) -> Redriven:
    """Put dead letters back into their queue, at most so many, for at most REDRIVE_SECONDS. Raises NotFound, KeyReused.

    Each is deleted after it was sent: whoever dies between leaves it in both, and twice is once. So the request is
    remembered behind what it did: one that was carried out before moves nothing, and one that died goes on.
    """
    dead = _queue(queue)
    if was_carried_out(request) and request:
        request.replayed = True
        return Redriven(*request.answer)
    source = _call(lambda: _source(dead))
    until, moved = clock() + REDRIVE_SECONDS, 0
    while moved < limit and clock() < until:
        messages = _receive(dead, min(AT_ONCE, limit - moved), hidden=HIDDEN_SECONDS)
        if not messages:
            break
        moved += _move(messages, source, dead)
    logger.info("dead letters redriven", extra={"queue": queue, "moved": moved})
    redriven = Redriven(moved, _call(lambda: _count(dead)))

    def remember(tx: Session) -> None:
        if claim(tx, request):
            save_answer(tx, request, redriven)

    database.run_transaction(remember)
    if request and request.replayed:  # by a twin, whose answer is the request's
        return Redriven(*request.answer)
    return redriven


def _queues() -> dict[str, str]:
    """What holds each queue's dead letters; queues of workloads that are not deployed are not there."""
    return {queue: dead for queue, dead in settings.of(settings.DeadLetters).dead_letters.items() if dead}


def _queue(name: str) -> str:
    if name not in _queues():
        raise NotFound(f"there is no queue {name}")
    return _queues()[name]


def _count(dead: str) -> int:
    answer = aws.client("sqs").get_queue_attributes(
        QueueUrl=_url(dead), AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )
    return sum(int(number) for number in answer["Attributes"].values())


def _state(queue: str, dead: str) -> QueueState:
    number = _call(lambda: _count(dead))
    seen = _seen(dead, AT_ONCE) if number else []
    return QueueState(queue, number, min(map(_sent_at, seen), default=None))


def _seen(dead: str, limit: int) -> list["MessageTypeDef"]:
    """Messages that stay visible. SQS may answer with the same again: each is here once."""
    found: dict[str, MessageTypeDef] = {}
    for _ in range(ROUNDS):
        before = len(found)
        found |= {message["MessageId"]: message for message in _receive(dead, AT_ONCE, hidden=0)}
        if len(found) >= limit or len(found) == before:
            break
    return list(found.values())[:limit]


def _receive(dead: str, number: int, *, hidden: int) -> list["MessageTypeDef"]:
    answer = _call(
        lambda: aws.client("sqs").receive_message(
            QueueUrl=_url(dead),
            MaxNumberOfMessages=number,
            VisibilityTimeout=hidden,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
    )
    return list(answer.get("Messages", []))


def _move(messages: list["MessageTypeDef"], source: str, dead: str) -> int:
    """How many were moved."""
    return sum(_move_at_once(some, source, dead) for some in sqs.requests(messages, _size))


def _move_at_once(messages: list["MessageTypeDef"], source: str, dead: str) -> int:
    entries: list[Any] = [
        {"Id": str(number), "MessageBody": message["Body"], "MessageAttributes": message.get("MessageAttributes", {})}
        for number, message in enumerate(messages)
    ]
    sent = _call(lambda: aws.client("sqs").send_message_batch(QueueUrl=source, Entries=entries))
    gone: list[Any] = [
        {"Id": entry["Id"], "ReceiptHandle": messages[int(entry["Id"])]["ReceiptHandle"]}
        for entry in sent.get("Successful", [])
    ]
    if gone:
        _call(lambda: aws.client("sqs").delete_message_batch(QueueUrl=_url(dead), Entries=gone))
    return len(gone)


def _size(message: "MessageTypeDef") -> int:
    """The message's bytes, as SQS counts them."""
    size = len(message["Body"].encode())
    for name, value in message.get("MessageAttributes", {}).items():
        given = value.get("BinaryValue") or value.get("StringValue", "").encode()
        size += len(name.encode()) + len(value["DataType"].encode()) + len(given)
    return size


def _letter(message: "MessageTypeDef", tasks: dict[str, str]) -> Letter:
    task_id = _task_id(message)
    return Letter(message["MessageId"], message["Body"][:MAX_BODY], _sent_at(message), task_id, _reason(task_id, tasks))


def _reason(task_id: str | None, tasks: dict[str, str]) -> str:
    if task_id is None:
        return "It names no task. The function's log has its error under the message's id."
    return tasks.get(task_id, "Its task is deleted: it would change nothing.")[:MAX_REASON]


def _tasks(task_ids: Iterator[str]) -> dict[str, str]:
    """What may have failed, by task."""
    with database.connection() as session:
        rows = store.list_tasks_named(session, sorted(set(task_ids)))
    found = {}
    for row in rows:
        error = row["error_message"]
        found[row["task_id"]] = f"Its task is {row['status']}" + (f": {error}" if error else ".")
    return found


def _task_id(message: "MessageTypeDef") -> str | None:
    """The task that the message names: itself, or the first of several."""
    try:
        body = json.loads(message["Body"])
    except ValueError:
        return None
    named = body.get("task_id") or (body.get("task_ids") or [None])[0] if isinstance(body, dict) else None
    return named if isinstance(named, str) else None


def _sent_at(message: "MessageTypeDef") -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _call[T](request: Callable[[], T]) -> T:
    try:
        return request()
    except aws.errors() as error:
        if not aws.is_away(error):
            raise
        raise AwsUnavailable(str(error)) from error


@cache
def _url(name: str) -> str:
    return aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


@cache
def _source(dead: str) -> str:
    """The URL of the queue whose dead letters these are."""
    return aws.client("sqs").list_dead_letter_source_queues(QueueUrl=_url(dead))["queueUrls"][0]
