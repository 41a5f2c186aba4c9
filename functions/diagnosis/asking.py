"""Asking a cell: its question to its model, then, of the same model, what the answer says of the brand.

The answer is stored as soon as it is there, and what was read in it before the step is finished: whatever stops the
worker or its task, neither is paid for again, but for the one request under way when a worker is killed. The model that
answered reads its own answer, so that no model is needed for another's column.
"""

from collections.abc import Callable

from diagnosis import budget, extraction, prices, store
from diagnosis.cells import AskedCell
from diagnosis.errors import BudgetReached, ModelLeftAlone
from diagnosis.extraction import Extraction, Reading
from diagnosis.model import FETCHING, Cell, Diagnosis
from diagnosis.prices import Sum
from diagnosis.prompts import system
from diagnosis.requests import CellStep
from longhaul import database, llm
from longhaul.errors import LonghaulError, NotFound
from longhaul.llm import Model, Reply
from longhaul.observability import logger
from longhaul.tasks import control, steps
from longhaul.tasks import store as task_store
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.steps import PlannedStep, step

ADVICE = "raise the budget and resume, or resume as it is and the rest is skipped"


def ask(request: CellStep) -> None:
    """See that the cell is answered, skipped, or waits because the budget has paused the task.

    Raises as `llm.chat` and `llm.consult`: what is permanent is the workflow's to record. TaskStopped.
    """
    task, asked, cell = _asked(request)
    try:
        with step(request.task_id, request.attempt, key=cell.key, level=FETCHING, label=cell.label) as run:
            if not run.done:
                _answer(request.task_id, asked, cell)
                run.complete({}, units=1)
    except BudgetReached as reached:
        if _told(request.task_id):
            _skip(request, cell, reached)
        else:
            _pause(request, task, reached)
    except ModelLeftAlone as reason:
        _skip(request, cell, reason)


def _answer(task_id: str, asked: Diagnosis, cell: Cell) -> None:
    """What is missing of the cell: its answer, what that says, or both."""
    stored = _stored(task_id, cell)
    if stored is not None and stored.extraction is not None:
        return
    model = llm.model_named(cell.model)
    if (until := llm.open_until(model)) is not None:
        raise ModelLeftAlone(f"{cell.model} keeps failing and is left alone until {until:%H:%M:%S} UTC")
    answer = stored.answer if stored else None
    if answer is None:
        answer = _ask(task_id, asked, cell, model)
    _read(task_id, asked, cell, model, answer)


def _ask(task_id: str, asked: Diagnosis, cell: Cell, model: Model) -> str:
    prompt = prices.question_prompt(asked, cell)
    most = prices.most_of_question(model, prompt)
    reply = _paid(task_id, cell, most, lambda: llm.chat(model, prompt, most_tokens=prices.MOST_ANSWER_TOKENS))
    with database.connection() as session:
        store.settle(session, task_id, cell.key, reply.usage, answer=reply.answer)
        stored = store.fetch_cell(session, task_id, cell.key)
    # A twin may have stored its own answer first: that is the one to be read.
    return stored.answer if stored and stored.answer else reply.answer


def _read(task_id: str, asked: Diagnosis, cell: Cell, model: Model, answer: str) -> Extraction:
    prompt = extraction.prompt_for(asked, answer)
    most = prices.most_of_reading(model, prompt)
    limit = prices.MOST_READING_TOKENS
    reply = _paid(task_id, cell, most, lambda: llm.consult(model, prompt, Reading, system=system(), most_tokens=limit))
    read = extraction.checked(asked, answer, reply.answer)
    if read.disputed:
        logger.warning("the text decides who is named", extra={"task_id": task_id, "cell": cell.key})
    with database.connection() as session:
        store.settle(session, task_id, cell.key, reply.usage, extraction=read)
    return read


def _paid[A](task_id: str, cell: Cell, most: Sum, ask: Callable[[], Reply[A]]) -> Reply[A]:
    """The reply, with its worst case reserved; what a failure has cost is settled at once."""
    budget.reserve(task_id, cell.key, most)
    try:
        return ask()
    except LonghaulError as error:
        with database.connection() as session:
            store.settle(session, task_id, cell.key, llm.spent(error))
        raise


def _skip(request: CellStep, cell: Cell, reason: LonghaulError) -> None:
    planned = PlannedStep(cell.key, FETCHING, cell.label)
    steps.fail_step(request.task_id, request.attempt, planned, TaskError(reason.code, str(reason)))


def _pause(request: CellStep, task: Task, reached: BudgetReached) -> None:
    """The task stops here and says why; resumed without a higher budget, it skips what that does not allow."""
    steps.check_running(request.task_id, request.attempt)
    control.pause(request.task_id, task.tenant_id, reason=TaskError(reached.code, f"{reached}; {ADVICE}"))
    with database.connection() as session:
        store.mark_told(session, request.task_id)


def _told(task_id: str) -> bool:
    with database.connection() as session:
        row = store.fetch(session, task_id)
    return row is not None and row.told


def _stored(task_id: str, cell: Cell) -> AskedCell | None:
    with database.connection() as session:
        return store.fetch_cell(session, task_id, cell.key)


def _asked(request: CellStep) -> tuple[Task, Diagnosis, Cell]:
    with database.connection() as session:
        task = task_store.fetch(session, request.task_id)
    asked = Diagnosis.model_validate(task.params) if task else None
    cell = asked.cell(request.key) if asked else None
    if task is None or asked is None or cell is None:
        raise NotFound(f"there is no cell {request.key} of a task {request.task_id}")
    return task, asked, cell
