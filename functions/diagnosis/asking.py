"""Asks a cell: sends its question to its model, then has the same model read what the answer says of the brand.

The answer is stored as soon as it has come, and its extraction before the step is finished. So whatever stops the
worker or its task, neither is paid for again, but for the one request that a killed worker had under way. The model
that answered reads its own answer: no model is needed for another's column.
"""

from collections.abc import Callable

from diagnosis import budget, extraction, store
from diagnosis.extraction import Reading
from diagnosis.model import FETCHING, BudgetReached, Cell, Diagnosis, Extraction, ModelLeftAlone, Sum
from diagnosis.planning import CellStep
from diagnosis.store import StoredCell
from longhaul import database, llm, stored
from longhaul.errors import LonghaulError, NotFound
from longhaul.llm import Model, Reply, prompts
from longhaul.observability import logger
from longhaul.tasks import lifecycle, steps
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.steps import PlannedStep, step

ADVICE = "raise the budget and resume, or resume as it is and the rest is skipped"

_prompts = prompts.load(__file__)


def ask(request: CellStep) -> None:
    """The cell is answered, or skipped, or waits because the budget has paused the task.

    Raises as `llm.chat` and `llm.consult`: the workflow records a permanent error. TaskStopped.
    """
    task, params, cell = _find(request)
    try:
        with step(request.task_id, request.attempt, key=cell.key, level=FETCHING, label=cell.label) as run:
            if not run.done:
                _complete(request.task_id, params, cell)
                run.complete({}, units=1)
    except BudgetReached as reached:
        if _is_caller_notified(request.task_id):
            _skip(request, cell, reached)
        else:
            _pause(request, task, reached)
    except ModelLeftAlone as reason:
        _skip(request, cell, reason)


def _complete(task_id: str, params: Diagnosis, cell: Cell) -> None:
    """Gets what the cell lacks: its answer, the reading of that, or both."""
    stored_cell = _stored(task_id, cell)
    if stored_cell is not None and stored_cell.extraction is not None:
        return
    model = llm.model_named(cell.model)
    if (until := llm.open_until(model)) is not None:
        raise ModelLeftAlone(f"{cell.model} keeps failing and is left alone until {until:%H:%M:%S} UTC")
    answer = stored_cell.answer if stored_cell else None
    if answer is None:
        answer = _answer(task_id, params, cell, model)
    _read(task_id, params, cell, model, answer)


def _answer(task_id: str, params: Diagnosis, cell: Cell, model: Model) -> str:
    prompt, max_tokens = budget.question_prompt(params, cell), budget.MAX_ANSWER_TOKENS
    worst = budget.worst_question(model, prompt)
    reply = _paid(task_id, cell, worst, lambda: llm.chat(model, prompt, max_tokens=max_tokens))
    with database.connection() as session:
        store.settle(session, task_id, cell.key, reply.usage, answer=reply.answer)
        stored_cell = store.fetch_cell(session, task_id, cell.key)
    # A twin may have stored its own answer first: then that one is read.
    return stored_cell.answer if stored_cell and stored_cell.answer else reply.answer


def _read(task_id: str, params: Diagnosis, cell: Cell, model: Model, answer: str) -> Extraction:
    prompt, system, max_tokens = extraction.prompt_for(params, answer), _prompts.system(), budget.MAX_READING_TOKENS
    worst = budget.worst_reading(model, prompt)

    def consult() -> Reply[Reading]:
        return llm.consult(model, prompt, Reading, system=system, max_tokens=max_tokens)

    reply = _paid(task_id, cell, worst, consult)
    extracted = extraction.checked(params, answer, reply.answer)
    if extracted.disputed:
        logger.warning("the text decides who is named", extra={"task_id": task_id, "cell": cell.key})
    with database.connection() as session:
        store.settle(session, task_id, cell.key, reply.usage, extraction=extracted)
    return extracted


def _paid[A](task_id: str, cell: Cell, worst: Sum, send: Callable[[], Reply[A]]) -> Reply[A]:
    """The reply, with its worst case reserved before. A failure's usage is settled at once."""
    budget.reserve(task_id, cell.key, worst)
    try:
        return send()
    except LonghaulError as error:
        with database.connection() as session:
            store.settle(session, task_id, cell.key, llm.spent(error))
        raise


def _skip(request: CellStep, cell: Cell, reason: LonghaulError) -> None:
    planned = PlannedStep(cell.key, FETCHING, cell.label)
    steps.fail_step(request.task_id, request.attempt, planned, TaskError(reason.code, str(reason)))


def _pause(request: CellStep, task: Task, reached: BudgetReached) -> None:
    """The task pauses and says why. Resumed without a higher budget, it skips the cells that the budget forbids."""
    steps.check_running(request.task_id, request.attempt)
    lifecycle.pause(request.task_id, task.tenant_id, reason=TaskError(reached.code, f"{reached}; {ADVICE}"))
    with database.connection() as session:
        store.mark_caller_notified(session, request.task_id)


def _is_caller_notified(task_id: str) -> bool:
    with database.connection() as session:
        row = store.fetch(session, task_id)
    return row is not None and row.caller_notified


def _stored(task_id: str, cell: Cell) -> StoredCell | None:
    with database.connection() as session:
        return store.fetch_cell(session, task_id, cell.key)


def _find(request: CellStep) -> tuple[Task, Diagnosis, Cell]:
    with database.connection() as session:
        task = task_store.fetch(session, request.task_id)
    params = stored.read(Diagnosis, task.params) if task else None
    cell = params.cell(request.key) if params else None
    if task is None or params is None or cell is None:
        raise NotFound(f"there is no cell {request.key} of a task {request.task_id}")
    return task, params, cell
