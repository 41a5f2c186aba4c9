"""The telephone lines of the OutboundBot stand-in: which job is called when.

    Scheduling --a line is free--> Executing --call_seconds--> Succeeded or Failed
    Scheduling <--suspend, resume--> Paused
    Scheduling, Paused, Executing --cancel--> Cancelled

Nothing runs in the background: what has happened meanwhile is worked out when somebody asks, event by event, so that it
is the same however often they ask. What is final stays.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from local.providers.calls import Call, Group, Job, ending
from local.providers.faults import Outbound, draw

type Clock = Callable[[], float]

STARTED = time.time() - time.monotonic()


def steady() -> float:
    """Seconds since 1970 that never go back."""
    return STARTED + time.monotonic()


class Instance:
    """A customer's lines, and the jobs that wait for one of them. `advance` comes before all else that is asked."""

    def __init__(self, plan: Callable[[], Outbound], clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._waiting: dict[str, Job] = {}  # by id, in the order in which they will be dialled
        self._calling: list[tuple[float, str, Job]] = []  # a heap, by the time the call ends
        self.now = clock()
        self.groups: dict[str, Group] = {}
        self.jobs: dict[str, Job] = {}
        self.called: dict[str, Job] = {}  # by their call's id

    def advance(self) -> None:
        """Let happen what happens until now."""
        now = self._clock()
        self._dial()
        while self._calling and self._calling[0][0] <= now:
            self.now, _, job = heappop(self._calling)
            job.end()
            self._dial()
        self.now = now

    def open(self, group: Group) -> None:
        self.groups[group.id] = group

    def assign(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            job.group.jobs.append(job)
            self.jobs[job.id] = self._waiting[job.id] = job

    def suspend(self, jobs: Iterable[Job]) -> None:
        """Whoever is being called is not bothered."""
        for job in jobs:
            if self._waiting.pop(job.id, None):
                job.status = "Paused"

    def resume(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if job.status == "Paused":
                job.status = "Scheduling"
                self._waiting[job.id] = job

    def cancel(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if not job.is_final:
                self._waiting.pop(job.id, None)
                job.cancel(self.now)
        self._calling = [entry for entry in self._calling if not entry[2].is_final]
        heapify(self._calling)

    def _dial(self) -> None:
        plan = self._plan()
        while self._waiting and len(self._calling) < plan.call_lines:
            job = self._waiting.pop(next(iter(self._waiting)))
            reference = job.contact.reference
            pace, _ = draw(plan.seed, reference, "pace")
            call = Call(self.now, self.now + plan.call_seconds * (0.5 + pace), ending(reference, plan.seed))
            job.begin(call)
            self.called[call.id] = job
            heappush(self._calling, (call.ends, job.id, job))


class World:
    """All instances. One comes to be with its first job group, as there is no console to make it in."""

    def __init__(self, plan: Callable[[], Outbound], clock: Clock = steady) -> None:
        self._plan = plan
        self._clock = clock
        self._instances: dict[str, Instance] = {}
        self._forgotten: set[str] = set()

    def instance(self, instance_id: str) -> Instance | None:
        """As it is now."""
        if instance := self._instances.get(instance_id):
            instance.advance()
        return instance

    def make_instance(self, instance_id: str) -> Instance:
        """The instance; a new one when there is none."""
        self._instances.setdefault(instance_id, Instance(self._plan, self._clock)).advance()
        return self._instances[instance_id]

    def advance(self) -> None:
        """What has happened until now has happened by the present plan, whatever plan comes."""
        for instance in self._instances.values():
            instance.advance()

    def dialled(self) -> Counter[str]:
        """How many times each reference was dialled or will be: its jobs, less those cancelled in time."""
        jobs = [job for instance in self._instances.values() for job in instance.jobs.values()]
        return Counter(
            job.contact.reference for job in jobs if job.was_or_will_be_dialled and job.id not in self._forgotten
        )

    def forget(self) -> None:
        """Count from now on only who is assigned from now on; the calls go on."""
        self._forgotten = {job_id for instance in self._instances.values() for job_id in instance.jobs}
