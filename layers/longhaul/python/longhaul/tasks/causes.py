"""Why a step or an attempt failed, as Step Functions tells it, in our own words."""

import json

from longhaul.errors import LonghaulError, TransientError
from longhaul.tasks.model import TaskError

# What Lambda and Step Functions call a worker that died, timed out or was throttled: nobody's mistake.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_PLATFORM = ("States.Timeout", "States.HeartbeatTimeout", "Lambda.", "Runtime.", "Sandbox.", "Execution.")


def read_cause(error: str, cause: str) -> TaskError:
    """From a Catch's `Error` (an exception's class name) and `Cause` (Lambda's JSON, or plain text).

    The code is the exception's own; a name that is not in our tree stays as it is.
    """
    known = _tree().get(error)
    return TaskError(known.code if known else error, _message(cause) or error)


def is_transient(code: str) -> bool:
    """Whether an error with this code may be gone next time."""
    transient = {known.code for known in _tree().values() if issubclass(known, TransientError)}
    return code in transient or code.startswith(_PLATFORM)


def _message(cause: str) -> str:
    try:
        told = json.loads(cause)
    except ValueError:
        return cause
    return str(told.get("errorMessage") or cause) if isinstance(told, dict) else cause


def _tree(root: type[LonghaulError] = LonghaulError) -> dict[str, type[LonghaulError]]:
    named = {root.__name__: root}
    for child in root.__subclasses__():
        named |= _tree(child)
    return named
