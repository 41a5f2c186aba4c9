"""Asks cells: sends the question of each to its model, then has that model read what the answer says of the brand.

The answer is stored as soon as it has come, and its extraction before the step is finished. So whatever stops the
worker or its task, neither is paid for again, but for the requests that a killed worker had under way. The model
that answered reads its own answer: no model is needed for another's column.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diagnosis import budget, extraction, store
from diagnosis.extraction import Reading
from diagnosis.model import FETCHING, NOTHING, BudgetReached, Cell, Diagnosis, Extraction, ModelLeftAlone, Sum
from diagnosis.planning import CellBatch, CellStep
from diagnosis.store import Work
from longhaul import database, llm, stored
from longhaul.aws.workflows import Attempt
from longhaul.errors import LonghaulError, NotFound
from longhaul.llm import Model, Reply, Usage, prompts
from longhaul.observability import logger
from longhaul.tasks import lifecycle, steps
from longhaul.tasks.model import TaskError
from longhaul.tasks.step_batches import run_steps
from longhaul.tasks.steps import PlannedStep, Step, step

ADVICE = "raise the budget and resume, or resume as it is and the rest is skipped"

_prompts = prompts.load(__file__)


def ask(request: CellStep) -> None:
    """The cell is answered, or skipped, or waits because the budget has paused the task.

    Raises as `llm.chat` and `llm.consult`: the workflow records a permanent error. TaskStopped.
    """
    work, params, cell = _find(request.task_id, request.key)
    with (
        _skipped_or_paused(request, cell, work),
        step(request.task_id, request.attempt, key=cell.key, level=FETCHING, label=cell.label) as run,
    ):
        if not run.done:
            _complete(request.task_id, params, cell, work)
            run.complete({}, units=1)


def ask_batch(batch: CellBatch) -> None:
    """Each of the cells as `ask` does, and raises as `run_steps` while some are left."""

    def ask_cell(run: Step) -> None:
        work, params, cell = _find(run.task_id, run.planned.key)
        with _skipped_or_paused(batch, cell, work):
            _complete(run.task_id, params, cell, work)
            run.complete({}, units=1)

    run_steps(batch, batch.keys, ask_cell, at_once=batch.at_once, seconds=llm.request_seconds())


@contextmanager
def _skipped_or_paused(attempt: Attempt, cell: Cell, work: Work) -> Iterator[None]:
    """What the block cannot do for its budget's or its model's sake skips the cell, or pauses the task."""
    try:
        yield
    except BudgetReached as reached:
        if _is_caller_notified(attempt.task_id):
            _skip(attempt, cell, reached)
        else:
            _pause(attempt, work, reached)
    except ModelLeftAlone as reason:
        _skip(attempt, cell, reason)


def _complete(task_id: str, params: Diagnosis, cell: Cell, work: Work) -> None:
    """Gets what the cell lacks: its answer, the reading of that, or both."""
    if work.is_read:
        return
    model = llm.model_named(cell.model)
    if (until := llm.open_until(model)) is not None:
        raise ModelLeftAlone(f"{cell.model} keeps failing and is left alone until {until:%H:%M:%S} UTC")
    if work.is_reserved and work.budget.unlimited:
        database.run_statement(lambda session: store.settle_lost(session, task_id, cell.key))
    answer, is_reserved = work.answer, False
    if answer is None:
        answer = _answer(task_id, params, cell, model, limited=not work.budget.unlimited)
        is_reserved = True
    _read(task_id, params, cell, model, answer, reserve=not (is_reserved or work.budget.unlimited))


def _answer(task_id: str, params: Diagnosis, cell: Cell, model: Model, *, limited: bool) -> str:
    """The answer that is stored now. Where the budget has a limit, the worst case of its reading is reserved."""
    prompt, max_tokens = budget.question_prompt(params, cell), budget.MAX_ANSWER_TOKENS
    if limited:
        budget.reserve(task_id, cell.key, budget.worst_question(model, prompt))
    reply = _paid(task_id, cell, lambda: llm.chat(model, prompt, max_tokens=max_tokens))
    next_one = _worst_reading(params, model, reply.answer) if limited else NOTHING
    is_new = _settle(task_id, cell, reply.usage, answer=reply.answer, reserving=next_one)
    with database.connection() as session:
        # A twin may have stored its own answer first: then that one is read.
        stored_cell = None if is_new or limited else store.fetch_cell(session, task_id, cell.key)
    first = budget.check(task_id, cell.key, next_one) if limited else stored_cell and stored_cell.answer
    if limited and first and first != reply.answer:
        next_one = _worst_reading(params, model, first)
        _settle(task_id, cell, None, reserving=next_one)
        budget.check(task_id, cell.key, next_one)
    return first or reply.answer


def _read(task_id: str, params: Diagnosis, cell: Cell, model: Model, answer: str, *, reserve: bool) -> Extraction:
    prompt, system, max_tokens = extraction.prompt_for(params, answer), _prompts.system(), budget.MAX_READING_TOKENS
    if reserve:
        budget.reserve(task_id, cell.key, budget.worst_reading(model, prompt))

    def consult() -> Reply[Reading]:
        return llm.consult(model, prompt, Reading, system=system, max_tokens=max_tokens)

    reply = _paid(task_id, cell, consult)
    extracted = extraction.checked(params, answer, reply.answer)
    if extracted.disputed:
        logger.warning("the text decides who is named", extra={"task_id": task_id, "cell": cell.key})
    _settle(task_id, cell, reply.usage, extraction=extracted)
    return extracted


def _worst_reading(params: Diagnosis, model: Model, answer: str) -> Sum:
    return budget.worst_reading(model, extraction.prompt_for(params, answer))


def _paid[A](task_id: str, cell: Cell, send: Callable[[], Reply[A]]) -> Reply[A]:
    """The reply. A failure's usage is settled at once, and what was reserved for it is free."""
    try:
        return send()
    except LonghaulError as error:
        _settle(task_id, cell, llm.spent(error))
        raise


def _settle(task_id: str, cell: Cell, usage: Usage | None, **stored_with: Any) -> bool:
    """As `store.settle`. After a deadlock it is tried again, so that no answer that was paid for is lost to one."""
    return database.run_statement(lambda session: store.settle(session, task_id, cell.key, usage, **stored_with))


def _skip(attempt: Attempt, cell: Cell, reason: LonghaulError) -> None:
    planned = PlannedStep(cell.key, FETCHING, cell.label)
    steps.fail_step(attempt.task_id, attempt.attempt, planned, TaskError(reason.code, str(reason)))


def _pause(attempt: Attempt, work: Work, reached: BudgetReached) -> None:
    """The task pauses and says why. Resumed without a higher budget, it skips the cells that the budget forbids."""
    steps.check_running(attempt.task_id, attempt.attempt)
    lifecycle.pause(attempt.task_id, work.tenant_id, reason=TaskError(reached.code, f"{reached}; {ADVICE}"))
    with database.connection() as session:
        store.mark_caller_notified(session, attempt.task_id)


def _is_caller_notified(task_id: str) -> bool:
    with database.connection() as session:
        row = store.fetch(session, task_id)
    return row is not None and row.caller_notified


def _find(task_id: str, key: str) -> tuple[Work, Diagnosis, Cell]:
    with database.connection() as session:
        work = store.fetch_work(session, task_id, key)
    params = stored.read(Diagnosis, work.params) if work else None
    cell = params.cell(key) if params else None
    if work is None or params is None or cell is None:
        raise NotFound(f"there is no cell {key} of a task {task_id}")
    return work, params, cell
