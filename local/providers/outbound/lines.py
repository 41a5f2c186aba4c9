"""The telephone lines: which job is called when.

    Scheduling --a line is free--> Executing --call_seconds--> Succeeded or Failed
    Scheduling <--suspend, resume--> Paused
    Scheduling, Paused, Executing --cancel--> Cancelled

Nothing runs in the background. Each request first works out what has happened since the last one, event by event, so
that the result does not depend on how often requests come. A final status stays.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from local.providers.faults import Outbound, draw
from local.providers.outbound.calls import Call, Group, Job, ending

type Clock = Callable[[], float]

STARTED = time.time() - time.monotonic()


def steady() -> float:
    """Seconds since 1970 that never go back."""
    return STARTED + time.monotonic()


class Instance:
    """A customer's lines, and the jobs that wait for one. Call `advance` before anything else."""

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
        """Carry out everything that happened until now."""
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
        """Pause the jobs that wait. A call in progress goes on."""
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
            speed, _ = draw(plan.seed, reference, "pace")
            call = Call(self.now, self.now + plan.call_seconds * (0.5 + speed), ending(reference, plan.seed))
            job.begin(call)
            self.called[call.id] = job
            heappush(self._calling, (call.ends, job.id, job))


class World:
    """All instances. The first job group creates one, as there is no console to create it in."""

    def __init__(self, plan: Callable[[], Outbound], clock: Clock = steady) -> None:
        self._plan = plan
        self._clock = clock
        self._instances: dict[str, Instance] = {}
        self._forgotten: set[str] = set()

    def instance(self, instance_id: str) -> Instance | None:
        """Return the instance in its present state."""
        if instance := self._instances.get(instance_id):
            instance.advance()
        return instance

    def make_instance(self, instance_id: str) -> Instance:
        """Return the instance, a new one if needed."""
        self._instances.setdefault(instance_id, Instance(self._plan, self._clock)).advance()
        return self._instances[instance_id]

    def advance(self) -> None:
        """Carry out what happened until now under the present plan, before that changes."""
        for instance in self._instances.values():
            instance.advance()

    def dialled(self) -> Counter[str]:
        """Return how often each reference was or will be dialled: its jobs without those cancelled in time."""
        jobs = [job for instance in self._instances.values() for job in instance.jobs.values()]
        return Counter(
            job.contact.reference for job in jobs if job.was_or_will_be_dialled and job.id not in self._forgotten
        )

    def forget(self) -> None:
        """Leave present jobs out of `dialled` from now on. Their calls go on."""
        self._forgotten = {job_id for instance in self._instances.values() for job_id in instance.jobs}
