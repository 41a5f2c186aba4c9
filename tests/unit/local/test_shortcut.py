"""The short way to moto's DynamoDB and SQS: the same answers as moto's own way, and nothing lost in a queue."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from local.aws import shortcut
from local.aws.http import AwsServer
from local.aws.server import make_dynamodb_atomic

SHORT, LONG = "us-east-1", "eu-west-1"  # a region each, so that the same calls meet the same state
PREFIX = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}
MADE_UP = ("MessageId", "ReceiptHandle", "SentTimestamp", "ApproximateFirstReceiveTimestamp", "QueueUrl")

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
ITEM = {
    **KEY,
    "text": {"S": "医院"},
    "list": {"L": [{"N": "2"}, {"M": {"x": {"BOOL": True}}}]},
    "set": {"SS": ["p", "q"]},
}
SCHEMA = {
    "TableName": "t",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
    ],
}
UPDATE = {
    "TableName": "t",
    "Key": KEY,
    "UpdateExpression": "SET #t = :t, n = if_not_exists(n, :zero) + :one REMOVE gone ADD tags :tags",
    "ConditionExpression": "attribute_exists(pk)",
    "ExpressionAttributeNames": {"#t": "text"},
    "ExpressionAttributeValues": {
        ":t": {"S": "new"},
        ":zero": {"N": "0"},
        ":one": {"N": "1"},
        ":tags": {"SS": ["red"]},
    },
}
DYNAMO: list[tuple[str, dict[str, Any]]] = [
    ("PutItem", {"TableName": "t", "Item": ITEM}),
    ("PutItem", {"TableName": "t", "Item": ITEM, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}),
    ("PutItem", {"TableName": "t", "Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("PutItem", {"TableName": "t", "Item": {"pk": {"S": ""}, "sk": {"N": "1"}}}),
    ("PutItem", {"TableName": "none", "Item": ITEM}),
    ("PutItem", {"TableName": "t", "Item": {**KEY, "sk": {"N": "9"}, "bytes": {"B": "AAEC"}}}),
    ("GetItem", {"TableName": "t", "Key": KEY}),
    (
        "GetItem",
        {"TableName": "t", "Key": KEY, "ProjectionExpression": "#t", "ExpressionAttributeNames": {"#t": "text"}},
    ),
    ("GetItem", {"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"N": "9"}}}),
    ("GetItem", {"TableName": "t", "Key": {"pk": {"S": "nobody"}, "sk": {"N": "1"}}}),
    ("GetItem", {"TableName": "t", "Key": {"wrong": {"S": "a"}}}),
    ("UpdateItem", {**UPDATE, "ReturnValues": "ALL_NEW"}),
    ("UpdateItem", {**UPDATE, "ReturnValues": "UPDATED_OLD"}),
    ("UpdateItem", {**UPDATE, "Key": {"pk": {"S": "nobody"}, "sk": {"N": "1"}}}),
    ("UpdateItem", {**UPDATE, "UpdateExpression": "SET"}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY, {"pk": {"S": "b"}, "sk": {"N": "1"}}]}}}),
    ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {**KEY, "sk": {"N": "2"}}}}]}}),
    (
        "Query",
        {
            "TableName": "t",
            "KeyConditionExpression": "pk = :pk AND sk > :sk",
            "FilterExpression": "attribute_not_exists(gone)",
            "ExpressionAttributeValues": {":pk": {"S": "a"}, ":sk": {"N": "0"}},
            "Limit": 1,
        },
    ),
    ("DeleteItem", {"TableName": "t", "Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("DeleteItem", {"TableName": "t", "Key": KEY}),
]
ATTRIBUTES = {"kind": {"DataType": "String", "StringValue": "x"}}
QUEUES: list[tuple[str, dict[str, Any]]] = [
    ("SendMessage", {"MessageBody": "医院", "MessageAttributes": ATTRIBUTES}),
    ("SendMessage", {"MessageBody": "later", "DelaySeconds": 900}),
    ("SendMessage", {"MessageBody": "never", "DelaySeconds": 901}),
    (
        "SendMessageBatch",
        {"Entries": [{"Id": "1", "MessageBody": "b"}, {"Id": "2", "MessageBody": "c", "DelaySeconds": 5}]},
    ),
    ("SendMessageBatch", {"Entries": []}),
    ("SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": "b"}, {"Id": "1", "MessageBody": "c"}]}),
    (
        "ReceiveMessage",
        {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "WaitTimeSeconds": 1},
    ),
    ("ReceiveMessage", {"MaxNumberOfMessages": 11}),
    ("ReceiveMessage", {}),
    ("DeleteMessage", {"ReceiptHandle": "none"}),
    ("DeleteMessageBatch", {"Entries": [{"Id": "1", "ReceiptHandle": "none"}]}),
    ("ChangeMessageVisibility", {"ReceiptHandle": "none", "VisibilityTimeout": 1}),
    ("SendMessage", {"QueueUrl": "http://127.0.0.1/123456789012/none", "MessageBody": "x"}),
]

type Call = Callable[[str, str, str, dict[str, Any]], tuple[int, Any, str | None]]


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    make_dynamodb_atomic()
    server = AwsServer()
    server.start()
    with urllib3.PoolManager(retries=False) as pool:

        def send(region: str, service: str, action: str, body: dict[str, Any]) -> tuple[int, Any, str | None]:
            """Return status, body and kind of error."""
            scope = f"local/20260101/{region}/{service}/aws4_request"
            headers = {
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
                "X-Amz-Target": f"{PREFIX[service]}.{action}",
                "Content-Type": "application/x-amz-json-1.0",
                "User-Agent": "test" if region == SHORT else f"test region/{region}",
            }
            answer = pool.request("POST", server.url, body=json.dumps(body).encode(), headers=headers)
            return answer.status, json.loads(answer.data or b"null"), answer.headers.get("x-amzn-errortype")

        yield send
    server.stop()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each request, whether it took the short way."""
    found: list[bool] = []

    def noted(environ: dict[str, Any], start_response: Any) -> Any:
        answered = answer(environ, start_response)
        found.append(answered is not None)
        return answered

    answer = shortcut.answer
    monkeypatch.setattr(shortcut, "answer", noted)
    return found


def compare(call: Call, taken: list[bool], service: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    for action, body in calls:
        taken.clear()
        short, long = (call(region, service, action, body) for region in (SHORT, LONG))
        assert anonymous(short) == anonymous(long), (action, body)
        assert taken == [b'"B"' not in json.dumps(body).encode(), False], action


def test_dynamodb_answers_as_on_motos_own_way(call: Call, taken: list[bool]) -> None:
    for region in (SHORT, LONG):
        assert call(region, "dynamodb", "CreateTable", SCHEMA)[0] == 200
    compare(call, taken, "dynamodb", DYNAMO)


def test_a_query_finds_what_is_in_its_partition_and_nothing_else(call: Call) -> None:
    region = "eu-central-1"
    assert call(region, "dynamodb", "CreateTable", SCHEMA)[0] == 200
    for pk, sk in (("b", 1), ("a", 3), ("a", 1), ("a", 2)):
        call(region, "dynamodb", "PutItem", {"TableName": "t", "Item": {"pk": {"S": pk}, "sk": {"N": str(sk)}}})

    def found(pk: str, **more: Any) -> list[int]:
        asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}, **more}
        status, body, _ = call(region, "dynamodb", "Query", {"TableName": "t", **asked})
        assert status == 200, body
        return [int(item["sk"]["N"]) for item in body["Items"] if item["pk"]["S"] == pk]

    assert (found("a"), found("a", ScanIndexForward=False), found("b"), found("nobody")) == (
        [1, 2, 3],
        [3, 2, 1],
        [1],
        [],
    )
    assert found("a", ExclusiveStartKey={"pk": {"S": "a"}, "sk": {"N": "1"}}, Limit=1) == [2]


def test_sqs_answers_as_on_motos_own_way(call: Call, taken: list[bool]) -> None:
    urls = {region: queue(call, region, "compared") for region in (SHORT, LONG)}
    assert urls[SHORT] == urls[LONG]
    compare(call, taken, "sqs", [(action, {"QueueUrl": urls[SHORT], **body}) for action, body in QUEUES])


def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(call: Call) -> None:
    dead = queue(call, SHORT, "dead")
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:{SHORT}:123456789012:dead", "maxReceiveCount": 2}
    url = queue(call, SHORT, "poison", RedrivePolicy=json.dumps(policy), VisibilityTimeout="0")
    call(SHORT, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "poison"})
    bodies = [receive(call, url) for _ in range(3)]
    assert bodies == [["poison"], ["poison"], []]
    assert receive(call, dead) == ["poison"]


def test_a_long_poll_is_answered_when_the_message_is_due(call: Call) -> None:
    url = queue(call, SHORT, "delayed")
    call(SHORT, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "x", "DelaySeconds": 1})
    assert receive(call, url) == []
    assert receive(call, url, WaitTimeSeconds=20) == ["x"]


def test_who_sends_and_deletes_at_once_loses_no_message_and_none_comes_twice(call: Call) -> None:
    # GIVEN a queue, with receivers that delete what they get while others send
    url, number = queue(call, SHORT, "busy"), 300
    seen: list[str] = []
    sent = threading.Event()

    def send(index: int) -> None:
        call(SHORT, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": str(index)})

    def work() -> None:
        while True:
            ended = sent.is_set()
            messages = call(SHORT, "sqs", "ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": 3})[1]
            if "Messages" not in messages:
                if ended:
                    return
                continue
            for message in messages["Messages"]:
                seen.append(message["Body"])
                call(SHORT, "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]})

    with ThreadPoolExecutor(8) as threads:
        workers = [threads.submit(work) for _ in range(4)]
        for sending in [threads.submit(send, index) for index in range(number)]:
            sending.result()
        sent.set()
        for worker in workers:
            worker.result()
    assert sorted(seen, key=int) == [str(index) for index in range(number)]


def test_of_deleted_messages_the_last_are_remembered(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcut, "DELETED", 2)
    url, handles = queue(call, SHORT, "short-memory"), []
    for index in range(5):
        call(SHORT, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": str(index)})
        (message,) = call(SHORT, "sqs", "ReceiveMessage", {"QueueUrl": url})[1]["Messages"]
        handles.append(message["ReceiptHandle"])
        assert call(SHORT, "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": handles[-1]})[0] == 200
    again = [call(SHORT, "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": handle})[0] for handle in handles]
    assert again == [400, 400, 400, 200, 200]


def queue(call: Call, region: str, name: str, **attributes: str) -> str:
    url: str = call(region, "sqs", "CreateQueue", {"QueueName": name, "Attributes": attributes})[1]["QueueUrl"]
    return url


def receive(call: Call, url: str, **options: Any) -> list[str]:
    answer = call(SHORT, "sqs", "ReceiveMessage", {"QueueUrl": url, **options})[1]
    return [message["Body"] for message in answer.get("Messages", [])]


def anonymous(value: Any) -> Any:
    """The answer without what each call makes up."""
    if isinstance(value, dict):
        return {key: "-" if key in MADE_UP else anonymous(each) for key, each in value.items()}
    return [anonymous(each) for each in value] if isinstance(value, list | tuple) else value
