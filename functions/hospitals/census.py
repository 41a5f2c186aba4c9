"""Counting a district's hospitals: asked for in batches, checked row by row, stored as what changed."""

from collections.abc import Sequence

from pydantic import ValidationError

from hospitals import prompts, store
from hospitals.model import Hospital, HospitalAnswer, HospitalsAnswer, Level
from hospitals.provinces import province_of
from hospitals.requests import DivisionStep
from hospitals.scopes import scope_of
from longhaul import cache, llm, settings
from longhaul.database import Session
from longhaul.errors import BadAnswer
from longhaul.observability import logger
from longhaul.tasks.steps import step

MOST_BATCHES = 50
MOST_WRONG = 0.2  # the share of a district's rows that may be wrong and left out; more make a bad answer


def count_hospitals(district: DivisionStep) -> int:
    """How many hospitals the district has now. Raises as `llm.ask`; BadAnswer; TaskStopped.

    A model that names no hospital at all says nothing: what the directory has stays as it is.
    """
    key, label = f"district/{district.code}", f"正在获取区县数据：{district.name}"
    with step(district.task_id, district.attempt, key=key, level="district", label=label) as run:
        if not run.done:
            hospitals = ask_hospitals(district)
            written = 0

            def write(tx: Session) -> None:
                nonlocal written
                written = store.save_hospitals(tx, district.task_id, district.code, hospitals) if hospitals else 0

            run.complete({"hospitals": len(hospitals)}, units=len(hospitals), save=write)
            if written and run.completed:
                cache.invalidate(scope_of(province_of(district.code).code))
    return int(run.output["hospitals"])


def ask_hospitals(district: DivisionStep) -> list[Hospital]:
    """Every hospital the model names, each once, in the order it first did.

    BadAnswer when more than a fifth of the rows are wrong, or when 50 batches are not enough.
    """
    hospitals: dict[str, Hospital] = {}
    rows = wrong = 0
    for batch in range(1, MOST_BATCHES + 1):
        answer = _ask_batch(district, batch, list(hospitals))
        valid = valid_hospitals(answer.hospitals)
        rows, wrong = rows + len(answer.hospitals), wrong + len(answer.hospitals) - len(valid)
        known = len(hospitals)
        for hospital in valid:
            hospitals.setdefault(hospital.name, hospital)
        if not answer.has_more or len(hospitals) == known:  # a batch with nothing new: it would go on for ever
            break
    else:
        raise BadAnswer(f"{district.name} still has more hospitals after {MOST_BATCHES} batches")
    if wrong > rows * MOST_WRONG:
        raise BadAnswer(f"{wrong} of {rows} hospitals of {district.name} are malformed")
    return list(hospitals.values())


def valid_hospitals(answers: Sequence[HospitalAnswer]) -> list[Hospital]:
    """The rows that may be stored; the others are logged by the field that is wrong and left out."""
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
    prompt = prompts.render(
        "hospitals",
        {"district": district.code, "batch": batch, "batch_size": size},
        place=district.place,
        code=district.code,
        batch=str(batch),
        batch_size=str(size),
        levels="、".join(Level),
        known="、".join(known) or "无",
    )
    return llm.ask(prompt, HospitalsAnswer, system=prompts.system())
