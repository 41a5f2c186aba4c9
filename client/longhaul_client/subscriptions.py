"""What one follower of tasks hears: its topic, its state, and the notices that it has not taken yet."""

import asyncio
import contextlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from longhaul_client.documents import Document
from longhaul_client.errors import ValidationError

STATE = "longhaul.task.state"  # the type of a notice that says how a task is, not what happened to it

SETTLE_SECONDS = 10.0  # for the server's answer to `subscribe`, the connection included
MAX_KEPT = 1_000  # notices that a slow follower has not taken; beyond it, it reads by HTTP
MAX_TASKS = 10_000  # tasks whose last sequence is remembered


@dataclass(frozen=True)
class Topic:
    """What is followed: one task, the tasks of a kind, or (neither) all of the caller's tenant."""

    task_id: str | None = None
    kind: str | None = None

    @classmethod
    def of(cls, task_id: str | None, kind: str | None, everything: bool) -> Self:
        """Raises ValidationError unless exactly one is given."""
        if (task_id is not None) + (kind is not None) + bool(everything) != 1:
            raise ValidationError("follow one thing: task_id=..., kind=... or all=True")
        return cls(task_id, kind)

    @property
    def frame(self) -> Document:
        """The topic as frames name it."""
        if self.task_id is not None:
            return {"task_id": self.task_id}
        return {"kind": self.kind} if self.kind is not None else {"all": True}

    def covers(self, notice: Document) -> bool:
        data = notice["data"]
        return self.task_id in (None, data["task_id"]) and self.kind in (None, data["kind"])


class State(Enum):
    """Of the socket, for one follower."""

    CONNECTING = auto()
    LIVE = auto()
    ABSENT = auto()


class Subscription:
    """What one follower hears. `is_stale`: notices are missing; what is followed has to be read by HTTP."""

    def __init__(self, number: int, topic: Topic, state: State) -> None:
        self.number = str(number)
        self.topic = topic
        self.state = state
        self.is_stale = False
        self.refusal: str | None = None  # why the server does not take the topic
        self._last_sequence: str | None = None  # of all tasks; sent when the socket is opened again
        self._awaits_state = False
        self._has_gap = False  # nothing says which notice was the last
        self._sequences: OrderedDict[str, str] = OrderedDict()
        self._kept: deque[Document] = deque()
        self._event = asyncio.Event()

    @property
    def is_live(self) -> bool:
        return self.state is State.LIVE

    @property
    def subscribe(self) -> Document:
        since = {} if self._last_sequence is None else {"last_sequence": self._last_sequence}
        return {"action": "subscribe", **self.topic.frame, **since, "id": self.number}

    def sequence_of(self, task_id: str) -> str | None:
        """The last sequence that was heard of a task."""
        return self._sequences.get(task_id)

    def take(self) -> list[Document]:
        """Return the notices that came since the last call, of each task only what is newer than before."""
        taken, self._kept = list(self._kept), deque()
        return taken

    def read_by_http(self) -> None:
        """Note that the follower reads the present state by HTTP now: what it was told before is included.

        While there is no socket it reads ever later states, and older notices must not follow them. So the next
        `subscribe` asks for the state, not for what is newer than a notice.
        """
        self._kept.clear()
        self.is_stale = False
        if not self.is_live:
            self._last_sequence, self._has_gap = None, True

    async def settled(self) -> bool:
        """Return whether there is a socket, once that is known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                while self.state is State.CONNECTING:
                    self._event.clear()
                    await self._event.wait()
        if self.state is State.CONNECTING:
            self.state = State.ABSENT
        return self.is_live

    async def changed(self, seconds: float) -> bool:
        """Wait until there is something to take or to read, or the socket comes or goes. False: the time has passed."""
        self._event.clear()
        if self._kept or self.is_stale:
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self._event.wait()
        except TimeoutError:
            return False

    def put(self, notice: Document) -> None:
        """Keep the notice if it is newer than what is known of its task.

        A state answers a subscription, which may be another follower's: whoever hears what happens does without it.
        """
        if notice["type"] == STATE:
            if not self._awaits_state:
                return
            self._awaits_state = False
        task_id, sequence = notice["data"]["task_id"], notice["sequence"]
        if sequence <= self._sequences.get(task_id, ""):
            return
        self._sequences[task_id] = sequence
        self._sequences.move_to_end(task_id)
        if len(self._sequences) > MAX_TASKS:
            self._sequences.popitem(last=False)
        self._last_sequence = max(sequence, self._last_sequence or "")
        self._kept.append(notice)
        if len(self._kept) > MAX_KEPT:
            self.reset()
        self._event.set()

    def turn(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._event.set()

    def confirm(self, sequence: str | None) -> None:
        """The server sends notices from now on. Of one task it sends the state first, of several it does not."""
        self.is_stale |= self._has_gap and self.topic.task_id is None
        self._has_gap = False
        self._awaits_state = self.topic.task_id is not None and self._last_sequence is None
        if self.topic.task_id is None and self._last_sequence is None:
            self._last_sequence = sequence
        self.turn(State.LIVE)

    def join(self) -> None:
        """The server sends notices of everything from now on; how the topic is has to be read."""
        self.reset()
        self.turn(State.LIVE)

    def reset(self) -> None:
        self._kept.clear()
        self.is_stale = True
        self._event.set()
