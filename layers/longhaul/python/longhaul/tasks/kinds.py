"""The kinds of task this deployment serves: each a domain's declaration of what its tasks take and how they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from longhaul import settings
from longhaul.errors import UnknownKind


@dataclass(frozen=True)
class Counter:
    """A figure of a task's statistics: the finished steps of a level, or the units they counted."""

    level: str
    units: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    `params` validates what a caller sends. `workflow` is the state machine's logical id. `weights` says how much of
    the whole each level of steps is, in the order in which a level plans the next; they add up to 1. `slug` begins the
    public id, `title` is what a person reads. The lane's limits are what `database/migrate` gives a new lane.
    """

    name: str
    params: type[BaseModel]
    workflow: str
    weights: Mapping[str, float]
    title: Callable[[Any], str]
    slug: Callable[[Any], str]
    statistics: Mapping[str, Counter] = field(default_factory=dict)
    max_concurrent: int = 5
    max_queued: int = 1000
    max_retries: int = 3

    def __post_init__(self) -> None:
        if abs(sum(self.weights.values()) - 1) > 1e-9:
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
