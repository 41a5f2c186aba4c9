"""What a campaign is: its jobs in blocks, how their calls went, and its row with its counters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from longhaul.errors import Conflict
from longhaul.observability import logger
from longhaul.tasks.model import Status

KIND = "call_campaign"
BLOCK_JOBS = 99  # the provider's limit for one ListJobs
MAX_BATCH = 99  # the provider's limit for one AssignJobs

# Counters beside those of each job status and each outcome.
FOLLOWED, INTERESTED, TALK_MS = "followed", "interested", "talk_ms"


class WrongKind(Conflict):
    """The task is no call campaign."""

    code = "wrong_kind"


class CampaignClosed(Conflict):
    """The campaign takes no more leads."""

    code = "campaign_closed"


def block_of(job_seq: int) -> int:
    """The block that a job lies in: 99 ordinals in a row, from block 0. A block is synced in one request."""
    return (job_seq - 1) // BLOCK_JOBS


def seqs_of(block: int) -> tuple[int, int]:
    """The first and last ordinal of a block."""
    return block * BLOCK_JOBS + 1, (block + 1) * BLOCK_JOBS


class JobStatus(StrEnum):
    """The status of a job in the provider's words, as `leads_task_list.call_status` keeps it."""

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
        """The outcome in a follow-up's remark, for people."""
        return _WORDS[self]


CONNECTED = "Succeeded"  # followed by how the call ended: SucceededFinish, SucceededClientHangUp, ...

# The provider makes one attempt at a number a task. These are the statuses its SDK documents beside Succeeded*.
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
    """The outcome of a job's latest call, or of a job that ended before any call. None while it waits."""
    return outcome_of(task_status) if task_status else _UNCALLED.get(status)


def outcome_of(task_status: str) -> Outcome:
    """The outcome of a call with this status. An unknown status counts as failed, with a warning."""
    if task_status.startswith(CONNECTED):
        return Outcome.CONNECTED
    if task_status not in _OUTCOMES:
        logger.warning("unknown status of a call", extra={"task_status": task_status[:64]})
    return _OUTCOMES.get(task_status, Outcome.FAILED)


@dataclass(frozen=True)
class Line:
    """One line of a conversation. `speaker` is Robot or Contact; `at` is in milliseconds since 1970, 0 when unknown."""

    speaker: str
    script: str
    at: int


@dataclass(frozen=True)
class OpenJob:
    """A row of a job that is not final."""

    id: int
    leads_id: str
    job_seq: int
    call_job_id: str
    call_status: str


class ProviderState(StrEnum):
    """The state that the provider's jobs of a campaign were last set to.

    `changing`: a worker is setting it. `outdated`: there are new jobs that it does not cover. `closing` and `ended` are
    states of the campaign itself.
    """

    running = "running"
    suspended = "suspended"
    cancelled = "cancelled"
    changing = "changing"
    outdated = "outdated"
    closing = "closing"
    ended = "ended"


# The state that a task's status asks for. A task that waits for its turn (PENDING) asks for no change.
WANTED: dict[Status, ProviderState] = {
    Status.RUNNING: ProviderState.running,
    Status.PAUSED: ProviderState.suspended,
    Status.CANCELLED: ProviderState.cancelled,
    Status.FAILED: ProviderState.cancelled,
}


@dataclass(frozen=True)
class Campaign:
    """A row of `call_campaigns` with its task's status and attempt. `assigning`: a worker is handing over a batch."""

    task_id: str
    tenant_id: str
    task_status: Status
    attempt: int
    open: bool
    leads: int
    assigned: int
    job_group_id: str | None
    provider_state: ProviderState
    assigning_first: int | None
    assigning_last: int | None
    assigning: bool
    counts: Mapping[str, int]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(
            **{name: row[name] for name in cls.__match_args__}
            | {
                "task_status": Status(row["task_status"]),
                "provider_state": ProviderState(row["provider_state"]),
                "open": bool(row["open"]),
                "assigning": bool(row["assigning"]),
                "counts": counts_of(row["counts"]),
            }
        )

    @property
    def final(self) -> int:
        """The number of final jobs."""
        return final_of(self.counts)

    @property
    def followed(self) -> int:
        """The number of leads with a follow-up."""
        return self.counts.get(FOLLOWED, 0)

    @property
    def complete(self) -> bool:
        """Whether every lead was called and followed up, and no more leads will come."""
        return not self.open and self.leads == self.final == self.followed

    @property
    def wanted(self) -> ProviderState:
        """The state that its task asks for."""
        return WANTED.get(self.task_status, self.provider_state)

    @property
    def log_context(self) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt}


def counts_of(text: str | None) -> dict[str, int]:
    """The counters of a row's JSON, without those at 0."""
    return {name: int(number) for name, number in json.loads(text or "{}").items() if number}


def final_of(counts: Mapping[str, int]) -> int:
    """The number of final jobs."""
    return sum(counts.get(status, 0) for status in JobStatus if status.is_final)


def summary_of(leads: int, counts: Mapping[str, int]) -> dict[str, Any]:
    """The figures of a campaign as its task reports them: leads, each outcome, and the talk in seconds."""
    outcomes = {str(outcome): counts.get(outcome, 0) for outcome in Outcome if outcome != Outcome.CALLING}
    return {
        "leads": leads,
        "final": final_of(counts),
        **outcomes,
        "interested": counts.get(INTERESTED, 0),
        "followed": counts.get(FOLLOWED, 0),
        "talk_seconds": counts.get(TALK_MS, 0) // 1000,
    }
