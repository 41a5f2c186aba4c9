"""What a call of DynamoDB or SQS takes of the local AWS, on moto's own way and on the short one (`local.aws.shortcut`).

Both ways lead through the same server in a process of its own, in turns, and the processor time is that process's. The
floor is the same server with an application that answers at once. The figures go to local_aws.json.
    make bench NAME=local_aws
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console
from rich.table import Table

from bench import write_results

CALLS, ROUNDS = 200, 5
SERVER = """
import os, sys
os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
from local.aws.http import AwsServer
from local.aws.server import make_dynamodb_atomic
make_dynamodb_atomic()
def floor(environ, start):
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start("200 OK", [("Content-Length", "2")])
    return [b"{}"]
for server in (AwsServer(), AwsServer(application=floor)):
    server.start()
    print(server.url, flush=True)
sys.stdin.read()
"""
PREFIX = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}
WAYS = {"before": "bench region/us-east-1", "after": "bench"}  # who names a region takes moto's own way
KEY = {"pk": {"S": "a"}}
TABLE = {
    "TableName": "t",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
}
UPDATE = {
    "TableName": "t",
    "Key": KEY,
    "UpdateExpression": "SET v = :v ADD n :n",
    "ConditionExpression": "attribute_exists(pk)",
    "ExpressionAttributeValues": {":v": {"S": "2"}, ":n": {"N": "1"}},
}


class LocalAws:
    """moto's server in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._moto, self._floor = (self._process.stdout.readline().strip() for _ in range(2))
        self._pool = urllib3.PoolManager(retries=False)

    def call(self, way: str, service: str, action: str, body: Mapping[str, Any], *, floor: bool = False) -> Any:
        scope = f"local/20260101/us-east-1/{service}/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "X-Amz-Target": f"{PREFIX[service]}.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": WAYS[way],
        }
        answer = self._pool.request(
            "POST", self._floor if floor else self._moto, body=json.dumps(body).encode(), headers=headers
        )
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    def seconds(self) -> float:
        """Return the processor time of the process."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    aws = LocalAws()
    try:
        aws.call("before", "dynamodb", "CreateTable", TABLE)
        url = aws.call("before", "sqs", "CreateQueue", {"QueueName": "q"})["QueueUrl"]
        aws.call("before", "dynamodb", "PutItem", {"TableName": "t", "Item": {**KEY, "v": {"S": "x" * 500}}})
        figures: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 1), "milliseconds": measured(aws, url)}
    finally:
        aws.close()
    show(figures)
    write_results("local_aws.json", figures)


def measured(aws: LocalAws, url: str) -> dict[str, dict[str, float]]:
    """Return the processor time of each call in milliseconds, the median of the rounds."""

    def message(way: str) -> None:
        aws.call(way, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "x" * 200})
        (one,) = aws.call(way, "sqs", "ReceiveMessage", {"QueueUrl": url, "AttributeNames": ["All"]})["Messages"]
        aws.call(way, "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": one["ReceiptHandle"]})

    keys = {"t": {"Keys": [KEY, {"pk": {"S": "b"}}]}}
    item = {"TableName": "t", "Item": {**KEY, "v": {"S": "x" * 500}}}
    works: dict[str, Callable[[str], Any]] = {
        "GetItem": lambda way: aws.call(way, "dynamodb", "GetItem", {"TableName": "t", "Key": KEY}),
        "BatchGetItem": lambda way: aws.call(way, "dynamodb", "BatchGetItem", {"RequestItems": keys}),
        "PutItem": lambda way: aws.call(way, "dynamodb", "PutItem", item),
        "UpdateItem": lambda way: aws.call(way, "dynamodb", "UpdateItem", UPDATE),
        "a message sent, received, deleted": message,
        "floor: the server alone": lambda way: aws.call(way, "dynamodb", "GetItem", item, floor=True),
    }
    taken: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in works}
    for number in range(ROUNDS):
        for name, work in works.items():
            for way in list(WAYS)[:: 1 if number % 2 else -1]:
                work(way)
                started = aws.seconds()
                for _ in range(CALLS):
                    work(way)
                taken[name][way].append(1000 * (aws.seconds() - started) / CALLS)
    return {
        name: {way: round(statistics.median(rounds), 2) for way, rounds in ways.items()} for name, ways in taken.items()
    }


def show(figures: dict[str, Any]) -> None:
    table = Table(title=f"the local AWS, processor ms a call, load average {figures['load_average']}")
    for heading in ("", *WAYS):
        table.add_column(heading, justify="right" if heading else "left")
    for name, ways in figures["milliseconds"].items():
        table.add_row(name, *(f"{ways[way]:.2f}" for way in WAYS))
    Console().print(table)


if __name__ == "__main__":
    main()
