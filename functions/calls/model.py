"""A campaign's words: leads, jobs, and the campaign's row with its counters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from calls.statuses import JobStatus
from longhaul.tasks.model import Status

BLOCK_JOBS = 99  # as many as one ListJobs takes
LARGEST_BATCH = 99  # as many as one AssignJobs takes

# Counters beside those of each job status and each outcome.
FOLLOWED, INTERESTED, TALK_MS = "followed", "interested", "talk_ms"


def block_of(job_seq: int) -> int:
    """Jobs are asked for by blocks: 99 ordinals in a row, from 0."""
    return (job_seq - 1) // BLOCK_JOBS


def seqs_of(block: int) -> tuple[int, int]:
    """The first and last ordinal of a block."""
    return block * BLOCK_JOBS + 1, (block + 1) * BLOCK_JOBS


class ProviderState(StrEnum):
    """What the provider's jobs of a campaign were last told.

    `changing`: they are being told. `outdated`: there are jobs again that were not. The last two are about the campaign
    itself.
    """

    running = "running"
    suspended = "suspended"
    cancelled = "cancelled"
    changing = "changing"
    outdated = "outdated"
    closing = "closing"
    ended = "ended"


# What a task in this status wants of its jobs; nothing new while it waits for its turn.
WANTED: dict[Status, ProviderState] = {
    Status.RUNNING: ProviderState.running,
    Status.PAUSED: ProviderState.suspended,
    Status.CANCELLED: ProviderState.cancelled,
    Status.FAILED: ProviderState.cancelled,
}


@dataclass(frozen=True)
class Campaign:
    """A row of `call_campaigns` beside its task's; `assigning`: somebody is handing over a batch just now."""

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
        """How many jobs have come to their end."""
        return sum(self.counts.get(status, 0) for status in JobStatus if status.is_final)

    @property
    def followed(self) -> int:
        return self.counts.get(FOLLOWED, 0)

    @property
    def complete(self) -> bool:
        """Every lead was called, every call is over, every lead has its follow-up, and no more leads are to come."""
        return not self.open and self.leads == self.final == self.followed

    @property
    def wanted(self) -> ProviderState:
        """What its task wants of its jobs."""
        return WANTED.get(self.task_status, self.provider_state)

    @property
    def log_context(self) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt}


def counts_of(text: str | None) -> dict[str, int]:
    """The counters as the row has them, without those at 0."""
    return {name: int(number) for name, number in json.loads(text or "{}").items() if number}


@dataclass(frozen=True)
class WaitingLead:
    """A lead that has no job yet."""

    id: int
    leads_id: str
    phone: str
    name: str
    extras: Mapping[str, str]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**row | {"extras": json.loads(row["extras"] or "{}"), "name": row["name"] or ""})

    @property
    def reference(self) -> str:
        """What the provider knows the lead by: one job at most is to have it."""
        return str(self.id)


@dataclass(frozen=True)
class OpenJob:
    """A job that is not over, as the rows have it."""

    id: int
    leads_id: str
    job_seq: int
    call_job_id: str
    call_status: str
