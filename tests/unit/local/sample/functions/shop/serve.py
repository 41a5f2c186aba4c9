"""Answers HTTP and the state machine, and misbehaves as it is asked to."""

import json
import os
import signal
import time


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
    if mode == "odd":
        return {"statusCode": "much", "body": 7}
    print(f"served {mode}")
    return {"mode": mode, "pid": os.getpid(), "left": context.get_remaining_time_in_millis()}
