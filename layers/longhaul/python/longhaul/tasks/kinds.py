"""The kinds of task this deployment serves: each a domain's declaration of what its tasks take and how they run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from longhaul import settings
from longhaul.database import Session
from longhaul.errors import UnknownKind
from longhaul.tasks.model import Tally

type Purge = Callable[[Session, Sequence[str], int], int]
"""Deletes rows of what hangs on these tasks (their ids), at most so many; how many: fewer means that none is left."""


@dataclass(frozen=True)
class Counter:
    """A figure of a task's statistics: the finished steps of a level, or the units they counted."""

    level: str
    units: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    `params` validates what a caller sends. `workflow` is the logical id of a state machine or of a queue. `title` is
    what a person reads, `slug` begins the public id. `weights` says how much of the whole each level of steps is, in
    the order in which a level plans the next; they add up to 1. `final_stage` is the stage of a task that has
    SUCCEEDED; without one it keeps its last. A kind whose work is not in its steps counts it itself:
    `tally(session, task_id)` stands for `weights` and `statistics`. `purge` deletes what its domain keeps of tasks that
    are purged, unless a foreign key does. The lane's limits are what `database/migrate` gives a new lane. A task must
    end `seconds_allowed` after its first start, and an attempt that is not heard of for `stale_seconds` gives way to
    the next (the default is longer than any function may run). `open_key` says what there is one open task at
    most for, in a tenant: who submits a second is given the first, until that has ended. None is for nothing.
    """

    name: str
    params: type[BaseModel]
    workflow: str
    title: Callable[[Any], str]
    slug: Callable[[Any], str]
    weights: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, Counter] = field(default_factory=dict)
    final_stage: str | None = None
    tally: Callable[[Session, str], Tally] | None = None
    purge: Purge | None = None
    open_key: Callable[[Any], str | None] | None = None
    max_concurrent: int = 5
    max_queued: int = 1000
    max_retries: int = 3
    seconds_allowed: int = 7200
    stale_seconds: int = 1200

    def __post_init__(self) -> None:
        if self.tally is None and abs(sum(self.weights.values()) - 1) > 1e-9:
            raise ValueError(f"the weights of {self.name} add up to {sum(self.weights.values())}, not to 1")


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by its name: the `KINDS` of each module that the environment's KIND_MODULES names."""
    modules = [import_module(name) for name in settings.of(settings.Kinds).kind_modules]
    return {kind.name: kind for module in modules for kind in module.KINDS}


def kind_named(name: str) -> Kind:
    """Raises UnknownKind, naming those there are."""
    try:
        return kinds()[name]
    except KeyError:
        known = ", ".join(sorted(kinds()))
        detail = f"no kind {name!r}; there are: {known}"
        raise UnknownKind(errors=[{"pointer": "/kind", "detail": detail}]) from None
