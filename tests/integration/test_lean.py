"""The lean transport and boto3's client answer alike, call by call, and fail alike."""

import itertools
import os
import secrets
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, ClientError

from longhaul import aws
from longhaul.aws import lean
from tests.requesting import watched

type Call = tuple[str, str, dict[str, Any]]

TABLE = "lean"
BYTES = bytes(range(256))
ITEM: dict[str, Any] = {
    "pk": {"S": "人/1"},
    "bytes": {"B": BYTES},
    "nothing": {"B": b""},
    "count": {"N": "12345678901234567890.5"},
    "flag": {"BOOL": True},
    "none": {"NULL": True},
    "map": {"M": {"B": {"S": "named B"}, "inner": {"B": b"\x00"}}},
    "list": {"L": [{"S": "a"}, {"B": b"b"}]},
}
KEY = {"pk": ITEM["pk"]}


@pytest.fixture
def clients(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    """Both clients of each service, and what they speak to."""
    monkeypatch.delenv("AWS_TRANSPORT", raising=False)
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield {
        service: {
            "lean": lean.client(service, (0.5, 5.0), 1, lambda service=service: aws._boto3_client(service)),
            "boto3": aws._boto3_client(service),
        }
        for service in lean.HOT
    }
    boto3.client("dynamodb").delete_table(TableName=TABLE)


def calls() -> Iterator[Call]:
    """Each hot action, where it works and where it is refused."""
    queue, name = boto3.client("sqs").create_queue(QueueName="lean")["QueueUrl"], f"lean-{secrets.token_hex(4)}"
    boto3.client("secretsmanager").create_secret(Name=name, SecretString="密")
    unless = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    keys, gone = {TABLE: {"Keys": [KEY], "ConsistentRead": True}}, {"no-such-table": {"Keys": [KEY]}}
    count = {
        "UpdateExpression": "SET seen = if_not_exists(seen, :no) + :one",
        "ExpressionAttributeValues": {":no": {"N": "0"}, ":one": {"N": "1"}},
    }
    yield "dynamodb", "get_item", {"TableName": TABLE, "Key": {"pk": {"S": "absent"}}}
    yield "dynamodb", "put_item", {"TableName": TABLE, "Item": {"pk": {"S": "new"}}}
    yield "dynamodb", "put_item", {"TableName": TABLE, "Item": ITEM, **unless}
    yield "dynamodb", "put_item", {"TableName": "no-such-table", "Item": ITEM}
    yield "dynamodb", "get_item", {"TableName": TABLE, "Key": KEY, "ConsistentRead": True}
    yield "dynamodb", "get_item", {"TableName": TABLE, "Key": {"no": {"S": "key"}}}
    yield "dynamodb", "batch_get_item", {"RequestItems": keys}
    yield "dynamodb", "batch_get_item", {"RequestItems": gone}
    yield (
        "dynamodb",
        "update_item",
        {"TableName": TABLE, "Key": {"pk": {"S": "new"}}, **count, "ReturnValues": "ALL_NEW"},
    )
    yield "dynamodb", "update_item", {"TableName": TABLE, "Key": KEY, **count, **unless}
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": ITEM["pk"]}}
    yield "dynamodb", "query", {"TableName": TABLE, **query}
    yield "dynamodb", "batch_write_item", {"RequestItems": {TABLE: [{"PutRequest": {"Item": ITEM}}]}}
    yield "dynamodb", "delete_item", {"TableName": TABLE, "Key": KEY, "ReturnValues": "ALL_OLD"}
    entries = [{"Id": "0", "MessageBody": "你好", "DelaySeconds": 3}, {"Id": "1", "MessageBody": ""}]
    yield "sqs", "send_message_batch", {"QueueUrl": queue, "Entries": entries}
    yield "sqs", "send_message_batch", {"QueueUrl": queue, "Entries": []}
    yield "sqs", "send_message", {"QueueUrl": queue, "MessageBody": "a"}
    yield "sqs", "send_message", {"QueueUrl": f"{queue}-gone", "MessageBody": "a"}
    yield "secretsmanager", "get_secret_value", {"SecretId": name}
    yield "secretsmanager", "get_secret_value", {"SecretId": "no-such-secret"}


def as_it_was() -> None:
    """The table has ITEM alone, whatever was done to it."""
    boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": {"S": "new"}})
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=ITEM)


def outcome(client: Any, action: str, parameters: dict[str, Any]) -> tuple[str, Any]:
    """What comes of a call, without what differs between any two calls."""
    try:
        answer = getattr(client, action)(**parameters)
    except ClientError as error:
        response = dict(error.response)
        status = response.pop("ResponseMetadata")["HTTPStatusCode"]
        code, text = response["Error"]["Code"], response["Error"]["Message"]
        return type(error).__mro__[-4].__name__, (status, code, text, response.get("Item"), aws.is_away(error))
    return "answer", without_chance(answer)


def without_chance(value: Any) -> Any:
    """Without ids and times, and without empty parts that moto leaves out of one answer and not of another."""
    if isinstance(value, dict):
        chance = ("ResponseMetadata", "MessageId", "CreatedDate")
        return {name: without_chance(part) for name, part in value.items() if name not in chance}
    return [without_chance(part) for part in value] if isinstance(value, list) else value


def test_each_action_answers_and_fails_as_with_boto3(clients: dict[str, dict[str, Any]]) -> None:
    seen = set()
    as_it_was()
    for service, action, parameters in calls():
        pair = clients[service]
        first = outcome(pair["lean"], action, parameters)
        as_it_was()
        assert first == outcome(pair["boto3"], action, parameters), (action, parameters)
        as_it_was()
        seen.add((service, action))
    assert seen == {(service, action) for service, (_, _, actions) in lean.HOT.items() for action in actions}


def test_bytes_come_back_as_they_were(clients: dict[str, dict[str, Any]]) -> None:
    client = clients["dynamodb"]["lean"]
    client.put_item(TableName=TABLE, Item=ITEM)
    assert client.get_item(TableName=TABLE, Key=KEY)["Item"] == ITEM


def test_what_no_action_takes_is_a_type_error(clients: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(TypeError):
        clients["dynamodb"]["lean"].put_item(TableName=TABLE, Item={"pk": {"S": object()}})


def test_what_is_not_hot_is_boto3s(clients: dict[str, dict[str, Any]]) -> None:
    assert clients["dynamodb"]["lean"].describe_table(TableName=TABLE)["Table"]["TableName"] == TABLE


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each test stands alone, with moto or without."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@contextmanager
def answering(statuses: list[tuple[int, bytes]]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A service that gives these answers, one a request, and keeps the headers of each."""
    given, asked = iter(statuses), list[dict[str, str]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(dict(self.headers.items()))
            status, body = next(given)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not a word of each request."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def named(error: str) -> bytes:
    return b'{"__type": "com.amazonaws.dynamodb.v20120810#%s", "message": "m"}' % error.encode()


@pytest.mark.parametrize("transport", ["lean", "boto3"])
@pytest.mark.parametrize(
    ("statuses", "requests", "code"),
    [
        ([(500, b"{}"), (200, b"{}")], 2, ""),
        ([(503, b"<html>"), (200, b"{}")], 2, ""),
        ([(400, named("ThrottlingException")), (200, b"{}")], 2, ""),
        ([(400, named("ProvisionedThroughputExceededException"))] * 2, 2, "ProvisionedThroughputExceededException"),
        ([(400, named("ValidationException"))], 1, "ValidationException"),
        ([(400, named("AccessDeniedException"))], 1, "AccessDeniedException"),
        ([(500, b"{}")] * 2, 2, "500"),
    ],
)
def test_the_same_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, transport: str, statuses: list[tuple[int, bytes]], requests: int, code: str
) -> None:
    with answering(statuses) as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        client = made(transport)
        if code:
            with pytest.raises(ClientError) as raised:
                client.get_item(TableName=TABLE, Key=KEY)
            assert aws.error_code(raised.value) == code
        else:
            client.get_item(TableName=TABLE, Key=KEY)
    assert len(asked) == requests


@pytest.mark.parametrize("transport", ["lean", "boto3"])
def test_a_service_that_is_gone_is_away(monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    with answering([]) as (url, _):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    tried = list[str]()

    def counted(request: AWSPreparedRequest, send: Callable[[], Any]) -> Any:
        tried.append(request.url)
        return send()

    with watched(counted), pytest.raises(BotoCoreError) as raised:
        made(transport).get_item(TableName=TABLE, Key=KEY)
    assert aws.is_away(raised.value)
    assert len(tried) == 2


def test_what_fails_often_is_not_tried_again_until_it_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = (200, b"{}"), (500, b"{}")
    with answering([bad, *[good] * lean.RETRY_COST, bad, good]) as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        client = made("lean")
        assert client._quota.acquire(client._quota.available_capacity)  # as by a hundred failures
        with pytest.raises(ClientError):
            client.get_item(TableName=TABLE, Key=KEY)
        assert len(asked) == 1
        for _ in range(lean.RETRY_COST + 1):
            client.get_item(TableName=TABLE, Key=KEY)
    assert len(asked) == 1 + lean.RETRY_COST + 2


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"<html>"])
def test_an_error_that_is_no_object_is_an_error(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    with answering([(400, body)]) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        with pytest.raises(ClientError) as raised:
            made("lean").get_item(TableName=TABLE, Key=KEY)
    assert aws.error_code(raised.value) == "400"


@pytest.mark.parametrize("transport", ["lean", "boto3"])
def test_the_trace_and_the_session_token_are_sent(monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988;Sampled=1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it knows its credentials
    with answering([(200, b"{}")]) as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        made(transport).get_item(TableName=TABLE, Key=KEY)
    (headers,) = asked
    assert headers["X-Amzn-Trace-Id"] == "Root=1-5759e988;Sampled=1"
    assert headers["X-Amz-Security-Token"] == "token"
    assert "/eu-west-1/dynamodb/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Target"] == "DynamoDB_20120810.GetItem"


@pytest.mark.parametrize(
    ("service", "region"), [*itertools.product(lean.HOT, ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])]
)
def test_the_address_is_boto3s(monkeypatch: pytest.MonkeyPatch, service: str, region: str) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    made_by_boto3 = boto3.client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
    assert lean.endpoint(service, region) == made_by_boto3.meta.endpoint_url + "/"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_TRANSPORT", "boto3"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_PROFILE", "mine"),
        ("AWS_DEFAULT_REGION", "us-iso-east-1"),
    ],
)
def test_what_only_boto3_knows_is_left_to_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert made("lean") is not None
    monkeypatch.setenv(name, value)
    assert made("lean") is None


def made(transport: str) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "lean": lambda: lean.client("dynamodb", (0.5, 1.0), 1, lambda: aws._boto3_client("dynamodb")),
        "boto3": lambda: aws._boto3_client("dynamodb"),
    }
    return makers[transport]()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert made("lean") is None
