"""Steps: the units of a task's work, each done once and remembered. They are the checkpoint.

    with step(task_id, attempt, key="district/440103", level="district", label="Liwan") as s:
        if not s.done:
            rows = ask_provider(...)  # no transaction is open while a provider is being asked
            s.complete({"hospitals": len(rows)}, units=len(rows), save=lambda tx: store.save(tx, rows))
    return s.output

A worker that is killed anywhere leaves the step taken or done, never half; the next one takes it again. A twin (a
message delivered twice, a worker that outlived its attempt) finds that it lost and changes nothing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from longhaul import database, settings
from longhaul.aws import sqs
from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from longhaul.errors import TaskStopped
from longhaul.tasks import store
from longhaul.tasks.model import Status, StepStatus, TaskError
from longhaul.tasks.store import MAX_MESSAGE_CHARACTERS, dumps

_queries = queries.load(__file__)


class ProgressEvent(BaseModel):
    """What a worker sends after its step's commit: a step of `level` has finished; `label` is what a person reads.

    A hint. `update_progress` counts the rows.
    """

    model_config = ConfigDict(frozen=True)  # built at once: threads that build it together fail

    task_id: str = Field(min_length=1, max_length=96)
    attempt: int = Field(ge=1)
    level: str = Field(max_length=32)
    label: str = Field(max_length=200)


class PlannedStep(NamedTuple):
    """A step to come: `key` is unique in its task, `level` weighs it, `label` names it for people."""

    key: str
    level: str
    label: str


class _Fenced(Exception):
    """The step's guarded UPDATE changed nothing."""


class Step:
    """One run of a step. `done`: it was finished before, and `output` is what it stored then."""

    def __init__(self, task_id: str, attempt: int, planned: PlannedStep) -> None:
        self.task_id = task_id
        self.attempt = attempt
        self.planned = planned
        self.done = False
        self.output: dict[str, Any] = {}
        self.completed = False

    def complete(
        self, output: dict[str, Any], *, units: int = 0, save: Callable[[Session], object] | None = None
    ) -> None:
        """What `save` writes and the step's completion, in one transaction; both or neither.

        Raises TaskStopped when the task has stopped meanwhile. When a twin was faster, nothing is written and
        `output` is the twin's.
        """

        def work(tx: Session) -> tuple[dict[str, Any], int]:
            if save is not None:
                save(tx)
            return output, units

        self.complete_by(work)

    def complete_by(self, work: Callable[[Session], tuple[dict[str, Any], int]]) -> None:
        """As `complete`, where the transaction's own work says the step's output and units."""

        def write(tx: Session) -> dict[str, Any]:
            output, units = work(tx)
            if not finish_step(
                tx,
                self.task_id,
                self.attempt,
                self.planned.key,
                status=StepStatus.SUCCEEDED,
                units=units,
                output=output,
            ):
                raise _Fenced
            return output

        try:
            self.output = database.run_transaction(write)
        except _Fenced:
            self._look()  # raises TaskStopped unless a twin finished it
            return
        self.completed = True

    def begin(self) -> None:
        """Take the step, unless it was done before: one statement, and a second only when there is nothing to do.

        From here on it is RUNNING, and `attempts` counts one more. Raises TaskStopped.
        """
        key, level, label = self.planned
        with database.connection() as session:
            taken = _queries.begin_step(
                session, task_id=self.task_id, attempt=self.attempt, step_key=key, level=level, label=label
            )
        if not taken:
            self._look()

    def _look(self) -> None:
        """Find out what the step was done with. Raises TaskStopped."""
        with database.connection() as session:
            row = _read(session, self.task_id, self.attempt, self.planned.key)
        if row["step_status"] == StepStatus.SUCCEEDED:
            self.done = True
            self.output = json.loads(row["output"] or "{}")


def check_running(task_id: str, attempt: int) -> None:
    """For a function that is not a step. Raises TaskStopped when the task no longer runs this attempt."""
    with database.connection() as session:
        _read(session, task_id, attempt, step_key="")


def output_of(task_id: str, attempt: int, key: str) -> dict[str, Any]:
    """What a step that a later one builds on stored when it was done.

    Raises TaskStopped; LookupError when it is not done, which is a mistake of the workflow.
    """
    with database.connection() as session:
        row = _read(session, task_id, attempt, key)
    if row["step_status"] != StepStatus.SUCCEEDED:
        raise LookupError(f"step {key} of {task_id} is not done")
    output: dict[str, Any] = json.loads(row["output"] or "{}")
    return output


@contextmanager
def step(task_id: str, attempt: int, *, key: str, level: str, label: str) -> Iterator[Step]:
    """A step of a task's attempt. Raises TaskStopped when the task no longer runs this attempt."""
    run = Step(task_id, attempt, PlannedStep(key, level, label))
    run.begin()
    yield run
    # After the commit, and for a step found done too: its worker may have died between its commit and its message.
    announce(task_id, attempt, level, label)


def plan_steps(tx: Session, task_id: str, attempt: int, steps: Sequence[PlannedStep]) -> None:
    """Write down the steps to come, so that progress knows the whole. Steps that are there stay as they are."""
    for some in arrays({"step_key": key, "level": level, "label": label} for key, level, label in steps):
        _queries.plan_steps(tx, task_id=task_id, attempt=attempt, steps=some)


def planned_step(task_id: str, key: str, level: str) -> PlannedStep:
    """The step with the label it was planned with; one that was never planned is labelled by its key."""
    with database.connection() as session:
        row = _queries.read_step(session, task_id=task_id, step_key=key)
    return PlannedStep(key, level, (row and row["label"]) or key)


def fail_step(task_id: str, attempt: int, planned: PlannedStep, error: TaskError) -> bool:
    """Remember that a step failed for good in this attempt; a step that was finished stays finished."""
    return bool(fail_steps(task_id, attempt, [(planned, error)]))


def fail_steps(task_id: str, attempt: int, failures: Sequence[tuple[PlannedStep, TaskError]]) -> int:
    """The same of many, in one transaction. How many have failed now."""

    def write(tx: Session) -> int:
        plan_steps(tx, task_id, attempt, [planned for planned, _ in failures])
        return sum(
            finish_step(tx, task_id, attempt, planned.key, status=StepStatus.FAILED, error=error)
            for planned, error in failures
        )

    failed = database.run_transaction(write)
    _announce(task_id, attempt, [planned for planned, _ in failures])
    return failed


def beat(task_ids: Sequence[str]) -> int:
    """Keep recovery from taking these tasks for stale: their work lies outside. How many are RUNNING.

    Raises DatabaseUnavailable.
    """
    return database.run_transaction(lambda tx: store.beat(tx, task_ids)) if task_ids else 0


def announce(task_id: str, attempt: int, level: str, label: str) -> None:
    """Send the event to the progress queue. The step is stored: a queue that is away costs only the news of it."""
    _announce(task_id, attempt, [PlannedStep("", level, label)])


def _announce(task_id: str, attempt: int, ended: Sequence[PlannedStep]) -> None:
    events = [ProgressEvent(task_id=task_id, attempt=attempt, level=step.level, label=step.label) for step in ended]
    sqs.send(settings.of(settings.ProgressQueue).progress_queue_url, events, task_id=task_id)


class StepCount(NamedTuple):
    """How many steps of a level have a status, and the units that they counted."""

    level: str
    status: str
    steps: int
    units: int


def finish_step(
    tx: Session,
    task_id: str,
    attempt: int,
    step_key: str,
    *,
    status: str,
    units: int = 0,
    output: dict[str, Any] | None = None,
    error: TaskError | None = None,
) -> bool:
    """Whether this attempt finished the step: not when a twin has, nor when the task no longer runs this attempt."""
    return bool(
        _queries.finish_step(
            tx,
            task_id=task_id,
            attempt=attempt,
            step_key=step_key,
            status=status,
            units=units,
            output=dumps(output),
            error_code=error.code if error else None,
            error_message=error.message[:MAX_MESSAGE_CHARACTERS] if error else None,
        )
    )


def count_steps(session: Session, task_id: str) -> list[StepCount]:
    rows = _queries.count_steps(session, task_id=task_id)
    return [StepCount(row["level"], row["status"], int(row["steps"]), int(row["units"] or 0)) for row in rows]


def list_failed_steps(session: Session, task_id: str, limit: int) -> list[dict[str, Any]]:
    """[{step_key, level, label, error_code, error_message}]"""
    rows: list[dict[str, Any]] = _queries.list_failed_steps(session, task_id=task_id, limit=limit)
    return rows


def _read(session: Session, task_id: str, attempt: int, step_key: str) -> dict[str, Any]:
    row: dict[str, Any] | None = _queries.read_step(session, task_id=task_id, step_key=step_key)
    if row is None or row["task_status"] != Status.RUNNING or row["attempt"] != attempt:
        raise TaskStopped(f"task {task_id} does not run attempt {attempt} any more")
    return row
