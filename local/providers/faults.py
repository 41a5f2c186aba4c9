"""The faults and the latency of a provider: set over HTTP, decided by repeatable draws.

A draw depends on the random seed, the key and how often that key was requested, not on the order in which concurrent
calls arrive. So the same run meets the same faults.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

type Fault = Literal[
    "429", "500", "timeout", "drop",
    "broken_json", "wrong_schema", "off_topic", "long",
    "fenced", "chatty", "thinking", "bom", "parts",
    "cut", "filtered", "withheld", "empty", "tool_calls", "no_choices", "html", "gbk", "error_200",
]  # fmt: skip
type Part = Literal["json_schema", "json_object", "temperature", "max_tokens"]
type Manner = Literal["deepseek", "deepseek_422", "ark", "groq", "lm_studio", "openai", "siliconflow", "vllm"]
type VideoFault = Literal[
    "throttled", "500", "timeout", "drop", "lost_answer",
    "failed", "unknown", "expired", "truncated", "no_audio", "no_picture", "short",
]  # fmt: skip
type OutboundFault = Literal["throttled", "500", "html", "timeout", "drop", "lost_answer", "refused", "nonsense"]

ORDINARY_MS = (30, 60)


class Plan[F: str](BaseModel):
    """The faults of one provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float | None = Field(default=None, ge=0, le=120_000)  # None: 30 to 60 ms, drawn
    rates: dict[F, float] = {}  # the share of calls with each fault
    fail_keys: list[str] | dict[str, F] = []  # keys that always fail; a list means with 500
    slow_keys: dict[str, float] = {}  # extra milliseconds by key
    script: list[F | Literal["ok"]] = []  # the faults of the next calls, in order, before any rate
    seed: int = 0

    @model_validator(mode="after")
    def rates_are_shares(self) -> Self:
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1:
            raise ValueError("rates are shares of all calls: none below 0, together at most 1")
        return self


class Chat(Plan[Fault]):
    """`{"rates": {"drop": 1}}` is a model that is down. A call's key is named by KEYS of `llm.endpoint`.

    Wrong answers: `broken_json` ends in its middle, `off_topic` is about something else, `long` has `long_bytes`.
    Usable answers, in the forms that models give them: `fenced`, `chatty` (text before and after, with an example),
    `thinking` (a draft in `<think>`), `bom`, `parts` (the content as a list of texts). Sent with status 200, but no
    answer: `cut` (at a limit of tokens), `filtered`, `withheld` (a refusal), `empty`, `tool_calls`, `no_choices`,
    `html`, `gbk`, and `error_200`, the way in which routers in front of several models send errors.

    The endpoint refuses requests with a part that `refuses` names, in the words of `manner` (`llm.refusals`).
    """

    refuses: list[Part] = []
    manner: Manner = "deepseek"

    retry_after: float = Field(default=1, ge=0, le=3600)  # seconds, in a 429
    long_bytes: int = Field(default=100_000, ge=0, le=8_000_000)


class Outbound(Plan[OutboundFault]):
    """`{"fail_keys": {"ListJobs": "throttled"}, "script": ["ok", "lost_answer"], "call_seconds": 0.2}`

    A call's key is the action's name, or "recording" for a download. The seed also decides how calls end.
    """

    call_seconds: float = Field(default=1.5, gt=0, le=3600)  # drawn from 50 % to 150 % of it
    call_lines: int = Field(default=50, ge=0, le=10_000)  # simultaneous calls of an instance; 0: all jobs wait
    link_seconds: int = Field(default=3600, ge=0, le=86_400)  # how long a recording's link works


class Videos(Plan[VideoFault]):
    """`{"script": ["ok", "lost_answer"], "refuses": ["violence"], "fail_keys": {"read": "throttled"}}`

    A call's key is "create", "read", "cancel", "list" or "download". The script's faults are those of the next creates:
    of the request, or of what its job comes to. Jobs whose prompt has one of the words of `refuses` fail by moderation.
    """

    job_seconds: float = Field(default=1.0, ge=0, le=3600)
    link_seconds: int = Field(default=86_400, ge=0, le=86_400)  # how long a result's link works
    scale: float = Field(default=0.125, gt=0, le=1)  # of the sizes that are asked for: small files are made quickly
    refuses: list[str] = []


class Controls(Chat):
    """`{"rates": {"429": 0.3}, "models": {"kimi": {"rates": {"drop": 1}}}, "outbound": {...}, "videos": {...}}`

    What is outside `models`, `outbound` and `videos` controls the deployment's own language model. A model that
    `models` does not name has no faults, and the latency of that one.
    """

    models: dict[str, Chat] = {}
    brands: list[str] = Field(default=[], max_length=100)  # the brands that models name; none: `llm.models.BRANDS`

    edition: int = Field(default=1, ge=1, le=1000)  # the state of the hospitals; see `llm.hospitals`
    outbound: Outbound = Outbound()
    videos: Videos = Videos()


class Dice[F: str]:
    """Decides the fault and the latency of each call to one provider."""

    def __init__(self, plan: Plan[F]) -> None:
        self._plan = plan
        self._script = deque(plan.script)
        self._calls: Counter[str] = Counter()

    def decide(self, key: str) -> tuple[F | None, float]:
        """Return the fault of this call, if any, and the seconds that its response takes."""
        self._calls[key] += 1
        drawn, speed = draw(self._plan.seed, key, self._calls[key])
        fault = self._fault(key, drawn)
        return None if fault == "ok" else cast(F, fault), self._seconds(key, speed)

    def _fault(self, key: str, drawn: float) -> str:
        failing = self._plan.fail_keys
        if key in failing:
            return failing[key] if isinstance(failing, dict) else "500"
        if self._script:
            return self._script.popleft()
        return pick(drawn, self._plan.rates.items()) or "ok"

    def _seconds(self, key: str, speed: float) -> float:
        least, most = ORDINARY_MS
        latency = self._plan.latency_ms
        ordinary = least + (most - least) * speed if latency is None else latency
        return (ordinary + self._plan.slow_keys.get(key, 0)) / 1000


class Faults:
    """The present controls, and the fault of each call under them."""

    def __init__(self) -> None:
        self.use(Controls())

    def use(self, controls: Controls) -> None:
        self.controls = controls
        self._llm = Dice(controls)
        self._models: dict[str, Dice[Fault]] = {}
        self._outbound = Dice(controls.outbound)
        self._creates = Dice(controls.videos)
        self._videos = Dice(controls.videos.model_copy(update={"script": []}))

    def chat(self, model: str) -> Chat:
        """Return the faults of a model; "" is the deployment's own."""
        ordinary = Chat(latency_ms=self.controls.latency_ms)
        return self.controls.models.get(model, ordinary) if model else self.controls

    def decide_chat(self, model: str, key: str) -> tuple[Fault | None, float]:
        if not model:
            return self._llm.decide(key)
        return self._models.setdefault(model, Dice(self.chat(model))).decide(key)

    def decide_outbound(self, key: str) -> tuple[OutboundFault | None, float]:
        return self._outbound.decide(key)

    def decide_video(self, key: str) -> tuple[VideoFault | None, float]:
        return (self._creates if key == "create" else self._videos).decide(key)


def draw(*of: object) -> tuple[float, float]:
    """Return two numbers in [0, 1) that depend only on `of`."""
    digest = hashlib.blake2b("/".join(map(str, of)).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:]) / 2**64


def pick[T](drawn: float, shares: Iterable[tuple[T, float]]) -> T | None:
    """Return the item into whose share of [0, 1) the drawn number falls; None when it falls beyond all shares."""
    for one, share in shares:
        if drawn < share:
            return one
        drawn -= share
    return None
