"""What goes wrong with a provider, and how slow it is: told over HTTP, decided by a seeded draw.

A draw depends on the seed, the key and how often that key was asked for, not on the order in which concurrent calls
arrive: the same run meets the same faults.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

type Fault = Literal["429", "500", "timeout", "drop", "broken_json", "wrong_schema", "off_topic", "long"]
type OutboundFault = Literal["throttled", "500", "html", "timeout", "drop", "lost_answer", "refused", "nonsense"]

ORDINARY_MS = (30, 60)


class Plan[F: str](BaseModel):
    """What goes wrong with one provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float | None = Field(default=None, ge=0, le=120_000)  # None: 30 to 60 ms, by the draw
    rates: dict[F, float] = {}  # the share of calls that meets each fault
    fail_keys: list[str] | dict[str, F] = []  # these always fail; a list means with 500
    slow_keys: dict[str, float] = {}  # milliseconds on top
    script: list[F | Literal["ok"]] = []  # the fate of the next calls, in order, before any rate
    seed: int = 0

    @model_validator(mode="after")
    def rates_are_shares(self) -> Self:
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1:
            raise ValueError("rates are shares of all calls: none below 0, together at most 1")
        return self


class Chat(Plan[Fault]):
    """`{"rates": {"drop": 1}}` is a model that is down. A key is what KEYS of `local.providers.llm` names.

    `broken_json` ends an answer in its middle, `off_topic` speaks of something else, `long` goes on for `long_bytes`.
    """

    retry_after: float = Field(default=1, ge=0, le=3600)  # seconds, what a 429 asks for
    long_bytes: int = Field(default=100_000, ge=0, le=8_000_000)


class Outbound(Plan[OutboundFault]):
    """`{"fail_keys": {"ListJobs": "throttled"}, "script": ["ok", "lost_answer"], "call_seconds": 0.2}`

    A key is the action's name, or "recording" for a download of one. The seed decides how calls end, too.
    """

    call_seconds: float = Field(default=1.5, gt=0, le=3600)  # from half of it to half as much again, by the draw
    call_lines: int = Field(default=50, ge=0, le=10_000)  # calls at once in one instance; with none, all jobs wait
    link_seconds: int = Field(default=3600, ge=0, le=86_400)  # how long a recording's link works


class Controls(Chat):
    """`{"rates": {"429": 0.3}, "models": {"kimi": {"rates": {"drop": 1}}}, "edition": 2, "outbound": {...}}`

    What stands outside `models` and `outbound` is the deployment's own language model's. A model that `models` does not
    name has no faults, and that one's latency.
    """

    models: dict[str, Chat] = {}
    brands: list[str] = Field(default=[], max_length=100)  # that models name; `models.BRANDS` when there are none

    edition: int = Field(default=1, ge=1, le=1000)  # the hospitals as they are at this time
    outbound: Outbound = Outbound()


class Fates[F: str]:
    """Decides the fate of each call to one provider."""

    def __init__(self, plan: Plan[F]) -> None:
        self._plan = plan
        self._script = deque(plan.script)
        self._asked: Counter[str] = Counter()

    def decide(self, key: str) -> tuple[F | None, float]:
        """The fault this call meets, if any, and the seconds its answer takes."""
        self._asked[key] += 1
        fate, pace = draw(self._plan.seed, key, self._asked[key])
        fault = self._fault(key, fate)
        return None if fault == "ok" else cast(F, fault), self._seconds(key, pace)

    def _fault(self, key: str, fate: float) -> str:
        failing = self._plan.fail_keys
        if key in failing:
            return failing[key] if isinstance(failing, dict) else "500"
        if self._script:
            return self._script.popleft()
        return pick(fate, self._plan.rates.items()) or "ok"

    def _seconds(self, key: str, pace: float) -> float:
        least, most = ORDINARY_MS
        latency = self._plan.latency_ms
        ordinary = least + (most - least) * pace if latency is None else latency
        return (ordinary + self._plan.slow_keys.get(key, 0)) / 1000


class Faults:
    """The present controls, and what they mean for each call."""

    def __init__(self) -> None:
        self.use(Controls())

    def use(self, controls: Controls) -> None:
        self.controls = controls
        self._llm = Fates(controls)
        self._models: dict[str, Fates[Fault]] = {}
        self._outbound = Fates(controls.outbound)

    def chat(self, model: str) -> Chat:
        """What goes wrong with a model; "" is the deployment's own."""
        ordinary = Chat(latency_ms=self.controls.latency_ms)
        return self.controls.models.get(model, ordinary) if model else self.controls

    def decide_chat(self, model: str, key: str) -> tuple[Fault | None, float]:
        if not model:
            return self._llm.decide(key)
        return self._models.setdefault(model, Fates(self.chat(model))).decide(key)

    def decide_outbound(self, key: str) -> tuple[OutboundFault | None, float]:
        return self._outbound.decide(key)


def draw(*of: object) -> tuple[float, float]:
    """Two numbers in [0, 1) that depend only on `of`."""
    digest = hashlib.blake2b("/".join(map(str, of)).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:]) / 2**64


def pick[T](drawn: float, shares: Iterable[tuple[T, float]]) -> T | None:
    """The one whose share of the whole the number drawn falls into; None when it falls into none."""
    for one, share in shares:
        if drawn < share:
            return one
        drawn -= share
    return None
