"""Functions that behave as a test of the runtime wants them to."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def echo(event, context):
    print("said", event.get("say"))
    return {
        "event": event,
        "pid": os.getpid(),
        "left": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
        "arn": context.invoked_function_arn,
        "cwd": str(Path.cwd()),
    }


def fail(event, context):
    class TooOdd(Exception): ...

    raise TooOdd("no " + event["what"])


def sleep(event, context):
    time.sleep(event.get("seconds", 60))
    return os.getpid()


def leave(event, context):
    os._exit(3)


def hoard(event, context):
    held = b"x" * (event["megabytes"] * 1024 * 1024)
    time.sleep(event.get("seconds", 0))
    return len(held)


def reply(event, context):
    return "x" * (event["bytes"] - 2)


def large(event, context):
    return {"statusCode": 200, "body": "x" * 7 * 1024 * 1024}


def hold(event, context):
    """Run until a file exists."""
    while not Path(event["until"]).exists():
        time.sleep(0.01)
    return event["until"]


def pooled(event, context):
    """Return the name of a pool's thread, which counts the pools of this process."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: threading.current_thread().name).result()
