"""How a command ended, for scripts: its exit code."""

from collections.abc import Iterable
from enum import IntEnum

from longhaul_client.errors import Document, TaskError, TaskNotFoundError, TaskTimeoutError, ValidationError


class Outcome(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    FORBIDDEN = 6
    INTERRUPTED = 130


HELP = """\b
Exit codes:
  0    done; each task that was watched SUCCEEDED
  1    a task FAILED or was CANCELLED, or something else went wrong
  2    what was asked is not valid
  3    no such task of yours
  4    the task's status does not allow it
  5    no answer, not in time, or the server is busy
  6    the token is missing, has expired or lacks a scope
  130  interrupted; tasks go on"""


_BY_STATUS = {
    401: Outcome.FORBIDDEN,
    403: Outcome.FORBIDDEN,
    409: Outcome.CONFLICT,
    412: Outcome.CONFLICT,
}


def outcome_of(error: TaskError) -> Outcome:
    """5xx and 429 are for later, as is a server that does not answer; anything else was refused for good."""
    if isinstance(error, ValidationError):
        return Outcome.INVALID
    if isinstance(error, TaskNotFoundError):
        return Outcome.NOT_FOUND
    if isinstance(error, TaskTimeoutError) or error.status is None or error.status == 429 or error.status >= 500:
        return Outcome.UNAVAILABLE
    return _BY_STATUS.get(error.status, Outcome.FAILED)


def worst(ends: Iterable[Document | TaskError]) -> Outcome:
    """Of tasks that were followed to their end, or could not be."""
    return max((_outcome(end) for end in ends), default=Outcome.OK)


def _outcome(end: Document | TaskError) -> Outcome:
    if isinstance(end, TaskError):
        return outcome_of(end)
    return Outcome.OK if end["status"] == "SUCCEEDED" else Outcome.FAILED
