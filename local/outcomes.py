"""What comes of an invocation, in the shapes that AWS Lambda answers with."""

import json
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`payload` is JSON: the function's answer or, when `failed`, {errorType, errorMessage, stackTrace?}."""

    payload: bytes
    failed: bool = False


class UnknownFunction(Exception):
    """There is no function of that name."""


class Throttled(Exception):
    """The function runs as often at once as its reserved concurrency allows."""


def _error(kind: str, message: str) -> Outcome:
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


def timed_out(request_id: str, seconds: float) -> Outcome:
    return _error("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds")


def exited(request_id: str, code: int) -> Outcome:
    """The process ended before it answered; a negative `code` is the signal that killed it."""
    how = f"signal: {_signal_name(-code)}" if code < 0 else f"exit status {code}"
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}")


def _signal_name(number: int) -> str:
    names: dict[int, str] = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault"}
    return names.get(number) or signal.Signals(number).name
