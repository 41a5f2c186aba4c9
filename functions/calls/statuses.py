"""The provider's words for a job and for a call, mapped once to ours."""

from enum import StrEnum

from longhaul.observability import logger


class JobStatus(StrEnum):
    """How a job stands, in the provider's words, as `leads_task_list.call_status` keeps them."""

    SCHEDULING = "Scheduling"
    EXECUTING = "Executing"
    SUCCEEDED = "Succeeded"
    PAUSED = "Paused"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DRAFTED = "Drafted"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Outcome(StrEnum):
    """How a call went."""

    CALLING = "calling"
    CONNECTED = "connected"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    POWERED_OFF = "powered_off"
    OUT_OF_SERVICE = "out_of_service"
    EMPTY_NUMBER = "empty_number"
    NOT_CONNECTED = "not_connected"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def words(self) -> str:
        """For people: what a follow-up says of the call."""
        return _WORDS[self]


CONNECTED = "Succeeded"  # with how the call ended: SucceededFinish, SucceededClientHangUp, ...

# The provider calls one attempt at a number a task; these are the statuses its SDK documents beside Succeeded*.
_OUTCOMES = {
    "Executing": Outcome.CALLING,
    "NoAnswer": Outcome.NO_ANSWER,
    "NotExist": Outcome.EMPTY_NUMBER,
    "EmptyNumber": Outcome.EMPTY_NUMBER,  # known to be empty, so not dialled; the *NoCall too were not dialled
    "Busy": Outcome.BUSY,
    "PoweredOff": Outcome.POWERED_OFF,
    "OutOfService": Outcome.OUT_OF_SERVICE,
    "OutOfServiceNoCall": Outcome.OUT_OF_SERVICE,
    "InArrears": Outcome.OUT_OF_SERVICE,
    "InArrearsNoCall": Outcome.OUT_OF_SERVICE,
    "NotConnected": Outcome.NOT_CONNECTED,
    "Cancelled": Outcome.CANCELLED,
    "Terminated": Outcome.CANCELLED,
    "VerificationCancelled": Outcome.CANCELLED,
    "Failed": Outcome.FAILED,
    "PerDayCallCountLimit": Outcome.FAILED,
    "ContactBlockList": Outcome.FAILED,
    "CallerNotRegistered": Outcome.FAILED,
    "CallingNumberNotExist": Outcome.FAILED,
    "HighRiskSipCode": Outcome.FAILED,
}

_UNCALLED = {JobStatus.CANCELLED: Outcome.CANCELLED, JobStatus.FAILED: Outcome.FAILED}

_WORDS = {
    Outcome.CALLING: "呼叫中",
    Outcome.CONNECTED: "已接通",
    Outcome.NO_ANSWER: "无人接听",
    Outcome.BUSY: "占线",
    Outcome.POWERED_OFF: "已关机",
    Outcome.OUT_OF_SERVICE: "已停机",
    Outcome.EMPTY_NUMBER: "空号",
    Outcome.NOT_CONNECTED: "无法接通",
    Outcome.CANCELLED: "已取消",
    Outcome.FAILED: "呼叫失败",
}


def outcome_of_job(status: JobStatus, task_status: str | None) -> Outcome | None:
    """How a job's latest call went, or that the job ended before anyone was called; None while it waits."""
    return outcome_of(task_status) if task_status else _UNCALLED.get(status)


def outcome_of(task_status: str) -> Outcome:
    """How the call with this status went; one that nobody has told us of counts as failed."""
    if task_status.startswith(CONNECTED):
        return Outcome.CONNECTED
    if task_status not in _OUTCOMES:
        logger.warning("unknown status of a call", extra={"task_status": task_status[:64]})
    return _OUTCOMES.get(task_status, Outcome.FAILED)
