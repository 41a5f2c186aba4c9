"""The kinds of task this deployment serves: each a domain's declaration of what its tasks take and how they run."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from longhaul import settings
from longhaul.database import Session
from longhaul.errors import FieldError, UnknownKind
from longhaul.tasks.model import Progress

type Purge = Callable[[Session, Sequence[str], int], int]
"""Deletes rows that hang on these tasks (their ids), at most the limit. Returns how many: if fewer, none is left."""


@dataclass(frozen=True)
class Counter:
    """A figure of a task's statistics: a level's steps that SUCCEEDED, the units they counted, or those that FAILED.

    A kind that counts a level's steps also counts those that failed, so that nothing is missing without a word.
    """

    level: str
    units: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    `params` validates what a caller sends. `workflow` is the logical id of a state machine or of a queue. `title` is
    what a person reads, like the labels of steps in the workload's own language. `slug` begins the public id. `weights`
    says how much of the whole each level of steps is, in the order in which a level plans the next; they add up to 1.
    `final_stage` is the stage of a task that has SUCCEEDED; without one it keeps its last. A kind whose work is not in
    its steps counts it itself: `count(session, task_id)` stands for `weights` and `statistics`. `purge` deletes what
    its domain keeps of tasks that are purged, unless a foreign key does. The lane's limits are what `database/migrate`
    gives a new lane. A task must end `seconds_allowed` after its first start, and an attempt that is not heard of for
    `stale_seconds` gives way to the next (the default is longer than any function may run). `open_key`: tasks with the
    same key are deduplicated in their tenant while one is open. None: never.
    """

    name: str
    params: type[BaseModel]
    workflow: str
    title: Callable[[Any], str]
    slug: Callable[[Any], str]
    weights: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, Counter] = field(default_factory=dict)
    final_stage: str | None = None
    count: Callable[[Session, str], Progress] | None = None
    purge: Purge | None = None
    open_key: Callable[[Any], str | None] | None = None
    max_concurrent: int = 5
    max_queued: int = 1000
    max_retries: int = 3
    seconds_allowed: int = 7200
    stale_seconds: int = 1200

    def __post_init__(self) -> None:
        counted, failed = (
            {counter.level for counter in self.statistics.values() if not counter.units and counter.failed is wanted}
            for wanted in (False, True)
        )
        if counted != failed:
            levels = ", ".join(sorted(counted ^ failed))
            raise ValueError(f"{self.name} counts either what is done or what failed of {levels}; count both")
        if self.count is None and abs(sum(self.weights.values()) - 1) > 1e-9:
            raise ValueError(f"the weights of {self.name} add up to {sum(self.weights.values())}, not to 1")


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by its name: the `KINDS` of each module that the environment's KIND_MODULES names."""
    modules = [import_module(name) for name in settings.of(settings.Kinds).kind_modules]
    return {kind.name: kind for module in modules for kind in module.KINDS}


def kind_named(name: str) -> Kind:
    """Raises UnknownKind, naming those there are."""
    check_named([name], kinds(), UnknownKind, "/kind")
    return kinds()[name]


def check_named(named: Iterable[str], known: Collection[str], error: type[UnknownKind], pointer: str) -> None:
    """Raises the error for a name that is not known, with those that are: a misspelt one would match nothing."""
    there = ", ".join(sorted(known))
    wrong = [
        FieldError(pointer=pointer, detail=f"no kind {name!r}; there are: {there}")
        for name in named
        if name not in known
    ]
    if wrong:
        raise error(errors=wrong)
