"""OutboundBot's model: job groups, jobs, the contacts they call, and how calls end.

How a call ends depends only on the contact's reference id and the random seed. Times are seconds since 1970.
"""

import uuid
from dataclasses import dataclass, field

from local.providers.faults import draw, pick

CALLING_NUMBER = "0000-80010001"  # an area code that does not exist


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ends: its status, the job's reason of failure if it failed, the share of calls that end so."""

    status: str
    failure: str | None
    share: float


ENDINGS = (
    Ending("SucceededFinish", None, 0.5),
    Ending("SucceededClientHangUp", None, 0.11),
    Ending("SucceededChatbotHangUpAfterNoAnswer", None, 0.04),
    Ending("NoAnswer", "NoAnswer", 0.14),
    Ending("Busy", "NoAnswer", 0.07),
    Ending("PoweredOff", "NoAnswer", 0.05),
    Ending("NotConnected", "NoAnswer", 0.03),
    Ending("EmptyNumber", "EmptyNumber", 0.03),
    Ending("OutOfService", "OutOfService", 0.02),
    Ending("Failed", "CallFailed", 0.01),
)


def ending(reference: str, seed: int = 0) -> Ending:
    """Return how the call to this reference will end."""
    drawn, _ = draw(seed, reference, "ending")
    return pick(drawn, ((one, one.share) for one in ENDINGS)) or ENDINGS[0]


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Contact:
    """A person to call."""

    name: str
    phone: str
    reference: str  # the client's own id of the person, by default the phone number
    id: str = field(default_factory=_new_id)


@dataclass(slots=True, eq=False)
class Call:
    """One attempt to reach a contact; OutboundBot calls it a task."""

    began: float
    ends: float
    ending: Ending
    status: str = "Executing"
    id: str = field(default_factory=_new_id)
    call_id: str = field(default_factory=_new_id)

    @property
    def was_connected(self) -> bool:
        return self.status.startswith("Succeeded")


@dataclass(slots=True, eq=False)
class Job:
    """A contact to be called once."""

    group: "Group"
    contact: Contact
    extras: list[tuple[str, str]]
    created: float
    status: str = "Scheduling"
    failure: str | None = None
    call: Call | None = None
    id: str = field(default_factory=_new_id)

    @property
    def is_final(self) -> bool:
        return self.status in ("Succeeded", "Failed", "Cancelled")

    @property
    def was_or_will_be_dialled(self) -> bool:
        return self.call is not None or not self.is_final

    def begin(self, call: Call) -> None:
        self.status, self.call = "Executing", call

    def end(self) -> None:
        """End the call as it was drawn."""
        assert self.call
        self.call.status, self.failure = self.call.ending.status, self.call.ending.failure
        self.status = "Failed" if self.failure else "Succeeded"

    def cancel(self, now: float) -> None:
        """Cancel the job. A call in progress is cut off."""
        self.status = "Cancelled"
        if self.call:
            self.call.status, self.call.ends = "Cancelled", now


@dataclass(slots=True, eq=False)
class Group:
    """A job group: jobs with one script."""

    name: str
    description: str
    script_id: str
    calling_numbers: list[str]
    created: float
    jobs: list[Job] = field(default_factory=list)
    id: str = field(default_factory=_new_id)
