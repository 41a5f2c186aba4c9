"""Writes each event down, so that a test can see it."""

import json
import os
import time

import boto3


def handler(event, context):
    time.sleep(event.get("seconds", 0))
    table = boto3.resource("dynamodb").Table(os.environ["SEEN_TABLE"])
    table.put_item(Item={"id": event["id"], "event": json.dumps(event)})
    return {"noted": event["id"]}
