"""Runs a code-first workload in this process, for tests: no workflow, no waiting, and faults where a test wants them.

    run = testing.run(summaries, {"texts": ["one", "two"]}, faults=[Fail("text/00000", times=2)])
    assert run.status == "SUCCEEDED"
    assert run.outputs == {"text/00000": {...}, "text/00001": {...}}

`answer` stands for the language models: `testing.run(..., answer=lambda prompt: {"summary": "short"})`. The database is
real, with all fences; the test has to have set the environment that the functions read. What the state machine does is
done here in a loop, and time passes at once where it would wait. A run stops where a task waits for a person or a
callback; `resume`, `retry` and `complete` go on from there.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch

from pydantic import BaseModel

from longhaul import database, llm
from longhaul.aws.workflows import Attempt
from longhaul.errors import LonghaulError, TaskStopped
from longhaul.llm.usage import cost_of
from longhaul.tasks import dispatch, lifecycle
from longhaul.tasks import store as task_store
from longhaul.tasks.kinds import kinds
from longhaul.tasks.lanes import create_lane
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import StepStatus, Task, TaskError
from longhaul.tasks.submission import Submission, submit
from longhaul.workloads import Workload, callbacks, planning, running, store
from longhaul.workloads.finishing import finish
from longhaul.workloads.planning import Page, Range
from longhaul.workloads.running import Batch
from longhaul.workloads.store import OutputRow

MAX_ROUNDS = 10_000  # of one batch; a step that waits for ever is a mistake of the test


@dataclass(frozen=True)
class Fail:
    """The step of this item raises `error` in its first tries."""

    key: str
    times: int = 1
    error: Exception = field(default_factory=lambda: RuntimeError("this try fails"))


@dataclass(frozen=True)
class Kill:
    """The worker of this item dies, once: before its step has run, or after its commit."""

    key: str
    when: Literal["before", "after"] = "after"


@dataclass(frozen=True)
class Twice:
    """The batch of this item is delivered again after it has run."""

    key: str


type Fault = Fail | Kill | Twice
type Answer = Callable[[str], Mapping[str, Any] | BaseModel]


class Killed(BaseException):
    """The process is gone: nothing in it may handle this."""


class Run:
    """A task of a workload as a test has driven it so far."""

    def __init__(
        self,
        workload: Workload[Any],
        task_id: str,
        tenant_id: str,
        faults: Collection[Fault] = (),
        answer: Answer | None = None,
    ) -> None:
        self.workload = workload
        self.task_id = task_id
        self.tenant_id = tenant_id
        self._faults = _Faults(faults)
        self._answer = answer
        self.steps_run = 0

    @property
    def task(self) -> Task:
        with database.connection() as session:
            task = task_store.fetch(session, self.task_id)
        if task is None:
            raise LookupError(self.task_id)
        return task

    @property
    def status(self) -> str:
        return str(self.task.status)

    @property
    def error(self) -> TaskError | None:
        return self.task.error

    @property
    def result(self) -> dict[str, Any] | None:
        return self.task.result

    @property
    def results(self) -> list[OutputRow]:
        """Every item, in the order in which they were planned."""
        with database.connection() as session:
            return store.list_outputs(session, self.task_id, after=0, limit=planning.MAX_ITEMS) or []

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """What the items that are done came to, by their keys without their stages."""
        return {row.key.partition("/")[2]: row.output for row in self.results if row.status == StepStatus.SUCCEEDED}

    @property
    def callback_paths(self) -> dict[str, str]:
        """The paths that are waited for, by the keys of their items without their stages."""
        with database.connection() as session:
            found = store.list_callbacks(session, self.task_id)
        return {key.partition("/")[2]: f"/api/v1/callbacks/{token}" for key, token in found.items()}

    def go_on(self) -> "Run":
        """Do what a workflow does until the task has ended or waits."""
        dispatch.dispatch([self.workload.name])
        task = self.task
        request = Attempt(task_id=task.task_id, attempt=max(1, task.attempt))
        with self._faults.at_work(self), _answering(self._answer):
            try:
                while (page := self._plan(request)).next == "run":
                    for batch in page.batches:
                        if not self._run_batch(request, page, batch):
                            return self
                finish(request)
            except TaskStopped:
                return self
            except LonghaulError as error:
                _close(request, TaskError(error.code, str(error)))
            except Exception as error:
                _close(request, TaskError(type(error).__name__, str(error)))
        return self

    def resume(self) -> "Run":
        """Resume the paused task, which approves what it waits for, and go on."""
        lifecycle.resume(self.task_id, self.tenant_id)
        return self.go_on()

    def retry(self) -> "Run":
        """Retry the failed task, and go on."""
        lifecycle.retry(self.task_id, self.tenant_id)
        return self.go_on()

    def complete(self, path: str, body: dict[str, Any]) -> "Run":
        """Complete a callback, and go on."""
        callbacks.complete(path.rpartition("/")[2], body)
        return self.go_on()

    def _plan(self, request: Attempt) -> Page:
        return _again_when_killed(lambda: planning.next_page(request))

    def _run_batch(self, request: Attempt, page: Page, batch: Range) -> bool:
        """Whether the batch has ended: False when it waits for a callback."""
        event = Batch(**request.model_dump(), stage=page.stage, **batch.model_dump())
        for _ in range(MAX_ROUNDS):
            outcome = _again_when_killed(lambda: running.run_batch(event))
            if self._faults.wants_twice():
                running.run_batch(event)
            if outcome.next == "done":
                return True
            if outcome.next == "callback":
                return False
            with database.connection() as session:
                store.make_due(session, self.task_id)
        raise AssertionError(f"a batch of {self.task_id} has not ended after {MAX_ROUNDS} rounds")


def run(
    workload: Workload[Any],
    params: Mapping[str, Any] | BaseModel,
    *,
    faults: Collection[Fault] = (),
    answer: Answer | None = None,
    tenant_id: str = "test",
) -> Run:
    """Submit a task and do all its work here.

    `answer(prompt)` is what the language models say, or raises what they raise; without it they are really asked.
    Raises as `submit` does: InvalidRequest for params that do not fit.
    """
    kinds()[workload.name] = workload.kind
    with database.connection() as session:
        create_lane(session, workload.name, 1_000, 100_000)
    given = params.model_dump(mode="json") if isinstance(params, BaseModel) else dict(params)
    task = submit(Submission(tenant_id=tenant_id, user_id="tester", kind=workload.name, params=given)).task
    return Run(workload, task.task_id, tenant_id, faults, answer).go_on()


class _Faults:
    """What goes wrong in a run, and how often it still will."""

    def __init__(self, faults: Collection[Fault]) -> None:
        self._fails = {fault.key: iter([fault.error] * fault.times) for fault in faults if isinstance(fault, Fail)}
        self._kills = {(fault.key, fault.when) for fault in faults if isinstance(fault, Kill)}
        self._twice = {fault.key for fault in faults if isinstance(fault, Twice)}
        self._seen: set[str] = set()

    def wants_twice(self) -> bool:
        wanted = self._twice & self._seen
        self._twice -= wanted
        return bool(wanted)

    @contextmanager
    def at_work(self, of: Run) -> Iterator[None]:
        with ExitStack() as patches:
            for stage in of.workload.work:
                patches.enter_context(patch.object(stage, "_run", self._faulty(of, stage.run)))
            finishing = patch.object(running, "_finish", self._deadly(running._finish))
            patches.enter_context(finishing)
            yield

    def _faulty(self, of: Run, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def faulty(context: Any) -> Any:
            self._seen.add(context.key)
            of.steps_run += 1
            if (context.key, "before") in self._kills:
                self._kills.remove((context.key, "before"))
                raise Killed
            if error := next(self._fails.get(context.key, iter(())), None):
                raise error
            return step(context)

        return faulty

    def _deadly(self, finish_item: Callable[..., None]) -> Callable[..., None]:
        def deadly(task: Task, item: Any, *others: Any) -> None:
            finish_item(task, item, *others)
            if (item.item_key, "after") in self._kills:
                self._kills.remove((item.item_key, "after"))
                raise Killed

        return deadly


@contextmanager
def _answering(answer: Answer | None) -> Iterator[None]:
    """In the block the language models answer so. A character counts as a token."""
    if answer is None:
        yield
        return

    def consult(model: llm.Model, prompt: str, shape: type[BaseModel], **_: Any) -> llm.Reply[BaseModel]:
        said = answer(prompt)
        given = shape.model_validate(said.model_dump() if isinstance(said, BaseModel) else said)
        asked, told = len(prompt), len(given.model_dump_json())
        return llm.Reply(given, llm.Usage(model.name, 1, asked, told, cost_of(model, asked, told), 0.0))

    with patch.object(llm, "consult", consult):
        yield


def _again_when_killed[R](work: Callable[[], R]) -> R:
    """As the state machine does: what died is called again."""
    while True:
        try:
            return work()
        except Killed:
            continue


def _close(request: Attempt, error: TaskError) -> None:
    lifecycle.close(request.task_id, request.attempt, Outcome(error=error))
