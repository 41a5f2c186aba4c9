"""Answers HTTP and the state machine, and misbehaves on request."""

import json
import os
import signal
import time

import boto3
from botocore.exceptions import ClientError


class OutOfStock(Exception):
    pass


def handler(event, context):
    if "mode" in event:
        return act(event["mode"], context)
    context_ = event["requestContext"]
    if event["rawPath"].startswith("/open/"):
        return act(event["pathParameters"]["mode"], context)
    body = {"path": event["rawPath"], "parameters": event.get("pathParameters"), "route": context_["routeKey"]}
    body["claims"] = context_.get("authorizer", {}).get("jwt", {}).get("claims")
    body["body"], body["query"] = event.get("body"), event.get("queryStringParameters")
    body["length"] = event["headers"].get("content-length")
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "ETag": '"7"', "Access-Control-Allow-Origin": "*"},
        "cookies": ["a=1", "b=2"],
        "body": json.dumps(body),
    }


def act(mode, context):
    if mode == "raise":
        raise OutOfStock("nothing left")
    if mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "exit":
        os._exit(3)
    if mode == "sleep":
        time.sleep(60)
    if mode == "nap":
        time.sleep(1)
    if mode == "peek":
        return peek()
    if mode == "odd":
        return {"statusCode": "much", "body": 7}
    print(f"served {mode}")
    return {"mode": mode, "pid": os.getpid(), "left": context.get_remaining_time_in_millis()}


def peek():
    """Reads what its role does not allow."""
    table = boto3.resource("dynamodb").Table(os.environ["SEEN_TABLE"])
    try:
        return table.get_item(Key={"id": "a"})
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
