"""What a domain declares of its deployment, in `functions/<domain>/deployment.yaml`.

All that the code says already is not declared: a function's handler, variables, routes and the permissions that
follow from them, and state machines, which are found by their `*.asl.yaml`.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployment.text import load

FILE = "deployment.yaml"

type Part = dict[str, Any]
"""A part of a template: an object of CloudFormation."""


class DeclarationError(Exception):
    """A declaration does not fit the code, or another one. The message says what to write where."""


class Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Queue(Declared):
    """The queue whose messages a function takes: `Steer` becomes SteerQueue, with dead letters, alarm and source.

    A message that failed three times is a dead letter, and `alarm` says what that means.
    """

    name: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    batch_size: int = Field(1, ge=1, le=10_000)
    batch_seconds: int | None = Field(None, ge=1, le=300)  # how long a batch is gathered
    concurrency: int = Field(4, ge=2, le=1000)
    alarm: str = Field(min_length=1)


class Function(Declared):
    """A Lambda function.

    It may do with a resource what is usual (`policies.USUAL`), or the actions that `allow` names for it, by the
    resource's logical id: `{CacheTable: [BatchGetItem, PutItem]}`; an empty list is none. `steers` says that it stops
    or wakes the workflow of a task of any kind, `runs_steps` that steps of code-first workloads may name it. `layers`
    are of its domain's resources, beside those of Globals.
    `statements`, `events` and `properties` are added to those of the function in the template, as they are.
    """

    description: str = Field(min_length=1, max_length=256)
    timeout: int | None = Field(None, ge=1, le=900)  # in seconds; none: as in Globals
    reserved: int | None = Field(None, ge=1, le=1000)  # executions that nothing else of the account may take
    queue: Queue | None = None
    allow: dict[str, list[str]] = {}
    steers: bool = False
    runs_steps: bool = False
    layers: list[str] = []
    hears_dead_executions: bool = False
    statements: list[Part] = []
    events: dict[str, Part] = {}
    properties: Part = {}

    @model_validator(mode="after")
    def is_held_back_at_its_queue(self) -> Self:
        """Throttling would drive healthy messages to the dead letters."""
        if self.reserved and self.queue and self.reserved <= self.queue.concurrency:
            raise ValueError(f"reserved must be more than the queue's concurrency, {self.queue.concurrency}")
        return self


class Domain(Declared):
    """A domain's declaration. A `workload` may be left out of a deployment (`Workloads`); the others are the core.

    What is left out needs no value for its parameters: those without a default are asked for only where it is deployed.
    """

    title: str = Field(min_length=1, max_length=40)
    workload: bool = False
    parameters: dict[str, Part] = {}
    resources: dict[str, Part] = {}
    functions: dict[str, Function] = {}
    outputs: dict[str, Part] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises DeclarationError with what is wrong in the file."""
        try:
            return cls.model_validate(load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise DeclarationError(f"{path}: {wrong}") from error
