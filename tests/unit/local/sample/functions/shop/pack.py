"""Packs orders: a batch of records, of which those whose body is `bad` fail."""

import json
import os

import boto3


def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["SEEN_TABLE"])
    records = event["Records"]
    for record in records:
        key = f"{record['body']}/{record['attributes']['ApproximateReceiveCount']}"
        table.put_item(Item={"id": key, "batch": len(records), "event": json.dumps(record)})
    bad = [record["messageId"] for record in records if record["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in bad]}
