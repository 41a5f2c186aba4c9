"""The report of a diagnosis: made once, after the last of its cells, from those that were answered."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from diagnosis import store
from diagnosis.figures import AnsweredCell, Figures, Finding, Rival, figures, findings, rivals
from diagnosis.model import ANALYZING, REPORT, REPORTING, CellState, Diagnosis, question_key
from diagnosis.store import GridCell
from longhaul import database, stored
from longhaul.aws.workflows import Attempt
from longhaul.errors import TooManyFailures
from longhaul.tasks import steps
from longhaul.tasks.following import task_row
from longhaul.tasks.steps import PlannedStep, Step

MAX_REASONS, MAX_REASON = 20, 300  # reasons in an error's message, and characters of each


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelFigures(Figures):
    model: str = Field(examples=["deepseek"])


class QuestionFigures(Figures):
    question: str = Field(examples=["q07"])
    text: str


class LeftOut(_Part):
    """A cell that is in no figure."""

    key: str = Field(examples=["q07/deepseek"])
    state: CellState
    reason: str | None


class Counts(_Part):
    planned: int
    answered: int
    failed: int
    skipped: int


class Report(_Part):
    """What the answers say of the brand."""

    brand: str
    competitors: list[str]
    cells: Counts
    overall: Figures
    by_model: list[ModelFigures]
    by_question: list[QuestionFigures]
    rivals: list[Rival]
    strengths: list[Finding]
    gaps: list[Finding]
    left_out: list[LeftOut]
    tokens: int
    cost: float = Field(description="In the currency of the models' prices; without what another diagnosis paid.")


class Outcome(_Part):
    """The report in short: the task's result."""

    cells: Counts
    mention_rate: float | None
    share_of_voice: float | None
    mean_rank: float | None
    sentiment: float | None
    tokens: int
    cost: float


def write(attempt: Attempt) -> Outcome:
    """Stores the report and returns its outcome. Raises TooManyFailures when no cell was answered; TaskStopped."""
    run = Step(attempt.task_id, attempt.attempt, PlannedStep(REPORT, ANALYZING, REPORTING))
    run.begin()
    if not run.done:
        # Announced when the stage begins, not when it ends: its end is the task's.
        steps.announce(attempt.task_id, attempt.attempt, ANALYZING, REPORTING)
        params = stored.read(Diagnosis, task_row(attempt.task_id).params)
        with database.connection() as session:
            cells = store.list_cells(session, attempt.task_id)
        report = report_of(params, cells)
        text = report.model_dump_json()
        run.complete(outcome_of(report).model_dump(), save=lambda tx: store.save_report(tx, attempt.task_id, text))
    return stored.read(Outcome, run.output)


def report_of(params: Diagnosis, cells: Sequence[GridCell]) -> Report:
    """Raises TooManyFailures when no cell was answered: then there is nothing to report."""
    left_out = [LeftOut(key=cell.key, state=cell.state, reason=cell.reason) for cell in cells if not cell.extraction]
    answered = list(_answered(cells))
    if not answered:
        reasons = [(cell.reason or "never asked")[:MAX_REASON] for cell in left_out[:MAX_REASONS]]
        distinct = "; ".join(dict.fromkeys(reasons))
        raise TooManyFailures(f"none of {len(left_out)} cells was answered: {distinct}")
    texts = {question_key(number): text for number, text in enumerate(params.questions, 1)}
    found = findings(answered, texts, params.competitors)
    by_model = {name: figures([cell for cell in answered if cell.model == name]) for name in params.models}
    by_question = {key: figures([cell for cell in answered if cell.question == key]) for key in texts}
    return Report(
        brand=params.brand,
        competitors=params.competitors,
        cells=counts_of(cells),
        overall=figures(answered),
        by_model=[ModelFigures(model=name, **dict(one)) for name, one in by_model.items()],
        by_question=[QuestionFigures(question=key, text=texts[key], **dict(one)) for key, one in by_question.items()],
        rivals=rivals(answered, params.competitors),
        strengths=found.strengths,
        gaps=found.gaps,
        left_out=left_out,
        tokens=sum(cell.tokens for cell in cells),
        cost=float(sum((cell.cost for cell in cells), Decimal(0))),
    )


def outcome_of(report: Report) -> Outcome:
    shared = {name: getattr(report.overall, name) for name in Outcome.model_fields if name in Figures.model_fields}
    return Outcome(cells=report.cells, tokens=report.tokens, cost=report.cost, **shared)


def counts_of(cells: Sequence[GridCell]) -> Counts:
    states = [cell.state for cell in cells]
    return Counts(
        planned=len(cells),
        answered=states.count(CellState.answered),
        failed=states.count(CellState.failed),
        skipped=states.count(CellState.skipped),
    )


def _answered(cells: Sequence[GridCell]) -> Iterator[AnsweredCell]:
    for cell in cells:
        if cell.extraction:
            question, _, model = cell.key.partition("/")
            yield AnsweredCell(cell.key, question, model, cell.extraction)
