"""Every error of Longhaul, in one tree.

    LonghaulError
    +- TransientError            may succeed when tried again: retried with back-off by the state machine
    |  +- ProviderThrottled, ProviderUnavailable
    |  +- DatabaseUnavailable    MySQL is away, out of connections, or kept deadlocking
    |  +- WorkflowUnavailable    Step Functions does not answer, or the queue that runs the task
    |  +- AwsUnavailable         any other service of AWS is away or throttles us
    |  +- LaneFull               the kind's lane holds as many waiting tasks as it may
    |  +- OutOfTime              the function's call ends before a model could answer: the next call goes on
    |  +- StepTimeout            a step of a code-first workload took longer than it may
    +- PermanentError            trying again gives the same: the state machine's Catch takes it
       +- InvalidRequest         the caller's input, with the field's place
       |  +- UnknownKind (UnknownKindAsked), KeyReused
       +- NotFound, Conflict (IllegalTransition, AlreadyOpen, TooManyScheduled)
       +- MissingMaterial        what the task would be made from is not there
       +- BadAnswer              a provider's answer broke its contract twice
       |  +- AnswerCut           it was cut at its limit of tokens
       +- TooManyFailures        more steps failed than a task tolerates
       +- TaskStopped            the task was cancelled, paused or superseded: end quietly

What only HTTP knows (who asks, how, how often) stands in `longhaul.http.errors`; a domain's own beside the domain.

Its name is what a state machine's `ErrorEquals` matches; `status`, `code` and `retryable` make the RFC 9457 problem.
An exception's docstring is its default message.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict


class FieldError(TypedDict):
    """Where the input is wrong (a JSON pointer into the body, or `query/name`), and how."""

    pointer: str
    detail: str


class LonghaulError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: float | None = None  # seconds; None when the other side gave no hint

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def problem_type(self) -> str:
        """A name, not an address."""
        return f"urn:longhaul:problem:{self.code}"

    def members(self) -> dict[str, Any]:
        """What this error adds to the members every problem has (RFC 9457, 3.2)."""
        return {}


class TransientError(LonghaulError):
    """It did not work this time; try again later."""

    code, status, retryable = "temporarily_unavailable", 503, True

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderThrottled(TransientError):
    """The provider asks us to slow down."""

    code = "provider_throttled"


class ProviderUnavailable(TransientError):
    """The provider does not answer."""

    code = "provider_unavailable"


class DatabaseUnavailable(TransientError):
    """The database does not answer."""

    code = "database_unavailable"


class WorkflowUnavailable(TransientError):
    """The workflow service does not answer."""

    code = "workflow_unavailable"


class AwsUnavailable(TransientError):
    """A service of AWS does not answer."""

    code = "aws_unavailable"


class LaneFull(TransientError):
    """As many tasks of this kind wait as may wait; submit again later."""

    code = "lane_full"


class OutOfTime(TransientError):
    """The function's time is nearly over; its next call goes on."""

    code = "out_of_time"


class StepTimeout(TransientError):
    """The step took longer than its timeout."""

    code = "step_timeout"


class PermanentError(LonghaulError):
    """It cannot work however often it is tried."""


class InvalidRequest(PermanentError):
    """The request is not valid."""

    code, status = "invalid_request", 422

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors)

    def members(self) -> dict[str, Any]:
        return {"errors": self.errors} if self.errors else {}


class UnknownKind(InvalidRequest):
    """There is no such kind of task."""

    code = "unknown_kind"


class UnknownKindAsked(UnknownKind):
    """A filter of a query names a kind of task that there is not."""

    status = 400


class KeyReused(InvalidRequest):
    """This Idempotency-Key was used before with another payload."""

    code = "idempotency_key_reused"


class NotFound(PermanentError):
    """There is no such thing."""

    code, status = "not_found", 404


class Conflict(PermanentError):
    """Not possible in the present state."""

    code, status = "conflict", 409


class IllegalTransition(Conflict):
    """The task's status does not allow this."""

    code = "illegal_transition"

    def __init__(self, message: str = "", *, task_status: str, allowed_actions: Sequence[str]) -> None:
        super().__init__(message)
        self.task_status = task_status
        self.allowed_actions = list(allowed_actions)

    def members(self) -> dict[str, Any]:
        return {"task_status": self.task_status, "allowed_actions": self.allowed_actions}


class AlreadyOpen(Conflict):
    """A newer task for the same thing has not ended."""

    code = "already_open"

    def __init__(self, message: str = "", *, open_task_id: str) -> None:
        super().__init__(message)
        self.open_task_id = open_task_id

    def members(self) -> dict[str, Any]:
        return {"open_task_id": self.open_task_id}


class TooManyScheduled(Conflict):
    """As many of the tenant's tasks of this kind wait for a later start as may."""

    code = "too_many_scheduled"


class MissingMaterial(PermanentError):
    """What the task would be made from is not there."""

    code = "missing_material"


class BadAnswer(PermanentError):
    """The provider's answer broke its contract, also when it was asked to mend it."""

    code, status = "bad_answer", 502


class AnswerCut(BadAnswer):
    """The model's answer was cut at its limit of tokens."""

    code = "answer_cut"


class TooManyFailures(PermanentError):
    """More steps failed than the task tolerates."""

    code = "too_many_failures"


class TaskStopped(PermanentError):
    """The task was cancelled, paused, finished or superseded by a newer attempt."""

    code, status = "task_stopped", 409


# What Lambda and Step Functions call a worker that died, timed out or was throttled: nobody's mistake.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_PLATFORM = ("States.Timeout", "States.HeartbeatTimeout", "Lambda.", "Runtime.", "Sandbox.", "Execution.")


def code_named(name: str) -> str:
    """The code of the error class with this name; a name that is not in the tree is its own code."""
    known = _tree().get(name)
    return known.code if known else name


def is_transient(code: str) -> bool:
    """Whether an error with this code may be gone next time."""
    transient = {known.code for known in _tree().values() if issubclass(known, TransientError)}
    return code in transient or code.startswith(_PLATFORM)


def is_away(code: str) -> bool:
    """Whether the error says that something we need is away: a service, a database, a network interface on its way."""
    away = {known.code for name, known in _tree().items() if name.endswith("Unavailable")}
    return code in away or code.startswith("Lambda.")


def _tree(root: type[LonghaulError] = LonghaulError) -> dict[str, type[LonghaulError]]:
    named = {root.__name__: root}
    for child in root.__subclasses__():
        named |= _tree(child)
    return named
