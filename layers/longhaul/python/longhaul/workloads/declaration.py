"""What a workload is: its params, its stages in their order, its result and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, overload

from pydantic import BaseModel

from longhaul.tasks.kinds import Kind, kind_named
from longhaul.workloads import counting
from longhaul.workloads.stages import (
    DEFAULT_FUNCTION,
    MAX_LABEL,
    Approval,
    Item,
    Plan,
    Result,
    Run,
    Share,
    Stage,
    check,
    checked_name,
)

WORKFLOW = "RunWorkload"  # the state machine that runs every workload


@dataclass(frozen=True)
class WorkloadKind(Kind):
    """The kind of task that is a workload."""

    workload: "Workload[Any] | None" = None


class Workload[P: BaseModel]:
    """A kind of task, declared in code. `params` validates what a caller submits.

    `name` is the kind's. `title` is what people read, a text or made of the params. `in_flight`: items of a task that
    are worked on at once. `batch`: items that one invocation does, one after the other: more for quick steps, as each
    invocation costs. `tolerate`: the share of a stage's items that may fail, or made of the params; above it the task
    FAILS and names them.
    These three are the stages' defaults. `max_concurrent` tasks run at once; `seconds_allowed`: by when a task has to
    end after its first start, with all its waiting. `budget`: what a task's requests to language models may cost at
    most, in the currency of their prices, until its caller changes that (`budgets.change`). `over_budget`: a step that
    would pass it fails, or pauses the task first, and fails when its caller resumes it as it is. `open_key` as in
    `Kind`.
    """

    def __init__(
        self,
        name: str,
        *,
        params: type[P],
        title: str | Callable[[P], str] = "",
        in_flight: int = 5,
        batch: int = 1,
        tolerate: Share[P] = 0.0,
        max_concurrent: int = 5,
        max_queued: int = 1000,
        seconds_allowed: int = 7200,
        budget: Callable[[P], Decimal | None] = lambda _: None,
        over_budget: Literal["fail", "pause"] = "fail",
        open_key: Callable[[P], str | None] | None = None,
    ) -> None:
        check(1 <= len(name) <= 64 and name.replace("_", "").isalnum(), f"{name!r} is no name of a kind")
        self.name = name
        self.params = params
        self.stages: list[Stage[P] | Approval] = []
        self.make_result: Result[P] | None = None
        self.budget = budget
        self.over_budget = over_budget
        self._title = title or name.replace("_", " ").capitalize()
        self._defaults: dict[str, Any] = {"in_flight": in_flight, "batch": batch, "tolerate": tolerate}
        self._limits: dict[str, Any] = {
            "max_concurrent": max_concurrent,
            "max_queued": max_queued,
            "seconds_allowed": seconds_allowed,
            "open_key": open_key,
        }

    @overload
    def stage(self, plan: Plan[P], /) -> Stage[P]: ...
    @overload
    def stage(
        self,
        plan: None = None,
        /,
        *,
        name: str = "",
        weight: float = 1.0,
        in_flight: int | None = None,
        batch: int | None = None,
        tolerate: Share[P] | None = None,
    ) -> Callable[[Plan[P]], Stage[P]]: ...
    def stage(
        self,
        plan: Plan[P] | None = None,
        /,
        *,
        name: str = "",
        weight: float = 1.0,
        in_flight: int | None = None,
        batch: int | None = None,
        tolerate: Share[P] | None = None,
    ) -> Stage[P] | Callable[[Plan[P]], Stage[P]]:
        """A stage, by the function that yields its items; it is called after the stages declared before have ended.

        It should yield the same items each time it is called: one that died half-way is called again. `weight`: its
        share of the task's progress, beside the other stages' weights. Its name is the function's unless given.
        """

        def declare(plan: Plan[P]) -> Stage[P]:
            limits = {"in_flight": in_flight, "batch": batch, "tolerate": tolerate}
            given = {limit: value for limit, value in limits.items() if value is not None}
            return self._add(Stage(name or _name(plan), plan, weight=weight, **self._defaults | given))

        return declare if plan is None else declare(plan)

    @overload
    def step(self, run: Run[P], /) -> Run[P]: ...
    @overload
    def step(
        self,
        run: None = None,
        /,
        *,
        name: str = "",
        weight: float = 1.0,
        timeout: float = 60,
        retries: int = 3,
        function: str = DEFAULT_FUNCTION,
    ) -> Callable[[Run[P]], Run[P]]: ...
    def step(
        self,
        run: Run[P] | None = None,
        /,
        *,
        name: str = "",
        weight: float = 1.0,
        timeout: float = 60,
        retries: int = 3,
        function: str = DEFAULT_FUNCTION,
    ) -> Run[P] | Callable[[Run[P]], Run[P]]:
        """A stage of one item, by the function that does its work; the simplest workload has nothing else.

        `timeout`, `retries` and `function` as in `Stage.step`.
        """

        def declare(run: Run[P]) -> Run[P]:
            own = name or _name(run)
            only = Item(own, label=own.replace("_", " "))
            stage = self._add(Stage(own, lambda _: [only], weight=weight, **self._defaults | {"tolerate": 0.0}))
            return stage.step(timeout=timeout, retries=retries, function=function)(run)

        return declare if run is None else declare(run)

    def approval(self, name: str, question: str, *, when: Callable[[P], bool] = lambda _: True) -> Approval:
        """A stop between the stages declared before and after: a person resumes the task, which approves.

        `when`: whether a task with these params stops here.
        """
        approval = Approval(checked_name(name), question, when)
        self._check_new(name)
        self.stages.append(approval)
        return approval

    def result(self, make: Result[P]) -> Result[P]:
        """The function that makes the task's result when its last stage has ended. It may be called twice."""
        check(self.make_result is None, f"{self.name} has two results")
        self.make_result = make
        return make

    @property
    def kind(self) -> WorkloadKind:
        """What `KINDS` takes. Raises ValueError when the declaration is not whole."""
        work = self.work
        check(bool(work), f"{self.name} has no stage: decorate a function with @{self.name}.step or .stage")
        for stage in work:
            _ = stage.run
        title = self._title if callable(self._title) else lambda _: self._title
        return WorkloadKind(
            name=self.name,
            params=self.params,
            workflow=WORKFLOW,
            title=lambda params: title(params)[:MAX_LABEL],
            slug=lambda _: self.name,
            count=counting.counter({stage.name: stage.weight for stage in work}),
            workload=self,
            **self._limits,
        )

    @property
    def work(self) -> list[Stage[P]]:
        """The stages that have items."""
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def stage_named(self, name: str) -> Stage[P] | None:
        return next((stage for stage in self.work if stage.name == name), None)

    def _add(self, stage: Stage[P]) -> Stage[P]:
        self._check_new(stage.name)
        self.stages.append(stage)
        return stage

    def _check_new(self, name: str) -> None:
        check(name not in {stage.name for stage in self.stages}, f"{self.name} has two stages called {name}")


def workload_named(kind: str) -> Workload[Any]:
    """Raises UnknownKind; TypeError for a kind that is no workload."""
    found = kind_named(kind)
    if not isinstance(found, WorkloadKind) or found.workload is None:
        raise TypeError(f"{kind} is no code-first workload")
    return found.workload


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", ""))
