"""Refreshes districts. The hospitals of each are asked for in batches, checked row by row, and stored as what changed.

A batch of hospitals that has a successor is stored as soon as it has come, outside of the step's fence: it is paid for.
So a worker that is killed, runs out of time or finds its task paused leaves its batches to the next one, which asks for
the rest only.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from hospitals import directory, store
from hospitals.divisions import DistrictBatch, DivisionStep, named_district
from hospitals.kinds import LABELS
from hospitals.model import Hospital, HospitalAnswer, HospitalsAnswer, Level
from hospitals.provinces import province_of
from longhaul import database, llm, settings
from longhaul.database import Session
from longhaul.errors import BadAnswer, OutOfTime
from longhaul.llm import prompts
from longhaul.observability import logger
from longhaul.tasks import steps
from longhaul.tasks.step_batches import run_steps
from longhaul.tasks.steps import Step, step

KEY = "district/"  # before the code in the key of a district's step
MAX_BATCHES = 50
MAX_MALFORMED = 0.2  # the share of a district's rows that may be malformed, and are left out
TOKENS_PER_HOSPITAL, TOKENS_BESIDE = 200, 500  # of an answer, at most

_prompts = prompts.load(__file__)


def refresh(district: DivisionStep) -> int:
    """How many hospitals the district has now. Raises as `llm.ask`; BadAnswer; TaskStopped.

    A model that names no hospital changes nothing: that is not believed of a district.
    """
    key, label = f"{KEY}{district.code}", f"{LABELS['district']}：{district.name}"
    with step(district.task_id, district.attempt, key=key, level="district", label=label) as run:
        if not run.done:
            _refresh(district, run)
    return int(run.output["hospitals"])


def refresh_batch(batch: DistrictBatch) -> None:
    """Refreshes each of the districts, and raises as `run_steps` while some are left."""

    def work(run: Step) -> None:
        code = run.planned.key.removeprefix(KEY)
        _refresh(named_district(DivisionStep(task_id=run.task_id, attempt=run.attempt, code=code)), run)

    keys = [f"{KEY}{code}" for code in batch.codes]
    run_steps(batch, keys, work, at_once=batch.at_once, seconds=llm.request_seconds(), doing=LABELS["district"])


def _refresh(district: DivisionStep, run: Step) -> None:
    hospitals, kept = ask_hospitals(district)
    written = 0

    def write(tx: Session) -> None:
        nonlocal written
        written = store.save_hospitals(tx, district.task_id, district.code, hospitals) if hospitals else 0
        if kept:
            store.forget_batches(tx, district.task_id, district.code)

    run.complete({"hospitals": len(hospitals)}, units=len(hospitals), save=write)
    if written and run.completed:
        directory.forget(province_of(district.code).code)


def ask_hospitals(district: DivisionStep) -> tuple[list[Hospital], bool]:
    """The hospitals that the model names, each once, in its order; and whether batches of them are stored.

    BadAnswer when more than a fifth of the rows are malformed, or when 50 batches are not enough.
    """
    hospitals: dict[str, Hospital] = {}
    rows = malformed = batches = 0
    for answer in _batches(district, hospitals):
        batches += 1
        valid = valid_hospitals(answer.hospitals)
        rows, malformed = rows + len(answer.hospitals), malformed + len(answer.hospitals) - len(valid)
        known = len(hospitals)
        for hospital in valid:
            hospitals.setdefault(hospital.name, hospital)
        if not answer.has_more or len(hospitals) == known:  # a batch with nothing new: it would go on for ever
            break
    else:
        raise _bad_batches(district, f"{district.name} still has more hospitals after {MAX_BATCHES} batches")
    if malformed > rows * MAX_MALFORMED:
        raise _bad_batches(district, f"{malformed} of {rows} hospitals of {district.name} are malformed")
    return list(hospitals.values()), batches > 1


def _batches(district: DivisionStep, known: Mapping[str, Hospital]) -> Iterator[HospitalsAnswer]:
    """First the stored batches, then new ones. A new one is stored when its successor is wanted.

    A call that is nearly over leaves the rest to the next. It beats for the task, which has no other sign of life
    between the calls of a district with many batches.
    """
    with database.connection() as session:
        stored = store.list_batches(session, district.task_id, district.code)
    yield from stored[:MAX_BATCHES]
    for batch in range(len(stored) + 1, MAX_BATCHES + 1):
        try:
            answer = _ask_batch(district, batch, list(known))
        except OutOfTime:
            steps.beat([district.task_id])
            raise
        yield answer
        with database.connection() as session:
            store.keep_batch(session, district.task_id, district.code, batch, answer)
        steps.check_running(district.task_id, district.attempt)


def _bad_batches(district: DivisionStep, reason: str) -> BadAnswer:
    """The error for batches that are bad together. They are deleted, so that a retry asks for all of them again."""
    with database.connection() as session:
        store.forget_batches(session, district.task_id, district.code)
    return BadAnswer(reason)


def valid_hospitals(answers: Sequence[HospitalAnswer]) -> list[Hospital]:
    """The rows that may be stored. The others are left out; the log names their malformed fields."""
    valid = []
    for answer in answers:
        try:
            valid.append(Hospital.model_validate(answer.model_dump()))
        except ValidationError as error:
            fields = [".".join(map(str, problem["loc"])) for problem in error.errors()]
            logger.warning("hospital left out", extra={"wrong_fields": fields})
    return valid


def _ask_batch(district: DivisionStep, batch: int, known: Sequence[str]) -> HospitalsAnswer:
    size = settings.of(settings.Hospitals).hospitals_batch_size
    prompt = _prompts.render(
        "hospitals",
        {"district": district.code, "batch": batch, "batch_size": size},
        place=district.place,
        code=district.code,
        batch=str(batch),
        batch_size=str(size),
        levels="、".join(Level),
        known="、".join(known) or "无",
    )
    max_tokens = TOKENS_BESIDE + size * TOKENS_PER_HOSPITAL
    return llm.ask(prompt, HospitalsAnswer, system=_prompts.system(), max_tokens=max_tokens)
