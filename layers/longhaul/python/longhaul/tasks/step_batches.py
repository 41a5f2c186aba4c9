"""Batches of steps: one call of a function works at many, some of them at once, and leaves the rest to its next call.

    run_steps(batch, ["district/440103", ...], lambda step: refresh(step), at_once=5, seconds=80)

Each step is begun, finished and failed by itself. What a call leaves open (a provider was away, time was short, the
worker was killed) its state machine gives again, by retrying the call. Then only that is done: what is finished is not
read. Steps whose worker was killed are done last and alone, so that one which kills its worker fails without others.

Two calls with the same batch, of which one was taken for lost and lives, share its steps: whoever counts `attempts`
first has one. What the first has under way when the second, or the one after it, begins is done twice: as many steps as
a call does at once, at most.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from longhaul import aws, database, lifetime
from longhaul.aws.workflows import Attempt
from longhaul.database import Session, queries
from longhaul.errors import (
    AwsUnavailable,
    DatabaseUnavailable,
    OutOfTime,
    ProviderThrottled,
    TaskStopped,
    TransientError,
)
from longhaul.observability import logger
from longhaul.tasks import steps
from longhaul.tasks.model import Status, TaskError
from longhaul.tasks.steps import PlannedStep, Step
from longhaul.tasks.store import MAX_MESSAGE_CHARACTERS

AT_ONCE = 10  # steps of one call: a worker that is killed takes as many requests with it

_queries = queries.load(__file__)


@dataclass(frozen=True)
class LeftStep:
    """A step that is left to do.

    `attempts` is the fence between calls. `begun`: the call that began it said nothing more. `error`: why its last run
    did not end.
    """

    planned: PlannedStep
    attempts: int
    begun: bool
    error: TaskError | None


def calls_and_threads(in_flight: int) -> tuple[int, int]:
    """How many calls at once, and how many steps of each, so that not more than `in_flight` steps are worked at."""
    calls = -(-in_flight // AT_ONCE)
    return calls, in_flight // calls


def run_steps(
    attempt: Attempt,
    keys: Sequence[str],
    work: Callable[[Step], object],
    *,
    at_once: int,
    seconds: float,
    doing: str = "",
) -> None:
    """Works at the steps of these keys that are left, each planned before. None is begun with less time left.

    `work` completes its step, or raises: a TransientError leaves the step to the next call, any other fails it.
    `doing` stands before the step's label in its progress event. Raises TaskStopped; DatabaseUnavailable; and while
    steps are left, the error of one, so that the state machine calls again.
    """
    with database.connection() as session:
        left = list_left(session, attempt, keys)
    errors: list[TransientError] = []

    def run(step: LeftStep) -> None:
        if (error := _run(attempt, step, work, doing)) is not None:
            errors.append(error)

    others = [step for step in left if not step.begun]
    suspects = [step for step in left if step.begun]
    waiting = work_through(others, run, at_once=at_once, seconds=seconds)
    late = bool(others) and lifetime.seconds_left() < seconds
    waiting += suspects if waiting or late else work_through(suspects, run, at_once=1, seconds=seconds)
    if waiting:
        errors.append(OutOfTime(f"{len(waiting)} steps are left to the next call"))
    if errors:
        steps.beat([attempt.task_id])
        raise min(errors, key=_patience)


def fail_left(attempt: Attempt, keys: Sequence[str], error: TaskError) -> int:
    """Fails the steps that are left when their function could not end them, and returns how many.

    A step's own error counts before the batch's. Raises TaskStopped.
    """
    with database.connection() as session:
        left = list_left(session, attempt, keys)
    if left:
        steps.fail_steps(attempt.task_id, attempt.attempt, [(step.planned, step.error or error) for step in left])
    return len(left)


def work_through[I](items: Sequence[I], work: Callable[[I], object], *, at_once: int, seconds: float) -> list[I]:
    """Works at the items in their order, `at_once` at a time, and returns those that there was no time to begin.

    The first is begun in any case, another while the function's call has `seconds` left. What `work` raises ends it
    all: nothing more is begun, and the error is raised when what was begun has ended.
    """
    queue, raised = deque(items), threading.Event()

    def worker() -> None:
        while queue and not raised.is_set():
            if len(queue) < len(items) and lifetime.seconds_left() < seconds:
                return
            try:
                item = queue.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                work(item)
            except BaseException:
                raised.set()
                raise

    helpers = min(at_once, len(items)) - 1
    if helpers < 1:
        worker()
        return list(queue)
    with ThreadPoolExecutor(helpers, thread_name_prefix="steps") as pool:
        futures = [pool.submit(_with_own_connection, worker) for _ in range(helpers)]
        worker()
    for future in futures:
        future.result()
    return list(queue)


def list_left(session: Session, attempt: Attempt, keys: Sequence[str]) -> list[LeftStep]:
    """The steps that are neither done nor failed, those begun least often first. Raises TaskStopped."""
    rows = _queries.list_left(session, task_id=attempt.task_id, step_keys=list(keys))
    if not rows or rows[0]["task_status"] != Status.RUNNING or rows[0]["task_attempt"] != attempt.attempt:
        raise TaskStopped(f"task {attempt.task_id} does not run attempt {attempt.attempt} any more")
    return [_left_step(row) for row in rows if row["step_key"] is not None]


def _with_own_connection(worker: Callable[[], None]) -> None:
    """A thread has a connection of its own, which ends with it."""
    try:
        worker()
    finally:
        database.close()


def _run(attempt: Attempt, left: LeftStep, work: Callable[[Step], object], doing: str) -> TransientError | None:
    """The error that leaves the step to the next call; None when it has ended. Raises TaskStopped."""
    step = Step(attempt.task_id, attempt.attempt, left.planned)
    try:
        if not _take(step, left):
            return OutOfTime(f"another call works at {left.planned.key}")
        work(step)
        if step.completed:
            label = f"{doing}：{left.planned.label}" if doing else left.planned.label
            steps.announce(attempt.task_id, attempt.attempt, left.planned.level, label)
    except TaskStopped:
        raise
    except Exception as error:  # whatever the work raises is its own step's end, or its next run
        return _give_back(step, left, error)
    return None


def _take(step: Step, left: LeftStep) -> bool:
    """Whether the step is this call's: not when another has begun it since. Raises TaskStopped."""
    key = left.planned.key
    with database.connection() as session:
        if _queries.take_step(
            session, task_id=step.task_id, attempt=step.attempt, step_key=key, attempts=left.attempts
        ):
            return True
        steps.check_running(step.task_id, step.attempt)
    return False


def _give_back(step: Step, left: LeftStep, error: Exception) -> TransientError | None:
    """Leaves the step to the next call, with the reason, or fails it."""
    passing = AwsUnavailable(str(error)) if aws.is_away(error) else error
    told = {"task_id": step.task_id, "step": left.planned.key}
    reason = TaskError.of(passing)
    try:
        if isinstance(passing, TransientError):
            logger.warning("step is left to the next call", extra=told | {"reason": str(error)})
            with database.connection() as session:
                _queries.release_step(
                    session,
                    task_id=step.task_id,
                    attempt=step.attempt,
                    step_key=left.planned.key,
                    attempts=left.attempts + 1,
                    begun=left.begun,
                    error_code=reason.code,
                    error_message=reason.message[:MAX_MESSAGE_CHARACTERS],
                )
            return passing
        logger.warning("step failed", extra=told, exc_info=error)
        steps.fail_step(step.task_id, step.attempt, left.planned, reason)
    except TaskStopped:
        raise
    except DatabaseUnavailable as away:
        return away
    except Exception as unexpected:  # is of this step alone: the others of its batch go on
        logger.exception("step could not be given back", extra=told)
        return OutOfTime(f"step {left.planned.key} could not be given back: {unexpected}")
    return None


def _patience(error: TransientError) -> int:
    """State machines try again most often for lack of time, then for a busy provider, and less often for the rest."""
    return 2 if isinstance(error, OutOfTime) else 1 if isinstance(error, ProviderThrottled) else 0


def _left_step(row: dict[str, Any]) -> LeftStep:
    error = TaskError(row["error_code"], row["error_message"] or "") if row["error_code"] else None
    return LeftStep(
        planned=PlannedStep(row["step_key"], row["level"], row["label"]),
        attempts=int(row["attempts"]),
        begun=bool(row["begun"]),
        error=error,
    )
