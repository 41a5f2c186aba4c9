"""A short way to moto's DynamoDB and SQS, for the actions that functions and pollers call all the time.

moto's own way is made for every service: Flask's routing, a parser and a serializer that walk botocore's models, and
helpers that look at their class anew for each request. Four fifths of a small request are that. Here the same methods
of moto's are called with the parsed body, and their results are written as JSON. What they do, refuse and keep is
moto's own, and a test compares the answers of both ways.
"""

import base64
import copy
import functools
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

import moto.core.responses
import moto.sqs.models
from moto.core.responses import ActionResult
from moto.core.utils import get_service_model, method_names_from_class
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.sqs.responses import SQSResponse
from werkzeug.datastructures import EnvironHeaders
from werkzeug.http import HTTP_STATUS_CODES

from local.aws import replace

ACTIONS = {
    "DynamoDB_20120810": {
        *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem"),
    },
    "AmazonSQS": {
        *("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"),
        "ChangeMessageVisibility",
    },
}
BINARY = (b'"B"', b'"BS"', b'"BinaryValue"')  # the long way decodes them
INDEX_NAME = 6  # the place of that parameter behind the hash key, in moto's Table.query
DELETED = 1_000  # handles of a queue
LOOK_SECONDS = 1.0  # between two looks of a long poll at a queue: a message becomes visible without a sound


class Direct:
    """What a handler of moto's needs of a request, and a serializer for results that are JSON already."""

    def __init__(self, environ: dict[str, Any], action: str, region: str, body: dict[str, Any]) -> None:
        super().__init__()
        self.headers = EnvironHeaders(environ)
        self.querystring: dict[str, Any] = {}
        self.uri_match: dict[str, Any] = {}
        self.response_headers = {"server": "amazon.com"}
        self.region = region
        self.path = environ.get("PATH_INFO", "/")
        self.action = action
        self.params = body
        self.current_account: str = self.get_current_account()  # type: ignore[attr-defined]

    def _get_action(self) -> str:
        return self.action

    def _get_param(self, name: str, if_none: Any = None) -> Any:
        value = self.params.get(name)
        return if_none if value is None else value

    def serialized(self, result: ActionResult) -> Any:
        if isinstance(result.result, Exception):
            return super().serialized(result)  # type: ignore[misc]
        found: Any = result.result or {}
        members = _members(self.boto3_service_name, self.action)  # type: ignore[attr-defined]
        answer = {name: value for name, value in found.items() if name in members and value is not None}
        headers = {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}
        return 200, headers, json.dumps(answer, default=_text)


class DirectDynamo(Direct, DynamoHandler):
    """DynamoDB's actions."""


class DirectQueues(Direct, SQSResponse):
    """SQS's actions."""


HANDLERS = {"DynamoDB_20120810": DirectDynamo, "AmazonSQS": DirectQueues}


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """Answer a WSGI request, or return None for one that has to take moto's own way."""
    service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if action not in ACTIONS.get(service, ()) or not _is_plain(environ):
        return None
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    if len(scope) != 5:
        return None
    size = int(environ.get("CONTENT_LENGTH") or 0)
    data: bytes = environ["wsgi.input"].read(size)
    environ["wsgi.input"] = BytesIO(data)
    if any(mark in data for mark in BINARY):
        return None
    try:
        body = json.loads(data)
    except ValueError:
        return None
    status, headers, text = HANDLERS[service](environ, action, scope[2], body).call_action()
    content = text.encode() if isinstance(text, str) else text
    status = int(headers.pop("status", status))
    start_response(
        f"{status} {HTTP_STATUS_CODES[status]}",
        [*((name, str(value)) for name, value in headers.items()), ("Content-Length", str(len(content)))],
    )
    return [content]


@functools.cache
def join() -> None:
    """Make this process's moto take the short way where there is one, and quicken what both ways call."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    def called(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        answered = answer(environ, start_response)
        return dispatch(self, environ, start_response) if answered is None else answered

    dispatch = replace(DomainDispatcherApplication, "__call__", called)
    for module in (moto.core.responses, moto.sqs.models):
        replace(module, "camelcase_to_underscores", functools.cache(module.camelcase_to_underscores))
    replace(moto.core.responses, "method_names_from_class", functools.cache(method_names_from_class))
    replace(moto.sqs.models, "generate_receipt_handle", functools.partial(secrets.token_hex, 92))
    _join_queues()
    _part_tables()


def _part_tables() -> None:
    """Let a query look at its partition alone: moto sorts all items of the table for each."""

    def queried(self: Any, hash_key: Any, *options: Any, **more: Any) -> Any:
        table = self
        if len(options) <= INDEX_NAME or options[INDEX_NAME] is None:
            table = copy.copy(self)
            table.items = {hash_key: self.items[hash_key]} if hash_key in self.items else {}
        return query(table, hash_key, *options, **more)

    query = replace(Table, "query", queried)


def _join_queues() -> None:
    """Let one request at a time look at a queue or change it.

    Otherwise a message may be received twice at once, or is lost when it comes while another is deleted.
    """

    def deleted(self: Any, receipt_handle: str) -> None:
        with self._messages_lock:
            if not isinstance(self.deleted_messages, Recent):
                self.deleted_messages = Recent.fromkeys(self.deleted_messages)
            delete(self, receipt_handle)

    def received(
        self: Any, queue_name: str, count: int, wait: int, visibility: int, names: list[str] | None = None
    ) -> list[Any]:
        queue = self.get_queue(queue_name)
        if queue.fifo_queue:
            return list(receive(self, queue_name, count, wait, visibility, names))
        deadline = time.monotonic() + wait
        with queue._messages_lock:
            while True:
                found = _take(queue, count, visibility, names or [])
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                queue._messages_lock.wait(min(left, _until_next(queue)))

    whole: Any = vars(moto.sqs.models.Queue)["attributes"].fget
    replace(moto.sqs.models.Queue, "attributes", property(lambda queue: QueueAttributes(queue, whole)))
    delete = replace(moto.sqs.models.Queue, "delete_message", deleted)
    receive = replace(moto.sqs.models.SQSBackend, "receive_message", received)


class Recent(dict[str, None]):
    """The handles that were deleted last, so that one is deleted again without an error. moto keeps all for ever: three
    hundred bytes a message."""

    def update(self, handles: Iterable[str | None]) -> None:  # type: ignore[override] # as of a set
        super().update(dict.fromkeys(filter(None, handles)))  # a message that nobody had received has None
        for handle in list(itertools.islice(self, max(0, len(self) - DELETED))):
            del self[handle]


class QueueAttributes(Mapping[str, Any]):
    """A queue's attributes, made when they are read: moto counts all messages for them, to look at one that is not of
    a count, for each message sent."""

    def __init__(self, queue: Any, whole: Callable[[Any], dict[str, Any]]) -> None:
        self._queue = queue
        self._whole = whole

    def get(self, name: str, default: Any = None) -> Any:
        if name in self._queue.FIFO_ATTRIBUTES and not self._queue.fifo_queue:
            return default
        return self._all.get(name, default)

    def __getitem__(self, name: str) -> Any:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @functools.cached_property
    def _all(self) -> dict[str, Any]:
        return self._whole(self._queue)


def _take(queue: Any, count: int, visibility: int, names: list[str]) -> list[Any]:
    """Receive up to `count` messages; those that were received too often go to the dead-letter queue."""
    found: list[Any] = []
    policy = queue.redrive_policy if queue.dead_letter_queue is not None else None
    for message in list(queue._messages):
        if len(found) == count:
            break
        if message.delayed or not message.visible:
            continue
        if policy and message.approximate_receive_count >= policy["maxReceiveCount"]:
            queue._messages.remove(message)
            queue.dead_letter_queue.add_message(message)
            continue
        queue.pending_messages.add(message)
        message.mark_received(visibility_timeout=visibility)
        taken = copy.copy(message)
        moto.sqs.models._filter_message_attributes(taken, names)
        if queue.message_retention_period + message.sent_timestamp / 1000 > time.time():
            found.append(taken)
    return found


def _until_next(queue: Any) -> float:
    """Return the seconds until a message of the queue becomes visible, at most LOOK_SECONDS."""
    now = time.time() * 1000
    due = (max(message.visible_at, message.delayed_until) - now for message in queue._messages)
    return min(LOOK_SECONDS, max(0.001, min(due, default=LOOK_SECONDS * 1000) / 1000 + 0.001))


def _is_plain(environ: dict[str, Any]) -> bool:
    """Whether the request is JSON as it is, and its region is that of its signature."""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE", "").startswith("application/x-amz-json")
        and "HTTP_CONTENT_ENCODING" not in environ
        and "region/" not in environ.get("HTTP_USER_AGENT", "")
        and ".amazonaws.com" not in environ.get("HTTP_HOST", "")
    )


@functools.cache
def _members(service: str, action: str) -> frozenset[str]:
    """Return the names of a response's members. moto's results have others, which its serializer leaves out, too."""
    shape = get_service_model(service).operation_model(action).output_shape
    return frozenset(shape.members if shape is not None else ())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value)} is no JSON")
