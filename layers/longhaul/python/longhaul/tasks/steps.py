"""Steps: the units of a task's work, each done once and remembered. They are the checkpoint.

    with step(task_id, attempt, key="district/440103", level="district", label="荔湾区") as s:
        if not s.done:
            rows = ask_provider(...)  # no transaction is open while a provider is being asked
            s.complete({"hospitals": len(rows)}, units=len(rows), save=lambda tx: store.save(tx, rows))
    return s.output

A worker that is killed anywhere leaves the step as it was or done, never half; a twin (a message delivered twice, a
worker that outlived its attempt) finds that it lost and changes nothing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from longhaul import database, progress
from longhaul.database import Session
from longhaul.errors import TaskStopped
from longhaul.tasks import step_store
from longhaul.tasks.model import Status, StepStatus, TaskError


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
        """As `complete`, where only the transaction's own work says the step's output and units."""

        def write(tx: Session) -> dict[str, Any]:
            output, units = work(tx)
            if not step_store.finish_step(
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
            self.begin()  # raises TaskStopped unless a twin finished it
            return
        self.completed = True

    def begin(self) -> None:
        """Ask the rows whether there is something to do. Raises TaskStopped."""
        with database.connection() as session:
            row = _read(session, self.task_id, self.attempt, self.planned.key)
            if row["step_status"] is None:
                plan_steps(session, self.task_id, self.attempt, [self.planned])
            elif row["step_status"] == StepStatus.SUCCEEDED:
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
    progress.announce(task_id, attempt, level, label)


def plan_steps(tx: Session, task_id: str, attempt: int, steps: Sequence[PlannedStep]) -> None:
    """Write down the steps to come, so that progress knows the whole. Steps that are there stay as they are."""
    rows = [{"step_key": key, "level": level, "label": label} for key, level, label in steps]
    step_store.plan_steps(tx, task_id, attempt, rows)


def fail_step(task_id: str, attempt: int, planned: PlannedStep, error: TaskError) -> bool:
    """Remember that a step failed for good in this attempt; a step that was finished stays finished."""

    def write(tx: Session) -> bool:
        plan_steps(tx, task_id, attempt, [planned])
        return step_store.finish_step(tx, task_id, attempt, planned.key, status=StepStatus.FAILED, error=error)

    failed = database.run_transaction(write)
    progress.announce(task_id, attempt, planned.level, planned.label)
    return failed


def _read(session: Session, task_id: str, attempt: int, step_key: str) -> dict[str, Any]:
    row = step_store.begin_step(session, task_id, step_key)
    if row is None or row["task_status"] != Status.RUNNING or row["attempt"] != attempt:
        raise TaskStopped(f"task {task_id} does not run attempt {attempt} any more")
    return row
