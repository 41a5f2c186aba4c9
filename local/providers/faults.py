"""What goes wrong with a provider, and how slow it is: told over HTTP, decided by a seeded draw.

A draw depends on the seed, the key and how often that key was asked for, not on the order in which concurrent calls
arrive: the same run meets the same faults.
"""

import hashlib
from collections import Counter, deque
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

type Fault = Literal["429", "500", "timeout", "drop", "broken_json", "wrong_schema"]

ORDINARY_MS = (30, 60)


class Controls(BaseModel):
    """`{"rates": {"429": 0.3}, "fail_keys": {"440103": "wrong_schema"}, "edition": 2}`"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float | None = Field(default=None, ge=0, le=120_000)  # None: 30 to 60 ms, by the draw
    rates: dict[Fault, float] = {}  # the share of calls that meets each fault
    fail_keys: list[str] | dict[str, Fault] = []  # these always fail; a list means with 500
    slow_keys: dict[str, float] = {}  # milliseconds on top
    script: list[Fault | Literal["ok"]] = []  # the fate of the next calls, in order, before any rate
    edition: int = Field(default=1, ge=1, le=1000)  # the hospitals as they are at this time
    seed: int = 0

    @model_validator(mode="after")
    def rates_are_shares(self) -> Self:
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1:
            raise ValueError("rates are shares of all calls: none below 0, together at most 1")
        return self


class Faults:
    """Decides each call's fate by the present controls."""

    def __init__(self) -> None:
        self.use(Controls())

    def use(self, controls: Controls) -> None:
        self.controls = controls
        self._script = deque(controls.script)
        self._asked: Counter[str] = Counter()

    def decide(self, key: str) -> tuple[Fault | None, float]:
        """The fault this call meets, if any, and the seconds its answer takes."""
        self._asked[key] += 1
        fate, pace = draw(self.controls.seed, key, self._asked[key])
        return self._fault(key, fate), self._seconds(key, pace)

    def _fault(self, key: str, fate: float) -> Fault | None:
        failing = self.controls.fail_keys
        if key in failing:
            return failing[key] if isinstance(failing, dict) else "500"
        if self._script:
            scripted = self._script.popleft()
            return None if scripted == "ok" else scripted
        for fault, rate in self.controls.rates.items():
            if fate < rate:
                return fault
            fate -= rate
        return None

    def _seconds(self, key: str, pace: float) -> float:
        least, most = ORDINARY_MS
        latency = self.controls.latency_ms
        ordinary = least + (most - least) * pace if latency is None else latency
        return (ordinary + self.controls.slow_keys.get(key, 0)) / 1000


def draw(*of: object) -> tuple[float, float]:
    """Two numbers in [0, 1) that depend only on `of`."""
    digest = hashlib.blake2b("/".join(map(str, of)).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:]) / 2**64
