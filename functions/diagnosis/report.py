"""The report of a diagnosis: made once, when all its cells have been tried, from those that were answered."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from diagnosis import store
from diagnosis.cells import CellState, GridCell
from diagnosis.figures import Figures, Finding, Heard, Rival, figures, findings, rivals
from diagnosis.model import ANALYZING, REPORT, Diagnosis, question_key
from longhaul import database, progress
from longhaul.errors import TooManyFailures
from longhaul.tasks.reading import task_params
from longhaul.tasks.steps import PlannedStep, Step
from longhaul.workflows import Attempt

LABEL = "正在生成诊断报告"
MOST_NAMED = 20  # cells in an error's message


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
    """The report in short: a task's result."""

    cells: Counts
    mention_rate: float | None
    share_of_voice: float | None
    mean_rank: float | None
    sentiment: float | None
    tokens: int
    cost: float


def write(attempt: Attempt) -> Outcome:
    """The stored report's outcome. Raises TooManyFailures when not one cell was answered; TaskStopped."""
    run = Step(attempt.task_id, attempt.attempt, PlannedStep(REPORT, ANALYZING, LABEL))
    run.begin()
    if not run.done:
        # That the stage begins is what a reader is to see; its end is the task's.
        progress.announce(attempt.task_id, attempt.attempt, ANALYZING, LABEL)
        asked = Diagnosis.model_validate(task_params(attempt.task_id))
        with database.connection() as session:
            cells = store.list_cells(session, attempt.task_id)
        report = report_of(asked, cells)
        text = report.model_dump_json()
        run.complete(outcome_of(report).model_dump(), save=lambda tx: store.save_report(tx, attempt.task_id, text))
    return Outcome.model_validate(run.output)


def report_of(asked: Diagnosis, cells: Sequence[GridCell]) -> Report:
    """Raises TooManyFailures when no cell was answered: then there is nothing to report."""
    left_out = [LeftOut(key=cell.key, state=cell.state, reason=cell.reason) for cell in cells if cell.said is None]
    heard = [_heard(cell) for cell in cells if cell.said is not None]
    if not heard:
        reasons = "; ".join(dict.fromkeys(out.reason or "never asked" for out in left_out[:MOST_NAMED]))
        raise TooManyFailures(f"none of {len(left_out)} cells was answered: {reasons}")
    texts = {question_key(number): text for number, text in enumerate(asked.questions, 1)}
    found = findings(heard, texts, asked.competitors)
    by_model = {name: figures([one for one in heard if one.model == name]) for name in asked.models}
    by_question = {key: figures([one for one in heard if one.question == key]) for key in texts}
    return Report(
        brand=asked.brand,
        competitors=asked.competitors,
        cells=counts_of(cells),
        overall=figures(heard),
        by_model=[ModelFigures(model=name, **dict(one)) for name, one in by_model.items()],
        by_question=[QuestionFigures(question=key, text=texts[key], **dict(one)) for key, one in by_question.items()],
        rivals=rivals(heard, asked.competitors),
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


def _heard(cell: GridCell) -> Heard:
    question, _, model = cell.key.partition("/")
    if cell.said is None:
        raise ValueError(f"{cell.key} was not answered")
    return Heard(cell.key, question, model, cell.said)
