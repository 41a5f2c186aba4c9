"""The stages of a workload: items that are independent of each other, and approvals between them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from longhaul.workloads.contexts import StepContext, TaskContext

APPROVAL = "approval"  # the level of the steps that stand for approvals
MAX_NAME = 32  # characters of a stage's name: it is the level of its steps
MAX_KEY = 95  # characters of an item's key: with its stage's name it is the key of its step
MAX_LABEL = 200
MAX_STEP_SECONDS = 840  # a function lives for 900 s, and has to read and write beside the step
DEFAULT_FUNCTION = "RunStep"

type Returned = Mapping[str, Any] | BaseModel | None
type Plan[P: BaseModel] = Callable[[TaskContext[P]], Iterable["Item"]]
type Run[P: BaseModel] = Callable[[StepContext[P]], Returned]
type Result[P: BaseModel] = Callable[[TaskContext[P]], Returned]
type Share[P: BaseModel] = float | Callable[[P], float]


@dataclass(frozen=True)
class Item:
    """One unit of a stage's work. `key` is unique in its stage; `label` is what people read (the key, when empty).

    `input` is JSON, and the step reads it back as it was. Raises ValueError for a key or label out of bounds.
    """

    key: str
    label: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= MAX_KEY or not self.key.isprintable() or self.key != self.key.strip():
            raise ValueError(f"an item's key is 1 to {MAX_KEY} printable characters; this is {self.key!r}")
        if len(self.label) > MAX_LABEL:
            raise ValueError(f"the label of {self.key} has more than {MAX_LABEL} characters")


@dataclass(frozen=True)
class Approval:
    """A stop between two stages: the task is PAUSED with the reason `awaiting_approval`; resuming it approves.

    `question` is what the person who approves reads; `when`, given the params, whether this task stops here.
    """

    name: str
    question: str
    when: Callable[[Any], bool] = lambda _: True

    @property
    def key(self) -> str:
        return f"{APPROVAL}/{self.name}"


class Stage[P: BaseModel]:
    """Items that are independent of each other. `Workload.stage` and `Workload.step` make it."""

    def __init__(
        self, name: str, plan: Plan[P], *, weight: float, in_flight: int, batch: int, tolerate: Share[P]
    ) -> None:
        checked_name(name)
        check(weight > 0, f"the weight of stage {name} is more than 0")
        check(1 <= in_flight <= 1_000, f"stage {name} has 1 to 1,000 items in flight")
        check(1 <= batch <= 100, f"stage {name} runs 1 to 100 items an invocation")
        check(callable(tolerate) or 0 <= tolerate <= 1, f"what stage {name} tolerates is a share from 0 to 1")
        self.name = name
        self.plan = plan
        self.weight = weight
        self.in_flight = in_flight
        self.batch = batch
        self.tolerate = tolerate
        self.timeout, self.retries, self.function = 60.0, 3, DEFAULT_FUNCTION
        self._run: Run[P] | None = None

    def step(
        self, *, timeout: float = 60, retries: int = 3, function: str = DEFAULT_FUNCTION
    ) -> Callable[[Run[P]], Run[P]]:
        """The function that does one item's work. It is called at least once, and finished once.

        `timeout`: seconds of one try, at most 840. `retries`: further tries after an error, with a back-off from 1 s
        to 60 s; a PermanentError is not tried again, and a TransientError at least 12 times. `function`: the logical
        id of the Lambda function that runs it, for a step with memory, layers or permissions of its own.
        """
        check(0 < timeout <= MAX_STEP_SECONDS, f"a step's timeout is at most {MAX_STEP_SECONDS} s")
        check(0 <= retries <= 100, "a step has 0 to 100 retries")

        def declare(run: Run[P]) -> Run[P]:
            check(self._run is None, f"stage {self.name} has two steps")
            self._run, self.timeout, self.retries, self.function = run, timeout, retries, function
            return run

        return declare

    def tolerated(self, params: P) -> float:
        """The share of its items that may fail."""
        return self.tolerate(params) if callable(self.tolerate) else self.tolerate

    @property
    def run(self) -> Run[P]:
        """Raises ValueError when the stage has no step."""
        if self._run is None:
            raise ValueError(f"stage {self.name} has no step: decorate a function with @{self.name}.step()")
        return self._run


def checked_name(name: str) -> str:
    """The name of a stage or of an approval. Raises ValueError."""
    ok = 1 <= len(name) <= MAX_NAME and name.replace("_", "").isalnum() and name != APPROVAL
    check(ok, f"{name!r} is no name of a stage: 1 to {MAX_NAME} letters, digits and underscores")
    return name


def check(holds: bool, otherwise: str) -> None:
    """Raises ValueError, for a declaration that is not right."""
    if not holds:
        raise ValueError(otherwise)
