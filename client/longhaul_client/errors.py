"""Every exception of this package, in one tree.

TaskError
+- ValidationError         the request is not valid; `errors` says where
+- TaskCreationError       the task could not be submitted
+- TaskNotFoundError       the caller has no such task
+- TaskExecutionError      the request failed: the server refused it, or it did not answer
+- TaskTimeoutError        the task did not end in the time given; it continues
+- TaskCancellationError   the task could not be cancelled
"""

from collections.abc import Sequence

from longhaul_client.documents import Document


class TaskError(Exception):
    """`status`: the response's HTTP status, None without a response; `problem`: its body (RFC 9457); `retry_after`:
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
        """The reason, for programs: `illegal_transition`, `lane_full`. Empty when the server gave none."""
        return str(self.problem.get("code", ""))

    @property
    def errors(self) -> Sequence[Document]:
        """[{pointer, detail}]: the fields that are wrong."""
        return list(self.problem.get("errors") or ())

    @property
    def allowed_actions(self) -> Sequence[str]:
        """The actions that the task's status allows, when it did not allow this one."""
        return list(self.problem.get("allowed_actions") or ())


class ValidationError(TaskError, ValueError):
    """The request is not valid."""


class TaskCreationError(TaskError):
    """The task could not be submitted."""


class TaskNotFoundError(TaskError, LookupError):
    """The caller has no such task."""


class TaskExecutionError(TaskError):
    """The request failed."""


class TaskTimeoutError(TaskError, TimeoutError):
    """The task did not end in the time given."""


class TaskCancellationError(TaskError):
    """The task could not be cancelled."""


_INVALID = (400, 413, 415, 422)


def refusal(status: int, problem: Document, retry_after: float | None, otherwise: type[TaskError]) -> TaskError:
    """Return the exception for an error response; `otherwise` is its class when the status decides none."""
    kind = ValidationError if status in _INVALID else TaskNotFoundError if status == 404 else otherwise
    return kind(_message(status, problem, retry_after), status=status, problem=problem, retry_after=retry_after)


def _message(status: int, problem: Document, retry_after: float | None) -> str:
    """Return one line: what is wrong, in which fields, and what to do about it."""
    texts = (problem.get(name) for name in ("detail", "title", "message"))  # a gateway has only the last
    detail = str(next(filter(None, texts), f"the server answered {status}"))
    fields = [error for error in problem.get("errors") or () if isinstance(error, dict)]
    places = [f"{error.get('pointer') or 'body'}: {error.get('detail')}" for error in fields]
    if places and not all(place in detail for place in places):
        detail = f"{detail.rstrip('.')} ({'; '.join(places)})"
    if status == 401:
        detail += " (a token comes from LONGHAUL_TOKEN or --token)"
    if retry_after is not None:
        detail += f" (try again in {retry_after:.0f} s)"
    return " ".join(detail.split())
