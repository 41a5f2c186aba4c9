"""What can go wrong, in one tree.

TaskError
+- ValidationError         the request is not valid; `errors` says where
+- TaskCreationError       the task could not be submitted
+- TaskNotFoundError       no such task of yours
+- TaskExecutionError      a request could not be carried out: refused, or neither server nor network did it
+- TaskTimeoutError        the task had not ended in the time given; it goes on
+- TaskCancellationError   the task could not be cancelled
"""

from collections.abc import Sequence
from typing import Any

type Document = dict[str, Any]  # a JSON object as the API sends it


class TaskError(Exception):
    """`status` is the answer's, None when there was none; `problem` is what it said (RFC 9457); `retry_after` is in
    seconds."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: Document | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem or {}
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """What is wrong, for programs: `illegal_transition`, `lane_full`; empty when it was not said."""
        return str(self.problem.get("code", ""))

    @property
    def errors(self) -> Sequence[Document]:
        """[{pointer, detail}]: the fields that are wrong."""
        return list(self.problem.get("errors", ()))

    @property
    def allowed_actions(self) -> Sequence[str]:
        """What may be asked of the task instead, when its status is why this was refused."""
        return list(self.problem.get("allowed_actions", ()))


class ValidationError(TaskError, ValueError):
    """The request is not valid."""


class TaskCreationError(TaskError):
    """The task could not be submitted."""


class TaskNotFoundError(TaskError, LookupError):
    """No such task of yours."""


class TaskExecutionError(TaskError):
    """The request could not be carried out."""


class TaskTimeoutError(TaskError, TimeoutError):
    """The task had not ended in the time given."""


class TaskCancellationError(TaskError):
    """The task could not be cancelled."""


_INVALID = (400, 413, 415, 422)


def refusal(status: int, problem: Document, retry_after: float | None, otherwise: type[TaskError]) -> TaskError:
    """The exception for an answer that is none."""
    kind = ValidationError if status in _INVALID else TaskNotFoundError if status == 404 else otherwise
    return kind(_told(status, problem, retry_after), status=status, problem=problem, retry_after=retry_after)


def _told(status: int, problem: Document, retry_after: float | None) -> str:
    """On one line: what is wrong, with which fields, and what to do about it."""
    words = (problem.get(name) for name in ("detail", "title", "message"))  # a gateway has only the last
    detail = str(next(filter(None, words), f"the server answered {status}"))
    places = [f"{error['pointer'] or 'body'}: {error['detail']}" for error in problem.get("errors", ())]
    if places and not all(place in detail for place in places):
        detail = f"{detail.rstrip('.')} ({'; '.join(places)})"
    if status == 401:
        detail += " (a token comes from LONGHAUL_TOKEN or --token)"
    if retry_after is not None:
        detail += f" (try again in {retry_after:.0f} s)"
    return " ".join(detail.split())
